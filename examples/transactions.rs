//! Transactions: read, process, write, commit, exactly once; and what to do on each error.
//!
//! ```text
//! cargo run --release --example transactions
//! cargo run --release --example transactions -- --bootstrap-servers localhost:9092
//! ```
//!
//! Orders are read from one topic; for each an invoice goes to another and a line to a third. Invoices, lines and the
//! position up to which orders were read are committed together, or none of them. Without servers it runs on an embedded
//! cluster, which it also lets fail now and then.
//!
//! `run`, `process` and `decided` are to be copied; README has the same. The consumer is a stand-in: a position and a
//! batch of orders. What a real one has to give are its positions, and who it is in its group ([`ConsumerGroupMetadata`]); see
//! `StandIn` for what that takes of the crate that you use. It must not commit by itself (`enable.auto.commit=false`) and reads
//! with `isolation.level=read_committed`.
//!
//! On a cluster of yours the stand-in writes to `invoices` and `lines`, which have to be there, and commits offsets of `orders`
//! for the group `transactions-example`; it begins at offset 0 each time.

use std::collections::HashMap;
use std::error::Error as StdError;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
use kafka_producer::{
    ConsumerGroupMetadata, Error, KafkaProducer, OffsetAndMetadata, ProducerConfig, ProducerRecord,
    TopicPartition,
};

fn main() -> Result<(), Box<dyn StdError>> {
    let servers = servers_from_arguments()?;
    if servers.is_some() {
        // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    }
    let embedded = match &servers {
        Some(_) => None,
        None => Some(
            EmbeddedCluster::builder()
                .brokers(3)
                .topic("orders", 1)
                .topic("invoices", 3)
                .topic("lines", 3)
                .start()?,
        ),
    };
    let servers = servers.or(embedded.as_ref().map(EmbeddedCluster::bootstrap_servers)).unwrap_or_default();
    let mut consumer = StandIn::new(20, embedded.as_ref());
    // A producer that is of no use any more is followed by another, unless it has got nothing done.
    loop {
        let before = consumer.committed;
        let config = ProducerConfig::new().bootstrap_servers(&servers).transactional_id("billing-1");
        match run(config, &mut consumer) {
            Ok(()) => break,
            // Where it may have been committed only the group's offsets tell, and on a cluster of yours there is nobody here to
            // ask for them.
            Err(error)
                if error.is_fatal()
                    && consumer.committed > before
                    && (embedded.is_some() || !error.possibly_written()) =>
            {
                println!("another producer has to be made: {error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("{} orders processed, each exactly once", consumer.committed);
    if let Some(cluster) = &embedded {
        println!("committed invoices: {}", cluster.committed_records("invoices").len());
        println!("committed lines: {}", cluster.committed_records("lines").len());
        let positions = cluster.committed_offsets(GROUP);
        println!("committed position: {:?}", positions.first().map(|committed| committed.offset));
    }
    Ok(())
}

// ---- the loop ----

/// What your consumer has to provide, whichever crate it is from.
trait Consumer {
    /// The next orders; none at the end.
    fn poll(&mut self) -> Option<Vec<String>>;
    /// The offset of the next record to read, of each partition.
    fn positions(&self) -> HashMap<TopicPartition, OffsetAndMetadata>;
    fn group(&self) -> ConsumerGroupMetadata;
    /// Goes back to the offsets that the group has committed; asks the brokers for them.
    fn seek_to_committed(&mut self);
}

/// One producer's life. After a fatal error, which it returns, this is called again.
fn run(config: ProducerConfig, consumer: &mut impl Consumer) -> Result<(), Error> {
    let builder = KafkaProducer::<str, str>::builder(config);
    let producer = builder.default_serializers().build()?;
    // Fences an older producer of this transactional.id, and ends what it left open.
    decided(|| producer.init_transactions())?;
    // Only now it is known what was committed.
    consumer.seek_to_committed();
    while let Some(orders) = consumer.poll() {
        match process(&producer, consumer, &orders) {
            Ok(()) => {}
            // The transaction is aborted: the same orders once more, in another one. Tell
            // somebody: what does not pass would be tried for ever.
            Err(error) if error.requires_abort() || error.is_retriable() => {
                println!("once more: {error}");
                consumer.seek_to_committed();
            }
            Err(error) => return Err(error),
        }
    }
    producer.close()
}

/// One transaction. Whatever ends this early, a `?` or a panic, aborts it.
fn process(
    producer: &KafkaProducer<str, str>,
    consumer: &impl Consumer,
    orders: &[String],
) -> Result<(), Error> {
    let transaction = producer.begin()?;
    for order in orders {
        let invoice = format!("invoice for {order}");
        let line = format!("line of {order}");
        transaction.send(ProducerRecord::new("invoices", invoice).with_key(order))?;
        transaction.send(ProducerRecord::new("lines", line).with_key(order))?;
    }
    transaction.send_offsets(&consumer.positions(), &consumer.group())?;
    match transaction.commit() {
        // Not decided within max.block.ms: the same call goes on waiting for it.
        Err(error) if error.is_retriable() => decided(|| producer.commit_transaction()),
        outcome => outcome,
    }
}

/// The same call until its outcome is told.
fn decided(call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    loop {
        match call() {
            Err(error) if error.is_retriable() => println!("still under way: {error}"),
            outcome => return outcome,
        }
    }
}

// ---- the consumer ----

/// On a cluster of yours its committed position is overwritten, so no group that is in use should be called so.
const GROUP: &str = "transactions-example";

/// A stand-in for a consumer of one partition. What is asked of it comes in the form that consumers have it in.
struct StandIn<'a> {
    orders: i64,
    position: i64,
    committed: i64,
    /// Where it is ours: it knows what the group has committed, and fails now and then.
    cluster: Option<&'a EmbeddedCluster>,
    polls: u32,
}

/// An element of the list that a consumer's `position()` returns, as in `rdkafka`, where these are methods.
struct ListElement {
    topic: &'static str,
    partition: i32,
    offset: Offset,
}

/// The same crate's `Offset`, as far as positions need it.
enum Offset {
    /// Nothing was read of this partition yet.
    Invalid,
    /// Of the next record to read.
    Offset(i64),
}

impl<'a> StandIn<'a> {
    fn new(orders: i64, cluster: Option<&'a EmbeddedCluster>) -> StandIn<'a> {
        StandIn { orders, position: 0, committed: 0, cluster, polls: 0 }
    }

    fn position(&self) -> Vec<ListElement> {
        let offset = if self.position == 0 { Offset::Invalid } else { Offset::Offset(self.position) };
        vec![ListElement { topic: "orders", partition: 0, offset }]
    }
}

impl Consumer for StandIn<'_> {
    fn poll(&mut self) -> Option<Vec<String>> {
        // Whoever reads on has committed what was read before, or would have gone back.
        self.committed = self.position;
        let end = self.orders.min(self.position + 5);
        let orders: Vec<String> = (self.position..end).map(|number| format!("order-{number}")).collect();
        self.position = end;
        self.polls += 1;
        self.cluster.into_iter().for_each(|cluster| let_fail(cluster, self.polls));
        Some(orders).filter(|orders| !orders.is_empty())
    }

    /// With `rdkafka`: of `consumer.position()?.elements()`.
    fn positions(&self) -> HashMap<TopicPartition, OffsetAndMetadata> {
        let read = self.position().into_iter().filter_map(|element| match element.offset {
            Offset::Invalid => None,
            Offset::Offset(next) => {
                let place = TopicPartition::new(element.topic, element.partition);
                Some((place, OffsetAndMetadata::new(next)))
            }
        });
        read.collect()
    }

    /// A consumer that tells its generation and member id is refused when it was put out of the group meanwhile:
    /// `.with_member(generation, member_id)`.
    fn group(&self) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata::new(GROUP)
    }

    /// With `rdkafka`: `consumer.committed(…)`, then `consumer.seek(…)`.
    fn seek_to_committed(&mut self) {
        if let Some(cluster) = self.cluster {
            let positions = cluster.committed_offsets(GROUP);
            self.committed = positions.first().map_or(0, |position| position.offset);
        }
        self.position = self.committed;
    }
}

/// What goes wrong now and then, where the cluster is ours.
fn let_fail(cluster: &EmbeddedCluster, polls: u32) {
    match polls {
        2 => cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1),
        4 => cluster.fail(Api::EndTxn, BrokerError::PRODUCER_FENCED, 1),
        5 => cluster.cut_after(Api::EndTxn, 1),
        _ => {}
    }
}

fn servers_from_arguments() -> Result<Option<String>, Box<dyn StdError>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        ["--bootstrap-servers", servers] => Ok(Some((*servers).to_owned())),
        _ => Err("usage: transactions [--bootstrap-servers HOST:PORT,...]".into()),
    }
}
