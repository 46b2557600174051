//! `CoordinatorQueue`: what coordinators are to be asked, in order and one at a time.
//!
//! Owns: the order, backoffs, that one request at most is on its way. Must not know: sockets, brokers, what answers mean.
//! Pure: time comes in as an argument.
//! Holds: five levels (a coordinator is looked for first, the end of a transaction comes after all that belongs to it, and a
//! newer epoch after that); first come, first served within one. Whoever is first holds up all behind it.
//! Source: Kafka's `TransactionManager.Priority` and `nextRequest`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::Error;
use crate::planted::{Defect, planted};
use crate::protocol::CoordinatorType;
use crate::transaction::call_outcome::CallPromise;

/// What a coordinator looks after: a transactional id or a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Coordinated {
    pub(crate) kind: CoordinatorType,
    pub(crate) key: Arc<str>,
}

/// Offsets of a group that a transaction commits, and who waits for that.
#[derive(Debug)]
pub(crate) struct OffsetsToCommit {
    pub(crate) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    pub(crate) group: ConsumerGroupMetadata,
    pub(crate) promise: CallPromise,
}

/// What a coordinator is to be asked. The partitions to be added are kept by the transaction.
#[derive(Debug)]
pub(crate) enum CoordinatorRequest {
    FindCoordinator(Coordinated),
    InitProducerId {
        /// For a newer epoch, after a transaction.
        renews: bool,
        /// A transaction that is prepared is left open.
        keeps_prepared: bool,
    },
    AddPartitions,
    AddOffsets(OffsetsToCommit),
    CommitOffsets(OffsetsToCommit),
    /// Asks nobody: its turn comes when all else of the transaction is answered.
    Prepare,
    EndTransaction {
        commits: bool,
    },
}

/// A request with its history.
#[derive(Debug)]
pub(crate) struct QueuedRequest {
    pub(crate) request: CoordinatorRequest,
    /// How often it failed.
    pub(crate) failures: u32,
    /// It went to a broker that may have carried it out.
    pub(crate) may_be_done: bool,
    /// Since when brokers say that they do not know what it is about.
    pub(crate) unknown_since: Option<Instant>,
    not_before: Option<Instant>,
}

/// What coordinators are to be asked.
#[derive(Debug, Default)]
pub(crate) struct CoordinatorQueue {
    levels: [VecDeque<QueuedRequest>; LEVELS],
    is_one_on_its_way: bool,
}

const LEVELS: usize = 5;

impl CoordinatorRequest {
    fn level(&self) -> usize {
        match self {
            CoordinatorRequest::FindCoordinator(_) => 0,
            CoordinatorRequest::InitProducerId { renews: false, .. } => 1,
            CoordinatorRequest::AddPartitions
            | CoordinatorRequest::AddOffsets(_)
            | CoordinatorRequest::CommitOffsets(_) => 2,
            CoordinatorRequest::EndTransaction { .. } if planted(Defect::EndOvertakesOffsets) => 1,
            CoordinatorRequest::Prepare | CoordinatorRequest::EndTransaction { .. } => 3,
            CoordinatorRequest::InitProducerId { renews: true, .. } => 4,
        }
    }

    /// Whether the coordinator may hear of a transaction by this.
    pub(crate) fn begins_transaction(&self) -> bool {
        self.level() == 2
    }

    /// Tells whoever waits for this request alone that it has failed.
    pub(crate) fn fail(self, error: Error) {
        if let CoordinatorRequest::AddOffsets(offsets) | CoordinatorRequest::CommitOffsets(offsets) = self {
            offsets.promise.settle(Err(error));
        }
    }
}

impl CoordinatorQueue {
    /// Adds a request behind those of its level.
    pub(crate) fn push(&mut self, request: CoordinatorRequest) {
        let (failures, may_be_done, unknown_since, not_before) = (0, false, None, None);
        self.put(QueuedRequest { request, failures, may_be_done, unknown_since, not_before }, false);
    }

    /// A request is to be sent again, not before this time. It comes before those of its level that have not been tried.
    pub(crate) fn again(&mut self, mut queued: QueuedRequest, not_before: Option<Instant>) {
        queued.not_before = not_before;
        self.put(queued, true);
    }

    fn put(&mut self, queued: QueuedRequest, in_front: bool) {
        let Some(level) = self.levels.get_mut(queued.request.level()) else { return };
        if in_front { level.push_front(queued) } else { level.push_back(queued) }
    }

    /// The request whose turn it is; none while another is on its way.
    pub(crate) fn first(&self) -> Option<&QueuedRequest> {
        if self.is_one_on_its_way {
            return None;
        }
        self.levels.iter().find_map(VecDeque::front)
    }

    /// As `first`, where it need not wait.
    pub(crate) fn due(&self, now: Instant) -> Option<&QueuedRequest> {
        self.first().filter(|first| first.not_before.is_none_or(|time| time <= now))
    }

    /// When the first one may go that has to wait.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.first()?.not_before.filter(|time| *time > now)
    }

    /// Takes the first request to send it, or to end it without.
    pub(crate) fn take_first(&mut self) -> Option<QueuedRequest> {
        self.levels.iter_mut().find_map(VecDeque::pop_front)
    }

    /// A request goes; `arrived` has to follow.
    pub(crate) fn departed(&mut self) {
        self.is_one_on_its_way = true;
    }

    /// The request that was on its way is over.
    pub(crate) fn arrived(&mut self) {
        self.is_one_on_its_way = false;
    }

    /// Whether a request is here of which this holds.
    pub(crate) fn has(&self, is_meant: impl Fn(&CoordinatorRequest) -> bool) -> bool {
        self.levels.iter().flatten().any(|queued| is_meant(&queued.request))
    }

    /// Takes out all of which this holds.
    pub(crate) fn take(&mut self, is_meant: impl Fn(&QueuedRequest) -> bool) -> Vec<QueuedRequest> {
        let mut taken = Vec::new();
        for level in &mut self.levels {
            if level.iter().any(&is_meant) {
                let (meant, others): (Vec<_>, Vec<_>) =
                    std::mem::take(level).into_iter().partition(|queued| is_meant(queued));
                taken.extend(meant);
                *level = others.into();
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn offsets(group: &str) -> OffsetsToCommit {
        let group = ConsumerGroupMetadata::new(group);
        OffsetsToCommit { offsets: Vec::new(), group, promise: CallPromise::new().0 }
    }

    fn name(queued: &QueuedRequest) -> String {
        match &queued.request {
            CoordinatorRequest::FindCoordinator(coordinated) => format!("find {}", coordinated.key),
            CoordinatorRequest::InitProducerId { renews: false, .. } => "init".to_owned(),
            CoordinatorRequest::InitProducerId { renews: true, .. } => "renew".to_owned(),
            CoordinatorRequest::AddPartitions => "add partitions".to_owned(),
            CoordinatorRequest::AddOffsets(offsets) => format!("add {}", offsets.group.group_id()),
            CoordinatorRequest::CommitOffsets(offsets) => format!("commit {}", offsets.group.group_id()),
            CoordinatorRequest::Prepare => "prepare".to_owned(),
            CoordinatorRequest::EndTransaction { commits } => format!("end {commits}"),
        }
    }

    /// Behaviour 69.
    #[test]
    fn the_order_is_that_of_five_levels_and_within_one_that_of_coming() {
        let mut queue = CoordinatorQueue::default();
        let find = Coordinated { kind: CoordinatorType::Transaction, key: "id".into() };
        let init = |renews| CoordinatorRequest::InitProducerId { renews, keeps_prepared: false };
        queue.push(init(true));
        queue.push(CoordinatorRequest::EndTransaction { commits: true });
        queue.push(CoordinatorRequest::CommitOffsets(offsets("one")));
        queue.push(CoordinatorRequest::AddPartitions);
        queue.push(CoordinatorRequest::AddOffsets(offsets("other")));
        queue.push(init(false));
        queue.push(CoordinatorRequest::FindCoordinator(find));
        let order: Vec<_> = std::iter::from_fn(|| queue.take_first()).map(|it| name(&it)).collect();
        assert_eq!(
            order,
            ["find id", "init", "commit one", "add partitions", "add other", "end true", "renew"]
        );
    }

    #[test]
    fn one_goes_at_a_time() {
        let mut queue = CoordinatorQueue::default();
        queue.push(CoordinatorRequest::AddPartitions);
        queue.push(CoordinatorRequest::EndTransaction { commits: true });
        assert!(queue.take_first().is_some());
        queue.departed();
        assert!(queue.first().is_none() && queue.due(Instant::now()).is_none());
        queue.arrived();
        assert_eq!(queue.first().map(name).as_deref(), Some("end true"));
    }

    #[test]
    fn who_waits_out_a_backoff_holds_up_those_behind() {
        let (mut queue, now) = (CoordinatorQueue::default(), Instant::now());
        let later = now + Duration::from_millis(20);
        queue.push(CoordinatorRequest::AddPartitions);
        queue.push(CoordinatorRequest::AddOffsets(offsets("g")));
        let first = queue.take_first().unwrap();
        queue.again(first, Some(later));
        assert!(queue.due(now).is_none());
        assert_eq!(queue.not_before(now), Some(later));
        assert_eq!(queue.due(later).map(name).as_deref(), Some("add partitions"));
        assert_eq!(queue.not_before(later), None);
    }

    #[test]
    fn who_is_taken_out_is_gone() {
        let mut queue = CoordinatorQueue::default();
        let (promise, outcome) = CallPromise::new();
        queue.push(CoordinatorRequest::AddOffsets(OffsetsToCommit { promise, ..offsets("g") }));
        queue.push(CoordinatorRequest::EndTransaction { commits: false });
        let is_end =
            |request: &CoordinatorRequest| matches!(request, CoordinatorRequest::EndTransaction { .. });
        let taken = queue.take(|queued| !is_end(&queued.request));
        assert_eq!(taken.iter().map(name).collect::<Vec<_>>(), ["add g"]);
        taken.into_iter().for_each(|queued| queued.request.fail(Error::closed()));
        assert!(matches!(outcome.wait(None), crate::transaction::call_outcome::CallWait::Over(Err(_))));
        assert!(queue.has(is_end) && !queue.has(|request| !is_end(request)));
    }
}
