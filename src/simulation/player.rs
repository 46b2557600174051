//! `Player`: what one thread of the application does with the producer: the public calls, as they are.
//!
//! Owns: its handle, and what it keeps of each call. Must not know: when it plays, brokers, the sender.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::producer::{KafkaProducer, Transaction};
use crate::record::{ProducerRecord, RecordMetadata, TopicName};
use crate::simulation::history::{RecordContent, Violation};
use crate::simulation::ledger::Ledger;

/// Keys and values are bytes.
pub(super) type SimulatedProducer = KafkaProducer<[u8], [u8]>;

/// Something that a thread of the application does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Sends a record with a value of `size` bytes; without a partition the keyless logic chooses.
    Send {
        topic: usize,
        partition: Option<i32>,
        size: usize,
        how: How,
    },
    /// Waits for the record that was sent last.
    Get {
        within: Option<Duration>,
    },
    Flush,
    PartitionsFor {
        topic: usize,
    },
    /// Closes, and what is not answered by then fails.
    Close {
        within: Option<Duration>,
    },
    /// Drops its handle.
    Drop,
    /// Calls of transactions, and what each error asks for.
    Init,
    Begin,
    /// Adds an offset, of a group that all transactions share or one of its own.
    Offsets {
        topic: usize,
        partition: i32,
        is_shared: bool,
    },
    /// So many times more where the call was not over in time.
    Commit {
        tries: u32,
    },
    Abort {
        tries: u32,
    },
    /// Prepares the transaction; `decides`: the database commits what it belongs to.
    Prepare {
        tries: u32,
        decides: bool,
    },
    /// Completes what is prepared as the database has decided.
    Complete {
        tries: u32,
    },
    /// Ends whatever is left open.
    Finish {
        tries: u32,
    },
    Guard(GuardAct),
}

/// Something that it does with a guard of a transaction; `is_oldest`: with the one that it has had for the longest time, else with
/// the newest. Without any, it is the call of the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuardAct {
    Begin,
    Commit { is_oldest: bool, tries: u32 },
    Abort { is_oldest: bool, tries: u32 },
    Drop { is_oldest: bool },
}

/// Which call it sends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Send,
    TrySend,
    Callback(CallbackDeed),
}

/// What a callback does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallbackDeed {
    Nothing,
    /// Takes this long.
    Slow(Duration),
    /// Sends a record with a value of this many bytes to the same place.
    Sends(usize),
    /// Calls what would wait for itself.
    Waits,
}

/// The names of the topics.
pub(super) const TOPICS: [&str; 6] = ["test", "second", "third", "fourth", "fifth", "sixth"];

/// Where there are transactions.
pub(super) const TRANSACTIONAL_ID: &str = "simulated-transactions";

/// The limits that calls keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_block: Duration,
    pub(super) delivery: Duration,
}

/// What one thread does with its handle.
#[derive(Clone)]
pub(super) struct Player {
    producer: Option<SimulatedProducer>,
    script: Script,
}

/// Where a record goes, and how many bytes its value has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shipment {
    pub(super) topic: usize,
    pub(super) partition: Option<i32>,
    pub(super) size: usize,
}

/// What a record is sent with: a producer, or a guard of a transaction of its.
#[derive(Clone, Copy)]
pub(super) enum SendingHandle<'a> {
    Producer(&'a SimulatedProducer),
    Guard(&'a SimulatedProducer, &'a Transaction<'a, [u8], [u8]>),
}

impl SendingHandle<'_> {
    fn producer(&self) -> &SimulatedProducer {
        match self {
            SendingHandle::Producer(producer) | SendingHandle::Guard(producer, _) => producer,
        }
    }
}

/// How calls are made, and where they are written down.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) ledger: Arc<Ledger>,
    pub(super) limits: Limits,
}

impl Player {
    pub(super) fn new(producer: SimulatedProducer, ledger: Arc<Ledger>, limits: Limits) -> Player {
        Player { producer: Some(producer), script: Script { ledger, limits } }
    }

    /// Does this. With guards it goes on, with what comes `next`, until it has none any more.
    pub(super) fn perform(&mut self, act: Act, next: &mut dyn FnMut() -> Option<Act>) {
        let Some(producer) = &self.producer else { return };
        let left = match act {
            Act::Guard(GuardAct::Begin) => self.script.with_guards(producer, next),
            act => Some(act),
        };
        match left {
            Some(Act::Drop) => {
                let longest = self.script.longest();
                let producer = self.producer.take();
                self.script.ledger.call("drop", longest, || drop(producer));
            }
            Some(act) => self.script.act(producer, act),
            None => {}
        }
    }
}

impl Script {
    /// How long a call may take that waits for all that was accepted.
    fn longest(&self) -> Duration {
        self.limits.delivery + SECOND
    }

    pub(super) fn act(&self, producer: &SimulatedProducer, act: Act) {
        let Script { ledger, limits } = self;
        match act {
            Act::Send { topic, partition, size, how } => {
                self.send(SendingHandle::Producer(producer), Shipment { topic, partition, size }, how);
            }
            Act::Get { within } => self.get(within),
            Act::Flush => ledger.flush(|| producer.flush()),
            Act::PartitionsFor { topic } => {
                let call = || drop(producer.partitions_for(TOPICS[topic]));
                ledger.call("partitions_for", limits.max_block, call);
            }
            Act::Close { within: None } => ledger.call("close", self.longest(), || drop(producer.close())),
            Act::Close { within: Some(within) } => {
                let call = || drop(producer.close_timeout(within));
                ledger.call("close_timeout", within.min(self.longest()), call);
            }
            of_transactions => self.transact(producer, of_transactions),
        }
    }

    fn get(&self, within: Option<Duration>) {
        let Some(future) = self.ledger.last() else { return };
        let limit = within.unwrap_or(self.limits.delivery).min(self.limits.delivery);
        let _ = self.ledger.call("get", limit, || match within {
            Some(within) => future.get_timeout(within),
            None => future.get(),
        });
    }

    pub(super) fn send(&self, handle: SendingHandle<'_>, shipment: Shipment, how: How) {
        let (ledger, max_block) = (&self.ledger, self.limits.max_block);
        let Shipment { topic, partition, size } = shipment;
        let name = TOPICS[topic];
        let wall = ledger.clock.wall_ms();
        let has_callback = matches!(how, How::Callback(_));
        let number = ledger.begin(name, partition, has_callback, |number| content(name, number, size, wall));
        let RecordContent { key, value, header, .. } = ledger.content(number);
        let record = ProducerRecord::new(TopicName::from(name), value).with_optional_key(key);
        let mut record = record.with_header("n", header);
        if let Some(partition) = partition {
            record = record.with_partition(partition);
        }
        if number.is_multiple_of(5) {
            record = record.with_timestamp(wall);
        }
        let sent = match how {
            How::Send => ledger.call("send", max_block, || match handle {
                SendingHandle::Producer(producer) => producer.send(record),
                SendingHandle::Guard(_, guard) => guard.send(record),
            }),
            How::TrySend => ledger.call("try_send", Duration::ZERO, || handle.producer().try_send(record)),
            How::Callback(deed) => {
                // A callback that only listens keeps no handle: the last one goes with the application.
                let calls = matches!(deed, CallbackDeed::Sends(_) | CallbackDeed::Waits);
                let callback =
                    self.callback(calls.then(|| handle.producer().clone()), number, shipment, deed);
                ledger.call("send", max_block, || match handle {
                    SendingHandle::Producer(producer) => producer.send_with_callback(record, callback),
                    SendingHandle::Guard(_, guard) => guard.send_with_callback(record, callback),
                })
            }
        };
        match sent {
            Ok(future) => ledger.accepted(number, future),
            Err(error) => ledger.refused(number, &error),
        }
    }

    /// The callback of the record with this number.
    fn callback(
        &self,
        producer: Option<SimulatedProducer>,
        number: usize,
        shipment: Shipment,
        deed: CallbackDeed,
    ) -> impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static {
        let script = self.clone();
        move |outcome| {
            script.ledger.told(number, outcome);
            match (deed, producer) {
                (CallbackDeed::Slow(time), _) => script.ledger.clock.spend(time),
                (CallbackDeed::Sends(size), Some(producer)) => {
                    let how = How::Callback(CallbackDeed::Nothing);
                    script.send(SendingHandle::Producer(&producer), Shipment { size, ..shipment }, how);
                }
                (CallbackDeed::Waits, Some(producer))
                    if producer.flush().is_ok()
                        || producer.partitions_for(TOPICS[shipment.topic]).is_ok() =>
                {
                    let text = "a call in a callback waits for itself".to_owned();
                    script.ledger.remark(Violation::Defect(text));
                }
                _ => {}
            }
        }
    }
}

/// What a record holds. No two have the same value; one in three has no key.
fn content(topic: &str, number: usize, size: usize, wall_ms: i64) -> RecordContent {
    let mut value = format!("{topic}/{number}/").into_bytes();
    value.resize(value.len().max(size), b'a' + (number % 26) as u8);
    let key = (!number.is_multiple_of(3)).then(|| number.to_be_bytes().to_vec());
    let header = number.to_string().into_bytes();
    RecordContent { key, value, header, timestamps: (wall_ms, wall_ms) }
}

const SECOND: Duration = Duration::from_secs(1);
