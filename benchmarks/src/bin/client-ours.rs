//! client-ours: the work of the benchmark by kafka-producer.
//!
//! For the rate: `send`, the future dropped at once, no callback. For round trips: `send` and `get`. The settings that
//! are not given here keep their defaults, which are Java's.

use std::time::Instant;

use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};
use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::{Keys, Mode, TOPIC, Work};

/// How many round trips are made before they are timed.
const WARM_UP: u64 = 200;

type BenchProducer = KafkaProducer<[u8], [u8]>;

fn main() -> Result<(), Failure> {
    let work = Work::from_args()?;
    let report = match work.mode {
        Mode::Throughput => with_producer(&work, throughput)?,
        Mode::Latency => with_producer(&work, latency)?,
        Mode::Connect => connect(&work)?,
    };
    println!("{}", report.with("version", "of-this-tree").with_peak_memory()?);
    Ok(())
}

fn with_producer(
    work: &Work,
    measure: impl FnOnce(&BenchProducer, &Work) -> Result<Report, Failure>,
) -> Result<Report, Failure> {
    let producer = BenchProducer::new(config(work)?)?;
    let report = measure(&producer, work)?;
    producer.close()?;
    Ok(report)
}

fn connect(work: &Work) -> Result<Report, Failure> {
    let begin = Instant::now();
    for _ in 0..work.records {
        let producer = BenchProducer::new(config(work)?)?;
        producer.partitions_for(TOPIC)?;
        producer.close()?;
    }
    Ok(Report::default().with("sent", 0).with("seconds", begin.elapsed().as_secs_f64()))
}

fn config(work: &Work) -> Result<ProducerConfig, Failure> {
    let batch_size = work.batch_size.to_string();
    let fixed = [
        ("bootstrap.servers", work.address.as_str()),
        ("key.serializer", "ByteArraySerializer"),
        ("value.serializer", "ByteArraySerializer"),
        ("acks", "all"),
        ("enable.idempotence", "false"),
        ("linger.ms", "5"),
        ("batch.size", &batch_size),
        ("buffer.memory", "67108864"),
        ("max.request.size", "2097152"), // librdkafka's message.max.bytes here
        ("max.in.flight.requests.per.connection", "1000000"), // librdkafka's default
        ("compression.type", "none"),
    ];
    let more = work.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(ProducerConfig::from_properties(fixed.into_iter().chain(more))?)
}

fn throughput(producer: &BenchProducer, work: &Work) -> Result<Report, Failure> {
    let value = work.value();
    let mut keys = work.keyed.then(Keys::new);
    send(producer, keys.as_mut(), &value)?;
    producer.flush()?;
    let begin = Instant::now();
    for _ in 0..work.records {
        send(producer, keys.as_mut(), &value)?;
    }
    producer.flush()?;
    let seconds = begin.elapsed().as_secs_f64();
    Report::default().with("sent", work.records + 1).with("seconds", seconds).with_caller_cpu()
}

/// Fire and forget.
fn send(producer: &BenchProducer, keys: Option<&mut Keys>, value: &[u8]) -> Result<(), Failure> {
    let record = ProducerRecord::new(TOPIC, value);
    match keys {
        None => producer.send(record)?,
        Some(keys) => producer.send(record.with_key(keys.advance()))?,
    };
    Ok(())
}

fn latency(producer: &BenchProducer, work: &Work) -> Result<Report, Failure> {
    let value = work.value();
    let mut times = Vec::with_capacity(work.records as usize);
    let mut begin = Instant::now();
    for round in 0..WARM_UP + work.records {
        if round == WARM_UP {
            begin = Instant::now();
        }
        let sent = Instant::now();
        let future = producer.send(ProducerRecord::new(TOPIC, &value[..]))?;
        future.get()?;
        if round >= WARM_UP {
            times.push(sent.elapsed());
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let report = Report::default().with("sent", work.records + WARM_UP).with("seconds", seconds);
    Ok(report.with_round_trips(times))
}
