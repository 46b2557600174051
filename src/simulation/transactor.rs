//! What a thread of the application does with transactions: as the documentation of each call says that one should.
//!
//! Owns: which call follows which error. Must not know: when it plays, brokers, the sender.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::simulation::player::{Act, GuardAct, Script, SimulatedProducer, TOPICS};
use crate::simulation::transaction_book::ObservedOffset;

/// What becomes of a transaction's end.
enum Ended {
    /// In one way or the other.
    Yes,
    /// It can only be aborted.
    ToBeAborted,
    /// Another call has to be made first.
    NotNow,
    /// It goes on, and the application has no more patience.
    Pending,
}

impl Script {
    pub(super) fn transact(&self, producer: &SimulatedProducer, act: Act) {
        match act {
            Act::Init => drop(self.init(producer)),
            Act::Prepare { tries, decides } => self.prepare(producer, tries, decides),
            Act::Complete { tries } => self.complete_or_finish(producer, tries),
            Act::Finish { tries } if self.ledger.database.is_some() => {
                self.complete_or_finish(producer, tries)
            }
            Act::Begin => self.begin(producer),
            Act::Guard(guard) => self.without_guard(producer, guard),
            Act::Offsets { topic, partition, is_shared } => {
                self.offsets(producer, topic, partition, is_shared)
            }
            Act::Commit { tries } => match self.commit(producer, tries) {
                Ended::ToBeAborted | Ended::NotNow => {
                    self.abort(producer, tries);
                }
                Ended::Yes | Ended::Pending => {}
            },
            Act::Abort { tries } | Act::Finish { tries } => {
                if let Ended::NotNow = self.abort(producer, tries)
                    && let Ended::ToBeAborted = self.commit(producer, tries)
                {
                    self.abort(producer, tries);
                }
            }
            _ => {}
        }
    }

    /// What is done in place of something with a guard, where there is none.
    fn without_guard(&self, producer: &SimulatedProducer, guard: GuardAct) {
        let act = match guard {
            GuardAct::Begin => Act::Begin,
            GuardAct::Commit { tries, .. } => Act::Commit { tries },
            GuardAct::Abort { tries, .. } => Act::Abort { tries },
            GuardAct::Drop { .. } => Act::Abort { tries: 0 },
        };
        self.transact(producer, act);
    }

    pub(super) fn call_of_transactions(
        &self,
        name: &'static str,
        limit: Duration,
        call: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let outcome = self.ledger.call(name, limit, call);
        self.ledger.with_book(|book| book.note(name, &outcome));
        outcome
    }

    fn init(&self, producer: &SimulatedProducer) -> Result<(), Error> {
        let max_block = self.limits.max_block;
        if self.ledger.database.is_none() {
            return self
                .call_of_transactions("init_transactions", max_block, || producer.init_transactions());
        }
        let mut left = None;
        self.call_of_transactions("init_transactions_keeping_prepared", max_block, || {
            left = producer.init_transactions_keeping_prepared()?;
            Ok(())
        })?;
        if let Some(left) = left {
            self.ledger.with_book(|book| book.inherited = Some(left));
            self.complete(producer, TRIES_AT_BEGINNING);
        }
        Ok(())
    }

    fn begin(&self, producer: &SimulatedProducer) {
        let begin = || {
            let outcome = self
                .call_of_transactions("begin_transaction", Duration::ZERO, || producer.begin_transaction());
            if outcome.is_ok() {
                self.ledger.with_book(|book| book.begun());
            }
            outcome
        };
        if begin().is_err_and(|error| self.makes_ready(producer, &error)) {
            let _ = begin();
        }
    }

    /// Whether a transaction can begin now, where one could not because of this.
    pub(super) fn makes_ready(&self, producer: &SimulatedProducer, error: &Error) -> bool {
        let has_left = || matches!(self.complete(producer, 0), Ended::Yes);
        error.kind() == ErrorKind::IllegalState
            && (self.init(producer).is_ok() || (self.ledger.database.is_some() && has_left()))
    }

    fn offsets(&self, producer: &SimulatedProducer, topic: usize, partition: i32, is_shared: bool) {
        let topic = TOPICS[topic];
        let mut group = String::new();
        let added = self.ledger.with_book(|book| {
            let current = book.current();
            book.add_offset(|offset| {
                let number = if is_shared { 0 } else { 1 + current.unwrap_or(0) };
                group = self.ledger.group(number);
                ObservedOffset { group: group.clone(), topic, partition, offset, is_taken: false }
            })
            .map(|place| (place, book.transactions[place.0].offsets[place.1].offset))
        });
        let Some((place, offset)) = added else { return };
        let offsets =
            HashMap::from([(TopicPartition::new(topic, partition), OffsetAndMetadata::new(offset))]);
        let group = ConsumerGroupMetadata::new(group);
        let outcome = self.call_of_transactions("send_offsets_to_transaction", self.limits.max_block, || {
            producer.send_offsets_to_transaction(&offsets, &group)
        });
        if outcome.is_ok() {
            self.ledger.with_book(|book| book.offset_taken(place));
        }
    }

    fn commit(&self, producer: &SimulatedProducer, tries: u32) -> Ended {
        self.end(tries, || {
            let transaction = self.ledger.with_book(|book| book.commit_begins());
            let outcome = self.call_of_transactions("commit_transaction", self.limits.max_block, || {
                producer.commit_transaction()
            });
            self.ledger.with_book(|book| book.commit_is_over(transaction, &outcome));
            outcome
        })
    }

    fn abort(&self, producer: &SimulatedProducer, tries: u32) -> Ended {
        self.end(tries, || {
            let transaction = self.ledger.with_book(|book| book.abort_begins());
            let outcome = self.call_of_transactions("abort_transaction", self.limits.max_block, || {
                producer.abort_transaction()
            });
            self.ledger.with_book(|book| book.abort_is_over(transaction, &outcome));
            outcome
        })
    }

    fn prepare(&self, producer: &SimulatedProducer, tries: u32, decides: bool) {
        let transaction = self.ledger.with_book(|book| book.current());
        let state = Cell::new(None);
        let ended = self.end(tries, || {
            self.call_of_transactions("prepare_transaction", self.limits.max_block, || {
                state.set(Some(producer.prepare_transaction()?));
                Ok(())
            })
        });
        match (state.get(), &self.ledger.database) {
            (Some(state), Some(database))
                if self.ledger.with_book(|book| book.prepared(transaction, state)) =>
            {
                self.ledger.prepared();
                if decides {
                    database.commit(state);
                    self.ledger.with_book(|book| book.decided());
                }
            }
            _ if matches!(ended, Ended::ToBeAborted | Ended::NotNow) => drop(self.abort(producer, tries)),
            _ => {}
        }
    }

    /// Ends what is prepared, by this program or by the one before, as the database says.
    fn complete(&self, producer: &SimulatedProducer, tries: u32) -> Ended {
        let Some(database) = &self.ledger.database else { return Ended::NotNow };
        let decided = database.decided();
        let ended = self.end(tries, || {
            let begun = self.ledger.with_book(|book| book.completion_begins(decided));
            let outcome = self.call_of_transactions("complete_transaction", self.limits.max_block, || {
                producer.complete_transaction(&decided)
            });
            self.ledger.with_book(|book| book.completion_is_over(begun, &outcome));
            outcome
        });
        match ended {
            Ended::ToBeAborted => self.abort(producer, tries),
            ended => ended,
        }
    }

    /// The same; and where nothing is prepared, what is open is aborted, and what has been begun comes to its end.
    fn complete_or_finish(&self, producer: &SimulatedProducer, tries: u32) {
        if !matches!(self.complete(producer, tries), Ended::NotNow)
            || !matches!(self.abort(producer, tries), Ended::NotNow)
        {
            return;
        }
        self.prepare(producer, tries, true);
        if matches!(self.complete(producer, tries), Ended::NotNow)
            && let Ended::ToBeAborted = self.commit(producer, tries)
        {
            self.abort(producer, tries);
        }
    }

    /// Makes the call, and again where that is what its error asks for.
    fn end(&self, tries: u32, call: impl Fn() -> Result<(), Error>) -> Ended {
        for _ in 0..=tries {
            match call() {
                Ok(()) => return Ended::Yes,
                Err(error) if error.requires_abort() => return Ended::ToBeAborted,
                Err(error) if error.kind() == ErrorKind::IllegalState => return Ended::NotNow,
                Err(error) if error.is_retriable() || error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Ended::Yes,
            }
        }
        Ended::Pending
    }
}

/// How often what the program before has left is completed where the call was not over in time.
const TRIES_AT_BEGINNING: u32 = 2;
