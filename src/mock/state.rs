//! `MockState`: what a `MockProducer` has under its lock: the history, and what becomes of each record.
//!
//! Owns: the decisions, and their order. Must not know: who tells them.
//! Holds: offsets count up in the order of `send`; what is decided is told in the order of the decisions.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use crate::completion::{BatchCompletion, BatchOutcome, Completion};
use crate::error::Error;
use crate::mock::mock_transactions::MockTransactions;
use crate::mock::sent_record::SentRecord;
use crate::mock::topics::MockTopics;
use crate::record::TopicName;
use crate::sync::channel::{Receiver, Sender, bounded};

pub(super) struct MockState<K: ?Sized + 'static, V: ?Sized + 'static> {
    pub(super) topics: MockTopics,
    pub(super) history: Vec<SentRecord<K, V>>,
    /// Accepted and not decided, in the order of `send`.
    pub(super) outstanding: VecDeque<Outstanding>,
    /// What is to be told.
    pub(super) decided: VecDeque<Decided>,
    /// A thread is telling.
    pub(super) telling: bool,
    /// What it is about to tell.
    pub(super) told_now: Option<Arc<BatchCompletion>>,
    /// Disconnects when the plugins are closed; there since the first `close`.
    closing: Option<Receiver<Infallible>>,
    next_offsets: HashMap<(TopicName, i32), i64>,
    pub(super) fatal: Option<Error>,
    pub(super) closed: bool,
    pub(super) send_error: Option<Error>,
    pub(super) transactions: MockTransactions,
}

/// An accepted record that has no outcome yet.
pub(super) struct Outstanding {
    pub(super) topic: TopicName,
    pub(super) partition: i32,
    pub(super) completion: Completion,
}

pub(super) enum Decided {
    Outcome(Outstanding, BatchOutcome),
    /// Nothing follows: the plugins are to be closed, and threads that wait at the channel go on.
    End(Sender<Infallible>),
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockState<K, V> {
    pub(super) fn new(topics: MockTopics) -> Self {
        MockState {
            topics,
            history: Vec::new(),
            outstanding: VecDeque::new(),
            decided: VecDeque::new(),
            telling: false,
            told_now: None,
            closing: None,
            next_offsets: HashMap::new(),
            fatal: None,
            closed: false,
            send_error: None,
            transactions: MockTransactions::default(),
        }
    }

    pub(super) fn check_usable(&self) -> Result<(), Error> {
        match &self.fatal {
            Some(error) => Err(error.clone()),
            None if self.closed => Err(Error::closed()),
            None => Ok(()),
        }
    }

    pub(super) fn settled_records(&self) -> usize {
        self.transactions.settled(self.history.len())
    }

    pub(super) fn check_accepts(&self) -> Result<(), Error> {
        self.check_usable()?;
        self.transactions.check_send()?;
        self.send_error.clone().map_or(Ok(()), Err)
    }

    /// Decides what becomes of the earliest record: it fails with this error, or is acknowledged.
    pub(super) fn decide_next(&mut self, error: Option<Error>) -> Option<Arc<BatchCompletion>> {
        let record = self.outstanding.pop_front()?;
        let outcome = match error {
            None => self.acknowledge(&record),
            Some(error) => {
                let error = error.with_topic(&record.topic).with_partition(record.partition);
                self.transactions.fail(&error);
                BatchOutcome::Failed { error, records: Vec::new() }
            }
        };
        let batch = Arc::clone(record.completion.shared());
        self.decided.push_back(Decided::Outcome(record, outcome));
        Some(batch)
    }

    /// The same for all: how many.
    pub(super) fn decide_all(&mut self, error: Option<&Error>) -> u64 {
        let mut count = 0;
        while self.decide_next(error.cloned()).is_some() {
            count += 1;
        }
        count
    }

    /// What is decided and not told, or not told to its end.
    pub(super) fn untold(&self) -> Vec<Arc<BatchCompletion>> {
        let decided = self.decided.iter().filter_map(|decided| match decided {
            Decided::Outcome(record, _) => Some(record.completion.shared()),
            Decided::End(_) => None,
        });
        let now = self.told_now.iter().filter(|batch| !batch.is_settled());
        now.chain(decided).cloned().collect()
    }

    /// What disconnects when everything is told and the plugins are closed. Nothing is accepted any more.
    pub(super) fn end(&mut self) -> Receiver<Infallible> {
        if let Some(end) = &self.closing {
            return end.clone();
        }
        let (open, end) = bounded(0);
        self.decided.push_back(Decided::End(open));
        self.closing.insert(end).clone()
    }

    /// The record is at its partition's next offset.
    fn acknowledge(&mut self, record: &Outstanding) -> BatchOutcome {
        let next = self.next_offsets.entry((record.topic.clone(), record.partition)).or_default();
        let offset = *next;
        *next += 1;
        BatchOutcome::Acknowledged { base_offset: Some(offset), log_append_time: None }
    }
}
