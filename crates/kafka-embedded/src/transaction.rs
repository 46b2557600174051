//! What the transaction coordinator keeps of one transactional id, and how it goes on from there.
//!
//! Owns: producer id and epoch, the state of the transaction, what belongs to it. Must not know: requests, logs, other ids.
//! Holds: an epoch that was fenced never comes back; what is being completed takes nothing in.
//! Source: Kafka's `TransactionCoordinator` and `TransactionMetadata`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::broker_error::BrokerError;
use super::producer_ids::ProducerIds;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionEnd {
    /// What was written in it counts.
    Commit,
    /// What was written in it does not count.
    Abort,
}

/// Producer id and epoch of whoever asks.
pub(super) type Author = (i64, i16);

/// An offset of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// Name of the topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the next record to be read.
    pub offset: i64,
    /// Leader epoch of the last record read, -1 for none.
    pub leader_epoch: i32,
    /// What the client keeps with it.
    pub metadata: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Ongoing { since: Instant },
    Completing { end: TransactionEnd, at: Instant },
    Complete(TransactionEnd),
}

#[derive(Debug)]
pub(super) struct Transaction {
    producer_id: i64,
    /// -1: none was handed out yet.
    epoch: i16,
    previous_id: i64,
    /// The epoch before, where the producer that has it may ask again; -1 otherwise.
    last_epoch: i16,
    /// The id that comes after this one, when epochs have run out.
    next_id: Option<i64>,
    timeout: Duration,
    state: State,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
    offsets: Vec<(String, CommittedOffset)>,
    /// Whether each end counts the epoch up (`transaction.version` 2), by the last EndTxn.
    is_v2: bool,
}

/// A transaction that has come to its end: what is written now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completed {
    pub(super) author: Author,
    pub(super) end: TransactionEnd,
    pub(super) partitions: BTreeSet<(String, i32)>,
    /// By group; empty unless it is committed.
    pub(super) offsets: Vec<(String, CommittedOffset)>,
}

/// An EndTxn.
pub(super) struct Ending {
    pub(super) author: Author,
    pub(super) end: TransactionEnd,
    /// EndTxn 5 or later.
    pub(super) is_v2: bool,
    /// When markers are written.
    pub(super) completes: Instant,
}

impl Transaction {
    pub(super) fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            epoch: NO_EPOCH,
            previous_id: NO_PRODUCER_ID,
            last_epoch: NO_EPOCH,
            next_id: None,
            timeout: Duration::ZERO,
            state: State::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: Vec::new(),
            is_v2: false,
        }
    }

    /// The producer id and epoch that count now.
    pub(super) fn author(&self) -> Author {
        (self.producer_id, self.epoch)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn partitions(&self) -> &BTreeSet<(String, i32)> {
        &self.partitions
    }

    pub(super) fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Whether a transaction is open, and how it ends if that is known.
    pub(super) fn open(&self) -> Option<Option<TransactionEnd>> {
        match self.state {
            State::Ongoing { .. } => Some(None),
            State::Completing { end, .. } => Some(Some(end)),
            State::Empty | State::Complete(_) => None,
        }
    }

    /// InitProducerId: the producer that asks takes over. `claimed`: what it had before (KIP-360).
    /// `completes`: when the markers are written of a transaction that has to be aborted first.
    pub(super) fn init(
        &mut self,
        claimed: Option<Author>,
        timeout: Duration,
        completes: Instant,
        ids: &mut ProducerIds,
    ) -> Result<Author, BrokerError> {
        if claimed.is_some_and(|claimed| !self.may_claim(claimed)) {
            return Err(BrokerError::PRODUCER_FENCED);
        }
        match self.state {
            State::Completing { .. } => return Err(BrokerError::CONCURRENT_TRANSACTIONS),
            State::Ongoing { .. } => {
                self.fence(completes);
                return Err(BrokerError::CONCURRENT_TRANSACTIONS);
            }
            State::Empty | State::Complete(_) => {}
        }
        let claimed_epoch = claimed.map(|(_, epoch)| epoch);
        if is_exhausted(self.epoch) && claimed_epoch.is_none_or(|epoch| epoch == self.epoch) {
            self.last_epoch = claimed_epoch.map_or(NO_EPOCH, |_| self.epoch);
            self.rotate(ids.next());
        } else {
            match claimed_epoch {
                None => self.count_up(NO_EPOCH),
                Some(epoch) if self.epoch == NO_EPOCH || epoch == self.epoch => self.count_up(self.epoch),
                // It has been told already, and did not hear it.
                Some(epoch) if epoch == self.last_epoch => {}
                Some(_) => return Err(BrokerError::PRODUCER_FENCED),
            }
        }
        self.state = State::Empty;
        self.timeout = timeout;
        Ok(self.author())
    }

    fn may_claim(&self, (id, epoch): Author) -> bool {
        self.epoch == NO_EPOCH || id == self.producer_id || (id == self.previous_id && is_exhausted(epoch))
    }

    fn count_up(&mut self, last_epoch: i16) {
        self.last_epoch = last_epoch;
        self.epoch = self.epoch.saturating_add(1);
    }

    fn rotate(&mut self, id: i64) {
        self.previous_id = self.producer_id;
        self.producer_id = id;
        self.epoch = 0;
    }

    /// Whether this producer may do something in the transaction now.
    pub(super) fn check(&self, (id, epoch): Author) -> Result<(), BrokerError> {
        if id != self.producer_id {
            return Err(BrokerError::INVALID_PRODUCER_ID_MAPPING);
        }
        if epoch != self.epoch {
            return Err(BrokerError::PRODUCER_FENCED);
        }
        match self.state {
            State::Completing { .. } => Err(BrokerError::CONCURRENT_TRANSACTIONS),
            _ => Ok(()),
        }
    }

    /// Adds partitions, and begins a transaction if none is open.
    pub(super) fn add_partitions(
        &mut self,
        author: Author,
        partitions: impl IntoIterator<Item = (String, i32)>,
        now: Instant,
    ) -> Result<(), BrokerError> {
        self.check(author)?;
        self.begin(now);
        self.partitions.extend(partitions);
        Ok(())
    }

    /// Adds a consumer group, and begins a transaction if none is open.
    pub(super) fn add_group(&mut self, author: Author, group: &str, now: Instant) -> Result<(), BrokerError> {
        self.check(author)?;
        self.begin(now);
        self.groups.insert(group.to_owned());
        Ok(())
    }

    /// Offsets that count once the transaction is committed.
    pub(super) fn add_offsets(&mut self, group: &str, offsets: Vec<CommittedOffset>) {
        self.offsets.extend(offsets.into_iter().map(|offset| (group.to_owned(), offset)));
    }

    fn begin(&mut self, now: Instant) {
        if !matches!(self.state, State::Ongoing { .. }) {
            self.state = State::Ongoing { since: now };
        }
    }

    /// EndTxn: the producer id and epoch that the producer goes on with.
    pub(super) fn end(&mut self, ending: &Ending, ids: &mut ProducerIds) -> Result<Author, BrokerError> {
        let (id, epoch) = ending.author;
        let overflowed = self.is_v2 && id == self.previous_id && epoch == LAST_EPOCH && self.epoch == 0;
        let bumped = self.is_v2 && self.epoch.checked_sub(1) == Some(epoch);
        if id != self.producer_id && !overflowed {
            return Err(BrokerError::INVALID_PRODUCER_ID_MAPPING);
        }
        let is_repeated = bumped || overflowed;
        let is_current = match self.state {
            State::Completing { .. } if self.is_v2 => bumped,
            State::Complete(_) => is_repeated || epoch == self.epoch,
            _ => epoch == self.epoch,
        };
        if !is_current {
            return Err(BrokerError::PRODUCER_FENCED);
        }
        match self.state {
            State::Ongoing { .. } => Ok(self.complete_later(ending, ids)),
            State::Completing { end, .. } if end == ending.end => Err(BrokerError::CONCURRENT_TRANSACTIONS),
            State::Complete(end) if end == ending.end && (is_repeated || !self.is_v2) => Ok(self.author()),
            // By the second protocol an abort also counts the epoch up where nothing is open.
            State::Complete(_) if self.is_v2 && !is_repeated && ending.end == TransactionEnd::Abort => {
                Ok(self.complete_later(ending, ids))
            }
            State::Empty if ending.is_v2 && ending.end == TransactionEnd::Abort => {
                Ok(self.complete_later(ending, ids))
            }
            _ => Err(BrokerError::INVALID_TXN_STATE),
        }
    }

    fn complete_later(&mut self, ending: &Ending, ids: &mut ProducerIds) -> Author {
        self.is_v2 = ending.is_v2;
        if ending.is_v2 {
            self.next_id = is_exhausted(self.epoch).then(|| ids.next());
            self.count_up(self.epoch);
        }
        self.state = State::Completing { end: ending.end, at: ending.completes };
        self.next_id.map_or(self.author(), |id| (id, 0))
    }

    /// Aborts the open transaction with an epoch that nobody has.
    fn fence(&mut self, completes: Instant) {
        self.count_up(NO_EPOCH);
        // Otherwise the epoch before this one would be taken for that of an EndTxn that comes again.
        self.is_v2 = false;
        self.state = State::Completing { end: TransactionEnd::Abort, at: completes };
    }

    /// When something happens by time alone.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.state {
            State::Ongoing { since } => Some(since + self.timeout),
            State::Completing { at, .. } => Some(at),
            State::Empty | State::Complete(_) => None,
        }
    }

    /// Aborts the transaction if its time is over. `delay`: how much later markers are written.
    pub(super) fn expire(&mut self, now: Instant, delay: Duration) {
        if let State::Ongoing { since } = self.state
            && since + self.timeout <= now
        {
            self.fence(since + self.timeout + delay);
        }
    }

    /// Completes what is due.
    pub(super) fn complete(&mut self, now: Instant) -> Option<Completed> {
        let State::Completing { end, at } = self.state else { return None };
        if at > now {
            return None;
        }
        let author = self.author();
        let offsets = std::mem::take(&mut self.offsets);
        self.groups.clear();
        self.state = State::Complete(end);
        if let Some(next) = self.next_id.take() {
            self.rotate(next);
        }
        Some(Completed {
            author,
            end,
            partitions: std::mem::take(&mut self.partitions),
            offsets: if end == TransactionEnd::Commit { offsets } else { Vec::new() },
        })
    }
}

/// A client never gets the largest epoch, so that there is always one to fence it with.
fn is_exhausted(epoch: i16) -> bool {
    epoch >= LAST_EPOCH
}

const NO_PRODUCER_ID: i64 = -1;
const NO_EPOCH: i16 = -1;
const LAST_EPOCH: i16 = i16::MAX - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    struct Case {
        transaction: Transaction,
        ids: ProducerIds,
        now: Instant,
    }

    impl Case {
        fn at(epoch: i16) -> Self {
            let mut ids = ProducerIds::default();
            let mut transaction = Transaction::new(ids.next());
            transaction.epoch = epoch;
            Self { transaction, ids, now: Instant::now() }
        }

        fn init(&mut self, claimed: Option<Author>) -> Result<Author, BrokerError> {
            self.transaction.init(claimed, TIMEOUT, self.now, &mut self.ids)
        }

        fn end(&mut self, author: Author, end: TransactionEnd, is_v2: bool) -> Result<Author, BrokerError> {
            let ending = Ending { author, end, is_v2, completes: self.now };
            self.transaction.end(&ending, &mut self.ids)
        }

        fn add(&mut self, author: Author) -> Result<(), BrokerError> {
            self.transaction.add_partitions(author, [("t".to_owned(), 0)], self.now)
        }
    }

    #[test]
    fn epochs_that_have_run_out_give_way_to_another_id() {
        let mut case = Case::at(LAST_EPOCH - 1);
        assert_eq!(case.init(None), Ok((1000, LAST_EPOCH)));
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), Ok((1001, 0)));
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), Ok((1001, 0)), "asked again: told again");
        assert_eq!(case.init(Some((1000, 5))), Err(BrokerError::PRODUCER_FENCED));
        assert_eq!(case.init(None), Ok((1001, 1)));
    }

    #[test]
    fn an_end_of_the_second_protocol_beyond_the_last_epoch_tells_another_id() {
        let mut case = Case::at(LAST_EPOCH);
        let author = (1000, LAST_EPOCH);
        case.add(author).unwrap();
        assert_eq!(case.end(author, TransactionEnd::Commit, true), Ok((1001, 0)));
        assert_eq!(case.end(author, TransactionEnd::Commit, true), Err(BrokerError::CONCURRENT_TRANSACTIONS));
        let completed = case.transaction.complete(case.now).unwrap();
        assert_eq!(completed.author, (1000, i16::MAX), "the markers have the last epoch of all");
        assert_eq!(case.end(author, TransactionEnd::Commit, true), Ok((1001, 0)), "asked again");
        assert_eq!(case.end(author, TransactionEnd::Abort, true), Err(BrokerError::INVALID_TXN_STATE));
        assert_eq!(case.add(author), Err(BrokerError::INVALID_PRODUCER_ID_MAPPING));
        assert_eq!(case.add((1001, 0)), Ok(()));
    }

    #[test]
    fn a_fenced_producer_of_the_last_epoch_is_still_fenced() {
        let mut case = Case::at(LAST_EPOCH);
        case.transaction.is_v2 = true;
        case.add((1000, LAST_EPOCH)).unwrap();
        assert_eq!(case.init(None), Err(BrokerError::CONCURRENT_TRANSACTIONS));
        case.transaction.complete(case.now).unwrap();
        let again = case.end((1000, LAST_EPOCH), TransactionEnd::Abort, true);
        assert_eq!(again, Err(BrokerError::PRODUCER_FENCED));
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), Err(BrokerError::PRODUCER_FENCED));
        assert_eq!(case.init(None), Ok((1001, 0)));
    }
}
