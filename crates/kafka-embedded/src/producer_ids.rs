//! Producer ids, as brokers hand them out.

/// How many have been handed out.
#[derive(Debug, Default)]
pub(super) struct ProducerIds(i64);

impl ProducerIds {
    /// An id that nobody has.
    pub(super) fn next(&mut self) -> i64 {
        self.0 += 1;
        FIRST_PRODUCER_ID + self.0 - 1
    }
}

const FIRST_PRODUCER_ID: i64 = 1000;
