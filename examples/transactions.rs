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
//! The consumer is a stand-in: a position and a batch of orders. What a real one has to give are its positions, and who it
//! is in its group ([`ConsumerGroupMetadata`]); see `Consumer` below for what that takes of the crate that you use. It must
//! not commit by itself (`enable.auto.commit=false`) and reads with `isolation.level=read_committed`. On a cluster of yours the
//! stand-in writes to `invoices` and `lines` and commits offsets of `orders` for the group `transactions-example`; it begins at
//! offset 0 each time.

use std::collections::HashMap;
use std::error::Error as StdError;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
use kafka_producer::{
    ConsumerGroupMetadata, Error, KafkaProducer, OffsetAndMetadata, ProducerConfig, ProducerRecord,
    TopicPartition,
};

type TextProducer = KafkaProducer<str, str>;

/// On a cluster of yours its committed position is overwritten, so no group that is in use should be called so.
const GROUP: &str = "transactions-example";

fn main() -> Result<(), Box<dyn StdError>> {
    let servers = servers_from_arguments()?;
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
    let mut consumer = Consumer::new(20);
    let mut troubles = Troubles::of(embedded.as_ref());
    // As long as there are orders: a producer that is of no use any more is followed by another.
    while !consumer.is_at_end() {
        match work(&servers, &mut consumer, &mut troubles) {
            Ok(()) => {}
            // Where it may have been committed only the group's offsets tell, and on a cluster of yours there is nobody here to
            // ask for them.
            Err(error) if error.is_fatal() && (embedded.is_some() || !error.possibly_written()) => {
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

/// One producer's life: transactions until there is nothing to read, or an error ends it.
fn work(servers: &str, consumer: &mut Consumer, troubles: &mut Troubles<'_>) -> Result<(), Error> {
    let config = ProducerConfig::new().bootstrap_servers(servers).transactional_id("billing-1");
    let producer = TextProducer::builder(config).default_serializers().build()?;
    // Fences whoever had this id before, and settles what he left.
    again_while_retriable(|| producer.init_transactions())?;
    // Only now it is known what was committed.
    consumer.ask_group(troubles.cluster);
    while let Some(orders) = consumer.poll() {
        troubles.next();
        match process(&producer, &orders, consumer) {
            Ok(()) => consumer.note_committed(),
            // The transaction is aborted already, by the guard: the same orders once more, in another one. So it is where
            // time was over before the commit.
            Err(error) if error.requires_abort() || error.is_retriable() => {
                println!("once more: {error}");
                consumer.go_back();
            }
            Err(error) => return Err(error),
        }
    }
    producer.close()
}

/// One transaction. Whatever ends this early, a `?` or a panic, aborts it.
fn process(producer: &TextProducer, orders: &[String], consumer: &Consumer) -> Result<(), Error> {
    let transaction = producer.begin()?;
    for order in orders {
        transaction.send(ProducerRecord::new("invoices", format!("invoice for {order}")).with_key(order))?;
        transaction.send(ProducerRecord::new("lines", format!("line of {order}")).with_key(order))?;
    }
    transaction.send_offsets(&consumer.positions(), &consumer.group())?;
    match transaction.commit() {
        // It is under way: the same call takes it up.
        Err(error) if error.is_retriable() => again_while_retriable(|| producer.commit_transaction()),
        outcome => outcome,
    }
}

/// Makes a call until it is over: a time-out is one of `max.block.ms`, after which the call goes on.
fn again_while_retriable(call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    loop {
        match call() {
            Err(error) if error.is_retriable() => println!("still under way: {error}"),
            outcome => return outcome,
        }
    }
}

/// A consumer of one partition, as far as this program needs one.
struct Consumer {
    orders: i64,
    position: i64,
    committed: i64,
}

impl Consumer {
    fn new(orders: i64) -> Consumer {
        Consumer { orders, position: 0, committed: 0 }
    }

    fn poll(&mut self) -> Option<Vec<String>> {
        let end = self.orders.min(self.position + 5);
        let orders: Vec<String> = (self.position..end).map(|number| format!("order-{number}")).collect();
        self.position = end;
        Some(orders).filter(|orders| !orders.is_empty())
    }

    /// The offset of the **next** record to read, of each partition. With `rdkafka` these are the elements of
    /// `consumer.position()?`: `(element.topic(), element.partition(), offset)`.
    fn positions(&self) -> HashMap<TopicPartition, OffsetAndMetadata> {
        HashMap::from([(TopicPartition::new("orders", 0), OffsetAndMetadata::new(self.position))])
    }

    /// Who this is in the group. A consumer that tells its generation and member id is refused when it was put out of the
    /// group meanwhile: `.with_member(generation, member_id)`.
    fn group(&self) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata::new(GROUP)
    }

    /// To the position that the group has committed, as the brokers tell: `consumer.committed(…)`, then `consumer.seek(…)`.
    fn ask_group(&mut self, cluster: Option<&EmbeddedCluster>) {
        if let Some(cluster) = cluster {
            let positions = cluster.committed_offsets(GROUP);
            self.committed = positions.first().map_or(0, |position| position.offset);
        }
        self.go_back();
    }

    fn note_committed(&mut self) {
        self.committed = self.position;
    }

    /// To the last committed position: `consumer.seek(…)`.
    fn go_back(&mut self) {
        self.position = self.committed;
    }

    fn is_at_end(&self) -> bool {
        self.committed == self.orders
    }
}

/// What goes wrong now and then, where the cluster is ours.
struct Troubles<'a> {
    cluster: Option<&'a EmbeddedCluster>,
    transactions: u32,
}

impl<'a> Troubles<'a> {
    fn of(cluster: Option<&'a EmbeddedCluster>) -> Troubles<'a> {
        Troubles { cluster, transactions: 0 }
    }

    fn next(&mut self) {
        self.transactions += 1;
        let Some(cluster) = self.cluster else { return };
        match self.transactions {
            2 => cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1),
            4 => cluster.fail(Api::EndTxn, BrokerError::PRODUCER_FENCED, 1),
            5 => cluster.cut_after(Api::EndTxn, 1),
            _ => {}
        }
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
