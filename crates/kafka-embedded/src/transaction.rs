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
pub(super) struct KnownTransaction {
    producer_id: i64,
    /// -1: none was handed out yet.
    epoch: i16,
    /// The id before the last step; the same one, unless that step was to another.
    previous_id: i64,
    /// The epoch before, where the producer that has it may ask again; -1 otherwise.
    last_epoch: i16,
    /// The id that comes after this one, when epochs have run out.
    next_id: Option<i64>,
    timeout: Duration,
    state: State,
    /// Who has begun it: the logs know it by this epoch until its marker is written.
    writer: Author,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
    offsets: Vec<(String, CommittedOffset)>,
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

/// How a transaction is completed, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompletionPlan {
    /// When markers are written.
    pub(super) at: Instant,
    /// By the second protocol (`transaction.version` 2, EndTxn 5): the epoch is counted up.
    pub(super) is_v2: bool,
}

/// An InitProducerId.
#[derive(Debug, Clone, Copy)]
pub(super) struct Initialization {
    /// What the producer had before (KIP-360).
    pub(super) claimed: Option<Author>,
    /// `FOREVER`: the transactions are of two phases (KIP-939).
    pub(super) timeout: Duration,
    /// The open transaction goes on, for its new producer to end it.
    pub(super) keeps_prepared: bool,
    /// Of a transaction that has to be aborted first.
    pub(super) completion: CompletionPlan,
}

/// What an InitProducerId is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Initialized {
    pub(super) author: Author,
    /// Who has begun the transaction that goes on.
    pub(super) ongoing: Option<Author>,
}

/// An EndTxn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) author: Author,
    pub(super) end: TransactionEnd,
    pub(super) completion: CompletionPlan,
}

impl KnownTransaction {
    pub(super) fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            epoch: NO_EPOCH,
            previous_id: NO_PRODUCER_ID,
            last_epoch: NO_EPOCH,
            next_id: None,
            timeout: Duration::ZERO,
            state: State::Empty,
            writer: (NO_PRODUCER_ID, NO_EPOCH),
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: Vec::new(),
        }
    }

    /// The producer id and epoch that count now.
    pub(super) fn author(&self) -> Author {
        (self.producer_id, self.epoch)
    }

    pub(super) fn set_epoch(&mut self, epoch: i16) {
        self.epoch = epoch;
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

    fn is_completing(&self) -> bool {
        matches!(self.state, State::Completing { .. })
    }

    /// All steps from state to state.
    fn go(&mut self, state: State, (id, epoch): Author) {
        self.previous_id = self.producer_id;
        (self.producer_id, self.epoch) = (id, epoch);
        self.state = state;
    }

    /// InitProducerId: the producer that asks takes over.
    pub(super) fn init(
        &mut self,
        asked: &Initialization,
        ids: &mut ProducerIds,
    ) -> Result<Initialized, BrokerError> {
        let claimed = asked.claimed;
        // Whoever asks: the id may be another one once it is completed.
        if self.is_completing() {
            return Err(BrokerError::CONCURRENT_TRANSACTIONS);
        }
        if claimed.is_some_and(|claimed| !self.may_claim(claimed)) {
            return Err(BrokerError::PRODUCER_FENCED);
        }
        let is_open = matches!(self.state, State::Ongoing { .. });
        if is_open && !asked.keeps_prepared {
            self.fence(asked.completion, ids);
            return Err(BrokerError::CONCURRENT_TRANSACTIONS);
        }
        let (current, next) = (self.author(), (self.producer_id, self.epoch.saturating_add(1)));
        let (last_epoch, author) = match claimed.map(|(_, epoch)| epoch) {
            None if is_exhausted(self.epoch) => (NO_EPOCH, (ids.next(), 0)),
            Some(epoch) if is_exhausted(self.epoch) && epoch == self.epoch => (epoch, (ids.next(), 0)),
            // Kafka's coordinator falls over it, and tells no more than that.
            Some(_) if is_exhausted(self.epoch) => return Err(BrokerError::UNKNOWN_SERVER_ERROR),
            None => (NO_EPOCH, next),
            Some(epoch) if self.epoch == NO_EPOCH || epoch == self.epoch => (self.epoch, next),
            // It has been told already, and did not hear it.
            Some(epoch) if epoch == self.last_epoch => (self.last_epoch, current),
            Some(_) => return Err(BrokerError::PRODUCER_FENCED),
        };
        self.go(if is_open { self.state } else { State::Empty }, author);
        self.last_epoch = last_epoch;
        self.timeout = asked.timeout;
        Ok(Initialized { author, ongoing: is_open.then_some(self.writer) })
    }

    fn may_claim(&self, (id, epoch): Author) -> bool {
        self.epoch == NO_EPOCH || id == self.producer_id || (id == self.previous_id && is_exhausted(epoch))
    }

    fn is_of(&self, (id, epoch): Author) -> Result<(), BrokerError> {
        if id != self.producer_id {
            return Err(BrokerError::INVALID_PRODUCER_ID_MAPPING);
        }
        if epoch == self.epoch { Ok(()) } else { Err(BrokerError::PRODUCER_FENCED) }
    }

    /// Whether this producer may write into what was added before.
    pub(super) fn verify(&self, author: Author) -> Result<(), BrokerError> {
        self.is_of(author)?;
        if self.is_completing() { Err(BrokerError::CONCURRENT_TRANSACTIONS) } else { Ok(()) }
    }

    /// Adds partitions, and begins a transaction if none is open.
    pub(super) fn add_partitions(
        &mut self,
        author: Author,
        partitions: impl IntoIterator<Item = (String, i32)>,
        now: Instant,
    ) -> Result<(), BrokerError> {
        self.begin(author, now)?;
        self.partitions.extend(partitions);
        Ok(())
    }

    /// Adds a consumer group, and begins a transaction if none is open.
    pub(super) fn add_group(&mut self, author: Author, group: &str, now: Instant) -> Result<(), BrokerError> {
        self.begin(author, now)?;
        self.groups.insert(group.to_owned());
        Ok(())
    }

    fn begin(&mut self, author: Author, now: Instant) -> Result<(), BrokerError> {
        // Before anything else: what is added may be of the id that counts once it is completed.
        if self.is_completing() {
            return Err(BrokerError::CONCURRENT_TRANSACTIONS);
        }
        self.is_of(author)?;
        if !matches!(self.state, State::Ongoing { .. }) {
            self.writer = author;
            self.go(State::Ongoing { since: now }, author);
        }
        Ok(())
    }

    /// Whether this producer has written offsets of a group that are still to be completed.
    pub(super) fn has_offsets(&self, author: Author, group: &str) -> bool {
        author == self.writer && self.offsets.iter().any(|(known, _)| known == group)
    }

    /// Offsets that count once the transaction is committed.
    pub(super) fn add_offsets(&mut self, group: &str, offsets: Vec<CommittedOffset>) {
        self.offsets.extend(offsets.into_iter().map(|offset| (group.to_owned(), offset)));
    }

    /// EndTxn: the producer id and epoch that the producer goes on with.
    pub(super) fn end(&mut self, ending: &Ending, ids: &mut ProducerIds) -> Result<Author, BrokerError> {
        if ending.completion.is_v2 { self.end_v2(ending, ids) } else { self.end_v1(ending, ids) }
    }

    fn end_v1(&mut self, ending: &Ending, ids: &mut ProducerIds) -> Result<Author, BrokerError> {
        self.is_of(ending.author)?;
        match self.state {
            State::Completing { .. } => Err(BrokerError::CONCURRENT_TRANSACTIONS),
            State::Ongoing { .. } => Ok(self.complete_later(ending.end, ending.completion, ids)),
            State::Complete(end) if end == ending.end => Ok(self.author()),
            State::Empty | State::Complete(_) => Err(BrokerError::INVALID_TXN_STATE),
        }
    }

    /// By the second protocol the same epoch means the next transaction; one asks again with the epoch before.
    fn end_v2(&mut self, ending: &Ending, ids: &mut ProducerIds) -> Result<Author, BrokerError> {
        if self.is_completing() {
            return Err(BrokerError::CONCURRENT_TRANSACTIONS);
        }
        let (id, epoch) = ending.author;
        let rotated = id == self.previous_id && epoch == LAST_EPOCH && self.epoch == 0;
        if id != self.producer_id && !rotated {
            return Err(BrokerError::INVALID_PRODUCER_ID_MAPPING);
        }
        let is_repeated =
            matches!(self.state, State::Complete(_)) && (rotated || self.epoch.checked_sub(1) == Some(epoch));
        if epoch != self.epoch && !is_repeated {
            return Err(BrokerError::PRODUCER_FENCED);
        }
        match (self.state, ending.end) {
            (State::Ongoing { .. }, _) => Ok(self.complete_later(ending.end, ending.completion, ids)),
            (State::Complete(end), asked) if is_repeated && end == asked => Ok(self.author()),
            // An abort of nothing counts the epoch up, too.
            (State::Empty | State::Complete(_), TransactionEnd::Abort) if !is_repeated => {
                Ok(self.complete_later(TransactionEnd::Abort, ending.completion, ids))
            }
            _ => Err(BrokerError::INVALID_TXN_STATE),
        }
    }

    fn complete_later(
        &mut self,
        end: TransactionEnd,
        completion: CompletionPlan,
        ids: &mut ProducerIds,
    ) -> Author {
        let (id, mut epoch) = self.author();
        if completion.is_v2 {
            self.next_id = is_exhausted(epoch).then(|| ids.next());
            self.last_epoch = epoch;
            epoch = epoch.saturating_add(1);
        }
        self.go(State::Completing { end, at: completion.at }, (id, epoch));
        self.next_id.map_or(self.author(), |id| (id, 0))
    }

    /// Aborts the open transaction with an epoch that its producer does not have. By the second protocol the producer may still
    /// ask what has become of its transaction, and go on, as long as no other has taken over.
    fn fence(&mut self, completion: CompletionPlan, ids: &mut ProducerIds) {
        self.complete_later(TransactionEnd::Abort, completion, ids);
        if !completion.is_v2 {
            self.epoch = self.epoch.saturating_add(1);
            self.last_epoch = NO_EPOCH;
        }
    }

    /// When something happens by time alone.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.state {
            State::Ongoing { since } => Some(since + self.timeout).filter(|_| self.timeout < FOREVER),
            State::Completing { at, .. } => Some(at),
            State::Empty | State::Complete(_) => None,
        }
    }

    /// Aborts the transaction if its time is over. `rules`: how much later markers are written, and whether by the second
    /// protocol.
    pub(super) fn expire(&mut self, now: Instant, rules: (Duration, bool), ids: &mut ProducerIds) {
        if let State::Ongoing { since } = self.state
            && self.timeout < FOREVER
            && since + self.timeout <= now
        {
            let (delay, is_v2) = rules;
            self.fence(CompletionPlan { at: since + self.timeout + delay, is_v2 }, ids);
        }
    }

    /// Completes what is due.
    pub(super) fn complete(&mut self, now: Instant) -> Option<Completed> {
        let State::Completing { end, at } = self.state else { return None };
        if at > now {
            return None;
        }
        let next = self.next_id.take().map_or(self.author(), |id| (id, 0));
        // The logs know it by the id that has begun it, also where its last producer has another.
        let is_kept = !self.partitions.is_empty() && self.writer.0 != self.producer_id;
        let author = if is_kept { self.writer } else { self.author() };
        self.go(State::Complete(end), next);
        self.groups.clear();
        let offsets = std::mem::take(&mut self.offsets);
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

/// The time-out of transactions in two phases: none. Kafka's coordinator keeps it as `Int.MaxValue` milliseconds.
pub(super) const FOREVER: Duration = Duration::from_millis(i32::MAX as u64);

const NO_PRODUCER_ID: i64 = -1;
const NO_EPOCH: i16 = -1;
const LAST_EPOCH: i16 = i16::MAX - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    struct Case {
        transaction: KnownTransaction,
        ids: ProducerIds,
        now: Instant,
    }

    impl Case {
        fn at(epoch: i16) -> Self {
            let mut ids = ProducerIds::default();
            let mut transaction = KnownTransaction::new(ids.next());
            transaction.epoch = epoch;
            Self { transaction, ids, now: Instant::now() }
        }

        fn init_by(&mut self, is_v2: bool, claimed: Option<Author>) -> Result<Author, BrokerError> {
            let completion = CompletionPlan { at: self.now, is_v2 };
            let asked = Initialization { claimed, timeout: TIMEOUT, keeps_prepared: false, completion };
            self.transaction.init(&asked, &mut self.ids).map(|it| it.author)
        }

        fn init(&mut self, claimed: Option<Author>) -> Result<Author, BrokerError> {
            self.init_by(true, claimed)
        }

        fn end(&mut self, author: Author, end: TransactionEnd, is_v2: bool) -> Result<Author, BrokerError> {
            let ending = Ending { author, end, completion: CompletionPlan { at: self.now, is_v2 } };
            self.transaction.end(&ending, &mut self.ids)
        }

        fn add(&mut self, author: Author) -> Result<(), BrokerError> {
            self.transaction.add_partitions(author, [("t".to_owned(), 0)], self.now)
        }

        /// A transaction that somebody with epoch 4 has brought here.
        fn brought_to(state: &str, is_v2: bool) -> Self {
            let mut case = Self::at(4);
            if state == "empty" {
                return case;
            }
            case.add((1000, 4)).unwrap();
            let end = if state.ends_with("commit") { TransactionEnd::Commit } else { TransactionEnd::Abort };
            if state != "ongoing" {
                case.end((1000, 4), end, is_v2).unwrap();
            }
            if state.starts_with("complete ") {
                case.transaction.complete(case.now).unwrap();
            }
            case
        }
    }

    const FENCED: Result<Author, BrokerError> = Err(BrokerError::PRODUCER_FENCED);
    const CONCURRENT: Result<Author, BrokerError> = Err(BrokerError::CONCURRENT_TRANSACTIONS);
    const MAPPING: Result<Author, BrokerError> = Err(BrokerError::INVALID_PRODUCER_ID_MAPPING);
    const STATE: Result<Author, BrokerError> = Err(BrokerError::INVALID_TXN_STATE);

    /// EndTxn in all states, by who asks: with the epoch that counts, the one before, the next, and a strange id.
    #[test]
    fn an_end_in_each_state() {
        let (commit, abort) = (TransactionEnd::Commit, TransactionEnd::Abort);
        // State; EndTxn; what is answered by the first protocol and by the second: to the epoch that counts, to the one before.
        let next = |epoch| Ok((1000, epoch));
        let told = next(4);
        let cases = [
            ("empty", commit, [STATE, FENCED], [STATE, FENCED]),
            ("empty", abort, [STATE, FENCED], [next(5), FENCED]),
            ("ongoing", commit, [told, FENCED], [next(5), FENCED]),
            ("ongoing", abort, [told, FENCED], [next(5), FENCED]),
            ("completing commit", commit, [CONCURRENT, FENCED], [CONCURRENT; 2]),
            ("completing commit", abort, [CONCURRENT, FENCED], [CONCURRENT; 2]),
            ("completing abort", commit, [CONCURRENT, FENCED], [CONCURRENT; 2]),
            ("completing abort", abort, [CONCURRENT, FENCED], [CONCURRENT; 2]),
            ("complete commit", commit, [told, FENCED], [STATE, next(5)]),
            ("complete commit", abort, [STATE, FENCED], [next(6), STATE]),
            ("complete abort", commit, [STATE, FENCED], [STATE, STATE]),
            ("complete abort", abort, [told, FENCED], [next(6), next(5)]),
        ];
        for (state, end, first, second) in cases {
            for (is_v2, expected) in [(false, first), (true, second)] {
                let author = Case::brought_to(state, is_v2).transaction.author();
                let answers = [author, (1000, author.1 - 1)]
                    .map(|author| Case::brought_to(state, is_v2).end(author, end, is_v2));
                assert_eq!(answers, expected, "{state}, {end:?}, {is_v2}");
                let is_hidden = is_v2 && state.starts_with("completing");
                let strange = Case::brought_to(state, is_v2).end((7, author.1), end, is_v2);
                assert_eq!(
                    strange,
                    if is_hidden { CONCURRENT } else { MAPPING },
                    "{state}, {end:?}, {is_v2}"
                );
                let newer = Case::brought_to(state, is_v2).end((1000, author.1 + 1), end, is_v2);
                assert_eq!(newer, if is_hidden { CONCURRENT } else { FENCED }, "{state}, {end:?}, {is_v2}");
            }
        }
    }

    #[test]
    fn what_is_added_in_each_state() {
        for is_v2 in [false, true] {
            for state in ["empty", "ongoing", "complete commit", "complete abort"] {
                let author = Case::brought_to(state, is_v2).transaction.author();
                for (asking, added) in [
                    (author, Ok(author)),
                    ((1000, author.1 - 1), FENCED),
                    ((1000, author.1 + 1), FENCED),
                    ((7, author.1), MAPPING),
                ] {
                    let mut case = Case::brought_to(state, is_v2);
                    assert_eq!(case.transaction.verify(asking), added.map(drop), "{state}");
                    assert_eq!(case.add(asking), added.map(drop), "{state}");
                    assert_eq!(
                        case.transaction.open(),
                        (added.is_ok() || state == "ongoing").then_some(None)
                    );
                }
            }
            // What is completed may be followed by another id: only who comes later knows.
            let mut case = Case::brought_to("completing commit", is_v2);
            let author = case.transaction.author();
            for asking in [author, (1000, author.1 - 1), (7, 0)] {
                assert_eq!(case.add(asking), CONCURRENT.map(drop));
                assert_eq!(case.init(Some(asking)), CONCURRENT);
            }
            assert_eq!(case.init(None), CONCURRENT);
            assert_eq!(case.transaction.verify(author), CONCURRENT.map(drop));
            assert_eq!(case.transaction.verify((1000, author.1 - 1)), FENCED.map(drop));
            assert_eq!(case.transaction.verify((7, author.1)), MAPPING.map(drop));
        }
    }

    #[test]
    fn epochs_that_have_run_out_give_way_to_another_id() {
        let mut case = Case::at(LAST_EPOCH - 1);
        assert_eq!(case.init(None), Ok((1000, LAST_EPOCH)));
        assert_eq!(case.init(Some((1000, 5))), Err(BrokerError::UNKNOWN_SERVER_ERROR), "as in Kafka");
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), Ok((1001, 0)));
        assert_eq!(case.init(Some((1000, 5))), FENCED);
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), Ok((1001, 0)), "asked again: told again");
        assert_eq!(case.init(Some((1000, LAST_EPOCH))), FENCED, "as in Kafka: twice is too often");
        assert_eq!(case.init(None), Ok((1001, 1)));
    }

    #[test]
    fn an_end_of_the_second_protocol_beyond_the_last_epoch_tells_another_id() {
        let mut case = Case::at(LAST_EPOCH);
        let author = (1000, LAST_EPOCH);
        case.add(author).unwrap();
        assert_eq!(case.end(author, TransactionEnd::Commit, true), Ok((1001, 0)));
        assert_eq!(case.end(author, TransactionEnd::Commit, true), CONCURRENT);
        assert_eq!(case.add((1001, 0)), CONCURRENT.map(drop), "told, but not yet the one that counts");
        let completed = case.transaction.complete(case.now).unwrap();
        assert_eq!(completed.author, (1000, i16::MAX), "the markers have the last epoch of all");
        assert_eq!(case.end(author, TransactionEnd::Commit, true), Ok((1001, 0)), "asked again");
        assert_eq!(case.end(author, TransactionEnd::Abort, true), STATE);
        assert_eq!(case.add(author), MAPPING.map(drop));
        assert_eq!(case.add((1001, 0)), Ok(()));
        assert_eq!(case.end(author, TransactionEnd::Commit, true), MAPPING, "the next one has begun");
    }

    #[test]
    fn a_fenced_producer_of_the_last_epoch_is_still_fenced() {
        for is_v2 in [false, true] {
            let mut case = Case::at(LAST_EPOCH);
            case.add((1000, LAST_EPOCH)).unwrap();
            assert_eq!(case.init_by(is_v2, None), CONCURRENT);
            assert_eq!(case.transaction.complete(case.now).unwrap().author, (1000, i16::MAX));
            assert_eq!(case.init_by(is_v2, None), Ok((1001, i16::from(is_v2))));
            assert_eq!(case.init(Some((1000, LAST_EPOCH))), FENCED);
            let again = case.end((1000, LAST_EPOCH), TransactionEnd::Abort, true);
            assert_eq!(again, if is_v2 { MAPPING } else { FENCED });
        }
    }

    /// Whoever has fenced it: a successor, or time.
    #[test]
    fn who_was_fenced_may_ask_by_the_second_protocol_what_has_become_of_it() {
        for is_v2 in [false, true] {
            let fenced = || {
                let mut case = Case::brought_to("ongoing", is_v2);
                case.transaction.timeout = TIMEOUT;
                case.transaction.expire(case.now + TIMEOUT, (Duration::ZERO, is_v2), &mut case.ids);
                assert_eq!(case.transaction.complete(case.now + TIMEOUT).unwrap().author, (1000, 5));
                case
            };
            let ends = [TransactionEnd::Commit, TransactionEnd::Abort]
                .map(|end| fenced().end((1000, 4), end, is_v2));
            assert_eq!(ends, if is_v2 { [STATE, Ok((1000, 5))] } else { [FENCED; 2] });
            let expected = if is_v2 { Ok((1000, 5)) } else { FENCED };
            assert_eq!(fenced().init_by(is_v2, Some((1000, 4))), expected);
            let mut succeeded = fenced();
            assert_eq!(succeeded.init_by(is_v2, None), Ok((1000, 6)));
            assert_eq!(succeeded.end((1000, 4), TransactionEnd::Abort, is_v2), FENCED);
            assert_eq!(succeeded.init_by(is_v2, Some((1000, 4))), FENCED);
        }
    }

    /// KIP-939: its new producer has a newer epoch, the transaction keeps the one that has begun it, and time does nothing.
    #[test]
    fn a_prepared_transaction_is_kept_for_the_next_producer_and_never_times_out() {
        for (epoch, is_v2) in [(3, true), (3, false), (LAST_EPOCH - 1, true)] {
            let mut case = Case::at(epoch);
            let completion = CompletionPlan { at: case.now, is_v2 };
            let asked = |keeps_prepared| Initialization {
                claimed: None,
                timeout: FOREVER,
                keeps_prepared,
                completion,
            };
            let first = case.transaction.init(&asked(true), &mut case.ids).unwrap();
            assert_eq!(first.ongoing, None, "there is none");
            case.add(first.author).unwrap();
            assert_eq!(case.transaction.next_due(), None);
            let later = case.now + FOREVER + FOREVER;
            case.transaction.expire(later, (Duration::ZERO, is_v2), &mut case.ids);
            assert_eq!(case.transaction.open(), Some(None));
            let second = case.transaction.init(&asked(true), &mut case.ids).unwrap();
            assert_eq!(second.ongoing, Some(first.author));
            assert_ne!(second.author, first.author);
            let third = case.transaction.init(&asked(true), &mut case.ids).unwrap();
            assert_eq!(third.ongoing, Some(first.author), "as often as producers crash");
            assert!(case.end(second.author, TransactionEnd::Abort, is_v2).is_err(), "it is fenced");
            case.end(third.author, TransactionEnd::Commit, is_v2).unwrap();
            let completed = case.transaction.complete(case.now).unwrap();
            assert_eq!((completed.author.0, completed.end), (first.author.0, TransactionEnd::Commit));
            assert!(completed.author.1 >= first.author.1);
        }
        let mut case = Case::at(3);
        let author = case.init(None).unwrap();
        case.add(author).unwrap();
        assert_eq!(case.init(None), Err(BrokerError::CONCURRENT_TRANSACTIONS), "not kept, it is aborted");
    }
}
