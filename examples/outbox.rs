//! A database and Kafka, without a transaction over both: the outbox. What happens to the database and what is told about
//! it are written in one transaction of the database; a relay reads the rows, sends them, and marks those that Kafka has
//! acknowledged.
//!
//! ```text
//! cargo run --release --example outbox
//! cargo run --release --example outbox -- --bootstrap-servers localhost:9092 --topic orders --database orders.redb
//! cargo run --release --example outbox -- --bootstrap-servers … --database orders.redb --crash    # then without --crash
//! ```
//!
//! No row is lost: it leaves the outbox only when it is in the log. A row may be in the log twice, in two cases:
//!
//! - **its fate is unknown** (`possibly_written()`): it was sent, and no answer came in time. Nobody but the log knows, so the
//!   row stays and is sent again;
//! - **the relay ended between the acknowledgement and the mark**, as a process may at any time. Kafka has the row and the
//!   database does not know. `--crash` does so.
//!
//! In both the other choice, to mark first, would lose rows. So each record carries the row's number in the header
//! `outbox-id`, and the consumer leaves out what it has done already: it writes the number into its own database, in the
//! transaction that does the work. Rows of one key keep their order, since the relay sends a row only when the one
//! before it, of this key, is acknowledged.

use std::collections::{BTreeMap, HashSet};
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, EmbeddedRecord, Fault};
use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, RecordFuture};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

type AnyError = Box<dyn StdError>;
type TextProducer = KafkaProducer<str, str>;

/// The business: what each customer has ordered, in the order of number.
const ORDERS: TableDefinition<u64, (&str, &str)> = TableDefinition::new("orders");
/// Rows that are to be sent: number, key, text.
const OUTBOX: TableDefinition<u64, (&str, &str)> = TableDefinition::new("outbox");
/// Rows that Kafka refuses for what is in them, with the reason: for a person to look at.
const REFUSED: TableDefinition<u64, (&str, &str, &str)> = TableDefinition::new("refused");
/// The next row's number. Numbers are never used again, not even when the outbox is empty.
const NEXT: TableDefinition<(), u64> = TableDefinition::new("next");

/// How many rows are read at once.
const ROWS: usize = 500;

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse()?;
    let Some(servers) = &arguments.servers else { return demonstrate() };
    // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let file = arguments.database.ok_or("--database FILE is missing")?;
    let database = open(&file)?;
    println!("{} rows in the outbox", pending(&database)?);
    for (customer, text) in [("anna", "two apples"), ("ben", "a pear"), ("anna", "a lemon")] {
        place_order(&database, customer, text)?;
    }
    let producer = TextProducer::connect(servers)?;
    let relay = Relay { database: &database, producer: &producer, topic: &arguments.topic };
    if arguments.crash {
        let acknowledged = relay.send()?.into_iter().filter(|(_, outcome)| outcome.is_ok()).count();
        println!("{acknowledged} rows acknowledged, and now the relay is gone");
        std::process::exit(3);
    }
    while pending(&database)? > 0 {
        if !relay.round()? {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    println!("{} rows in the outbox", pending(&database)?);
    Ok(producer.close()?)
}

fn open(file: &Path) -> Result<Database, AnyError> {
    let database = Database::create(file)?;
    let tables = database.begin_write()?;
    tables.open_table(ORDERS)?;
    tables.open_table(OUTBOX)?;
    tables.open_table(REFUSED)?;
    tables.open_table(NEXT)?;
    tables.commit()?;
    Ok(database)
}

/// The business's own transaction: the order and the row that tells of it are written together, or neither is. Kafka has
/// no part in it, and may be down.
fn place_order(database: &Database, customer: &str, text: &str) -> Result<(), AnyError> {
    let transaction = database.begin_write()?;
    {
        let mut next = transaction.open_table(NEXT)?;
        let number = next.get(())?.map_or(0, |number| number.value());
        next.insert((), number + 1)?;
        transaction.open_table(ORDERS)?.insert(number, (customer, text))?;
        transaction.open_table(OUTBOX)?.insert(number, (customer, text))?;
    }
    Ok(transaction.commit()?)
}

fn pending(database: &Database) -> Result<u64, AnyError> {
    Ok(database.begin_read()?.open_table(OUTBOX)?.len()?)
}

/// A row of the outbox.
struct Row {
    number: u64,
    key: String,
    text: String,
}

/// What has become of each row that was sent.
type Outcomes = Vec<(Row, Result<String, Error>)>;

/// Takes rows from the database to Kafka. One relay for one outbox: two would send rows twice and out of order.
struct Relay<'a> {
    database: &'a Database,
    producer: &'a TextProducer,
    topic: &'a str,
}

impl Relay<'_> {
    /// Sends what can be sent now and marks what is acknowledged. False if nothing went forward: try again after a pause.
    fn round(&self) -> Result<bool, AnyError> {
        let outcomes = self.send()?;
        self.mark(outcomes)
    }

    /// The oldest row of each key: the next one of a key waits until this one is in the log, so that a row that has to be
    /// sent again is not behind its successor.
    fn next_rows(&self) -> Result<Vec<Row>, AnyError> {
        let outbox = self.database.begin_read()?.open_table(OUTBOX)?;
        let (mut rows, mut keys) = (Vec::new(), HashSet::new());
        for row in outbox.iter()?.take(ROWS) {
            let (number, row) = row?;
            let (key, text) = row.value();
            if keys.insert(key.to_owned()) {
                rows.push(Row { number: number.value(), key: key.to_owned(), text: text.to_owned() });
            }
        }
        Ok(rows)
    }

    /// All rows are on their way before the first outcome is waited for.
    fn send(&self) -> Result<Outcomes, AnyError> {
        let rows = self.next_rows()?;
        let sent: Vec<Result<RecordFuture, Error>> = rows.iter().map(|row| self.send_row(row)).collect();
        // The row that was not accepted and the one whose outcome is an error are treated alike.
        let outcomes = sent.into_iter().map(|sent| sent.and_then(|future| future.get()));
        let places = outcomes.map(|outcome| outcome.map(|metadata| metadata.to_string()));
        Ok(rows.into_iter().zip(places).collect())
    }

    fn send_row(&self, row: &Row) -> Result<RecordFuture, Error> {
        let record = ProducerRecord::new(self.topic, &row.text);
        self.producer.send(record.with_key(&row.key).with_header("outbox-id", row.number.to_string()))
    }

    fn mark(&self, outcomes: Outcomes) -> Result<bool, AnyError> {
        let (mut forward, mut fatal) = (false, None);
        let transaction = self.database.begin_write()?;
        {
            let mut outbox = transaction.open_table(OUTBOX)?;
            let mut refused = transaction.open_table(REFUSED)?;
            for (Row { number, key, text }, outcome) in outcomes {
                match outcome {
                    Ok(place) => {
                        println!("row {number} is {place}");
                        outbox.remove(number)?;
                        forward = true;
                    }
                    // It may be in the log. It stays, is sent again, and has its number for those who read it twice.
                    Err(error) if error.possibly_written() => {
                        println!("row {number} may be in the log, and is sent again: {error}");
                    }
                    // It would be refused every time, and hold up its successors for ever.
                    Err(error) if is_of_the_row(&error) => {
                        println!("row {number} is put aside: {error}");
                        refused.insert(number, (key.as_str(), text.as_str(), error.to_string().as_str()))?;
                        outbox.remove(number)?;
                        forward = true;
                    }
                    Err(error) if error.is_fatal() => fatal = Some(error),
                    // No broker, no topic, no permission, no room: not in the log, and nothing is wrong with the row.
                    Err(error) => println!("row {number} stays: {error}"),
                }
            }
        }
        transaction.commit()?;
        // Whoever runs the relay makes another producer; the rows wait for it.
        fatal.map_or(Ok(forward), |error| Err(error.into()))
    }
}

/// Whether this row, and no other, is at fault.
fn is_of_the_row(error: &Error) -> bool {
    use ErrorKind::{InvalidRecord, Partitioning, RecordTooLarge, Serialization};
    matches!(error.kind(), InvalidRecord | Partitioning | RecordTooLarge | Serialization)
}

/// On a cluster and a database of its own: what goes well, and the two cases in which a row is there twice.
fn demonstrate() -> Result<(), AnyError> {
    let file = std::env::temp_dir().join(format!("kafka-producer-outbox-{}.redb", std::process::id()));
    let shown = show(&file);
    std::fs::remove_file(&file)?;
    shown
}

fn show(file: &Path) -> Result<(), AnyError> {
    let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    let database = open(file)?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .max_request_size(1000)
        // Short, to be seen soon. The default, two minutes, is right for a relay: it waits longer for the answer.
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(4));
    let producer = TextProducer::builder(config).default_serializers().build()?;
    let relay = Relay { database: &database, producer: &producer, topic: "orders" };

    println!("-- three orders, two of them of one customer");
    for (customer, text) in [("anna", "two apples"), ("ben", "a pear"), ("anna", "a lemon")] {
        place_order(&database, customer, text)?;
    }
    while relay.round()? {}

    println!("-- a row that no broker would take");
    place_order(&database, "anna", &"x".repeat(2000))?;
    relay.round()?;

    println!("-- the broker writes, and its answers are lost: is the row in the log?");
    place_order(&database, "ben", "a plum")?;
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    relay.round()?;
    cluster.clear_faults();
    relay.round()?;

    println!("-- the relay ends between the acknowledgement and the mark");
    place_order(&database, "anna", "a lime")?;
    drop(relay.send()?);
    relay.round()?;

    producer.close()?;
    read(&database, cluster.records("orders"))
}

/// The consumer: what it has seen it leaves out.
fn read(database: &Database, records: Vec<EmbeddedRecord>) -> Result<(), AnyError> {
    println!("-- what a consumer makes of it");
    let mut done = BTreeMap::new();
    for record in &records {
        let text = |bytes: &Option<Vec<u8>>| {
            String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
        };
        let id: u64 = record.headers.first().map_or(String::new(), |(_, id)| text(id)).parse()?;
        let order = (text(&record.key), text(&record.value));
        let again = done.contains_key(&id);
        let what = if again { "again, left out" } else { "done" };
        println!("offset {}: outbox-id {id}, {}: {} ({what})", record.offset, order.0, order.1);
        done.entry(id).or_insert(order);
    }
    let reading = database.begin_read()?;
    let (orders, refused) = (reading.open_table(ORDERS)?, reading.open_table(REFUSED)?);
    println!(
        "{} orders, {} done, {} put aside, {} records",
        orders.len()?,
        done.len(),
        refused.len()?,
        records.len()
    );
    for row in orders.iter()? {
        let (number, order) = row?;
        let is_there =
            done.get(&number.value()).is_some_and(|it| (it.0.as_str(), it.1.as_str()) == order.value());
        if !is_there && refused.get(number.value())?.is_none() {
            return Err(format!("order {} is nowhere", number.value()).into());
        }
    }
    Ok(())
}

struct Arguments {
    servers: Option<String>,
    topic: String,
    database: Option<PathBuf>,
    crash: bool,
}

impl Arguments {
    fn parse() -> Result<Arguments, AnyError> {
        let mut parsed =
            Arguments { servers: None, topic: String::from("orders"), database: None, crash: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--bootstrap-servers" => parsed.servers = Some(value()?),
                "--topic" => parsed.topic = value()?,
                "--database" => parsed.database = Some(value()?.into()),
                "--crash" => parsed.crash = true,
                _ => return Err("usage: outbox [--bootstrap-servers HOST:PORT,… --database FILE [--topic TOPIC] [--crash]]".into()),
            }
        }
        Ok(parsed)
    }
}
