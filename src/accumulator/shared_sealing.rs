//! Which full batches are left to the sender to be compressed, so that compression keeps two threads busy where one fills
//! batches: the caller opens the next one meanwhile.
//!
//! Owns: that there is one such batch at a time, and that it takes the sender not too long. Must not know: queues.
//! Threads: callers claim, the sender gives back.
//! Holds: what the sender cannot get to, since its partition has no leader or its brokers are slow, holds up no caller:
//! they compress what comes behind it themselves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::record_batch::Codec;

/// How long the sender may be busy with one batch, about: brokers' answers wait meanwhile.
const MOST_TIME: Duration = Duration::from_millis(64);

/// Whether a batch is left to the sender at this moment. One for a producer.
#[derive(Debug, Default)]
pub(crate) struct SharedSealing {
    is_claimed: AtomicBool,
}

impl SharedSealing {
    /// Whether a batch of so many bytes is to be left to the sender. It is, then: nobody else's will be until `done`.
    pub(super) fn claim(&self, codec: Codec, bytes: usize) -> bool {
        let is_quick = codec.expected_time(bytes).is_some_and(|time| time <= MOST_TIME);
        is_quick && !self.is_claimed.load(Ordering::Relaxed) && !self.is_claimed.swap(true, Ordering::Relaxed)
    }

    /// The batch that was left to the sender is compressed, or gone.
    pub(super) fn done(&self) {
        self.is_claimed.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_batch_is_left_at_a_time_and_none_that_takes_long_or_nothing() {
        let sharing = SharedSealing::default();
        let (lz4, gzip) = (Codec::Lz4 { level: 9 }, Codec::Gzip { level: -1 });
        for (codec, bytes) in [
            (Codec::None, 1000),
            (gzip, 16 << 20),
            (Codec::Gzip { level: 9 }, 1000),
            (Codec::Zstd { level: 19 }, 1000),
            (Codec::Lz4 { level: 12 }, 1000),
        ] {
            assert!(!sharing.claim(codec, bytes), "{codec:?}");
        }
        assert!(sharing.claim(lz4, 16 << 20));
        assert!(!sharing.claim(lz4, 1000));
        sharing.done();
        assert!(sharing.claim(gzip, 1 << 20));
    }
}
