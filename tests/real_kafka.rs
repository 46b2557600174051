//! The producer on Apache Kafka: what it says was written is what kcat and Java's consumer read, what Kafka's own tool
//! finds valid in the log, and lies where Java's producer would have put it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use harness::kafka_cluster::Kafka;
use harness::log_segments::LoggedBatch;
use harness::read_back::Row;
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord, RecordFuture, RecordMetadata};
use real_kafka_support::{BytesProducer, bytes_producer, now_ms, text_producer};

harness::on_each_version! {
    three_ways_to_send
    a_hundred_thousand_records_are_read_back_as_they_were_sent
    acks_0_1_and_all
    a_missing_replica_matters_to_acks_all_alone
    an_unknown_topic_is_an_error_that_names_it_after_the_time_out
    one_broker_killed_under_load_loses_and_repeats_nothing
    three_brokers_killed_in_turn_under_load_lose_and_repeat_nothing
}

fn three_ways_to_send(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 3, 1, &[]);
    let producer = text_producer(&kafka, &[]);

    producer.send(ProducerRecord::new("test", "forgotten").with_partition(0)).unwrap();

    let record =
        ProducerRecord::new("test", "waited for").with_key("key").with_partition(1).with_timestamp(now_ms());
    let waited = producer.send(record).unwrap().get().unwrap();
    assert_eq!((waited.topic(), waited.partition(), waited.offset()), ("test", 1, Some(0)));

    let (tell, told) = mpsc::channel();
    let record = ProducerRecord::new("test", "called back").with_partition(2).with_header("name", b"value");
    producer.send_with_callback(record, move |outcome| tell.send(outcome).unwrap()).unwrap();
    producer.flush().unwrap();
    // Flush returns after the callback.
    let called = told.try_recv().unwrap().unwrap();
    assert_eq!((called.topic(), called.partition(), called.offset()), ("test", 2, Some(0)));
    producer.close().unwrap();

    let rows = kafka.read_back("test");
    let text = |bytes: &Option<Vec<u8>>| bytes.clone().map(|bytes| String::from_utf8(bytes).unwrap());
    let seen: Vec<_> = rows.iter().map(|row| (row.partition, text(&row.key), text(&row.value))).collect();
    let expected = [(0, None, "forgotten"), (1, Some("key"), "waited for"), (2, None, "called back")];
    let owned =
        expected.map(|(partition, key, value)| (partition, key.map(str::to_owned), Some(value.to_owned())));
    assert_eq!(seen, owned);
    assert_eq!(rows[1].timestamp, waited.timestamp().unwrap());
    assert_eq!(rows[2].timestamp, called.timestamp().unwrap());
    assert_eq!(rows[2].headers, [("name".to_owned(), Some(b"value".to_vec()))]);
}

/// A record of the long run: what it holds follows from its number.
struct Sent {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    headers: Vec<(&'static str, Option<Vec<u8>>)>,
    timestamp: Option<i64>,
}

impl Sent {
    fn new(number: u32, begin: i64) -> Sent {
        let key = match number % 3 {
            0 => number.wrapping_mul(2_654_435_761).to_be_bytes()[..(number % 5) as usize].to_vec(),
            1 => format!("key-{}", number % 1000).into_bytes(),
            _ => format!("Schlüssel {}", number % 77).into_bytes(),
        };
        let value = match number % 11 {
            10 => None,
            9 => Some(Vec::new()),
            _ => Some((0..number % 200).map(|index| (number + index) as u8).collect()),
        };
        // Read as text by kcat, so nothing in them that would end or separate them.
        let all = [
            ("number", Some(number.to_string().into_bytes())),
            ("empty", Some(vec![])),
            ("null", None),
            ("number", Some(b"again".to_vec())),
        ];
        let headers = all.into_iter().take(number as usize % 5).collect();
        Sent { key, value, headers, timestamp: number.is_multiple_of(2).then_some(begin + i64::from(number)) }
    }

    fn send(&self, producer: &BytesProducer) -> RecordFuture {
        // A tombstone and a value are records of different types.
        match &self.value {
            Some(value) => producer
                .send(self.fill(ProducerRecord::new("test", value.as_slice()).with_key(self.key.as_slice())))
                .unwrap(),
            None => producer.send(self.fill(ProducerRecord::tombstone("test", self.key.as_slice()))).unwrap(),
        }
    }

    fn fill<K, V>(&self, mut record: ProducerRecord<K, V>) -> ProducerRecord<K, V> {
        for (name, value) in &self.headers {
            record = match value {
                Some(value) => record.with_header(*name, value.clone()),
                None => record.with_null_header(*name),
            };
        }
        match self.timestamp {
            Some(timestamp) => record.with_timestamp(timestamp),
            None => record,
        }
    }

    fn row(&self, metadata: &RecordMetadata) -> Row {
        let timestamp = metadata.timestamp().unwrap();
        assert!(self.timestamp.is_none_or(|asked| asked == timestamp));
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (partition, offset) = (metadata.partition(), metadata.offset().unwrap());
        Row { partition, offset, timestamp, key: Some(self.key.clone()), value: self.value.clone(), headers }
    }
}

fn a_hundred_thousand_records_are_read_back_as_they_were_sent(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 6, 1, &[]);
    let producer = bytes_producer(&kafka, &[]);
    let begin = now_ms() - 1_000_000;
    let sent: Vec<Sent> = (0..100_000).map(|number| Sent::new(number, begin)).collect();
    let start = Instant::now();
    let futures: Vec<RecordFuture> = sent.iter().map(|record| record.send(&producer)).collect();
    let answers: Vec<RecordMetadata> = futures.iter().map(|future| future.get().unwrap()).collect();
    println!("{version}: {} records in {:?}", answers.len(), start.elapsed());
    producer.close().unwrap();

    let mut next = [0; 6];
    for answer in &answers {
        let next = &mut next[usize::try_from(answer.partition()).unwrap()];
        assert_eq!(answer.offset(), Some(*next), "in each partition in the order of sending");
        *next += 1;
    }
    let mut expected: Vec<Row> =
        sent.iter().zip(&answers).map(|(record, answer)| record.row(answer)).collect();
    expected.sort();
    same_rows(&kafka.read_back("test"), &expected);
    same_rows(&kafka.read_back_with_java("test"), &expected);

    kafka.create_topic("by-java", 6, 1, &[]);
    let by_java = kafka.send_with_java("by-java", sent.iter().map(|record| record.key.as_slice()));
    assert_eq!(by_java.len(), sent.len());
    for ((record, answer), by_java) in sent.iter().zip(&answers).zip(by_java) {
        assert_eq!(answer.partition(), by_java, "Java's producer chooses another for {:?}", record.key);
    }

    let batches = kafka.log_batches(1, "test");
    assert_eq!(batches.values().flatten().map(|batch| batch.count).sum::<i32>(), 100_000);
    for batches in batches.values() {
        sound_idempotent_log(batches);
        assert!(
            batches
                .iter()
                .all(|batch| batch.producer_epoch == 0 && batch.producer_id == batches[0].producer_id)
        );
    }
}

/// Not by `assert_eq!`, which would print all of them.
fn same_rows(seen: &[Row], expected: &[Row]) {
    for (seen, expected) in seen.iter().zip(expected) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), expected.len());
}

/// Each batch valid, offsets without a gap, and for each producer id and epoch sequences from 0 without a gap.
fn sound_idempotent_log(batches: &[LoggedBatch]) {
    let mut next_sequence: HashMap<(i64, i16), i32> = HashMap::new();
    let mut next_offset = 0;
    for batch in batches {
        assert!(
            batch.is_valid && batch.magic == 2 && !batch.is_transactional && !batch.is_control,
            "{batch:?}"
        );
        assert!(batch.producer_id >= 0 && batch.producer_epoch >= 0, "{batch:?}");
        let next = next_sequence.entry((batch.producer_id, batch.producer_epoch)).or_default();
        assert_eq!((batch.base_offset, batch.base_sequence), (next_offset, *next), "{batch:?}");
        assert_eq!(batch.last_sequence, batch.base_sequence + batch.count - 1, "{batch:?}");
        assert_eq!(batch.last_offset, batch.base_offset + i64::from(batch.count) - 1, "{batch:?}");
        *next = batch.last_sequence + 1;
        next_offset = batch.last_offset + 1;
    }
}

fn acks_0_1_and_all(version: &str) {
    let kafka = Kafka::start(version, 1);
    for (topic, acks) in [("acks-0", "0"), ("acks-1", "1"), ("acks-all", "all")] {
        kafka.create_topic(topic, 1, 1, &[]);
        let producer = bytes_producer(&kafka, &[("acks", acks)]);
        let values: Vec<Vec<u8>> = (0..1000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
        let send = |value: &Vec<u8>| producer.send(ProducerRecord::new(topic, value.as_slice())).unwrap();
        let futures: Vec<RecordFuture> = values.iter().map(send).collect();
        producer.flush().unwrap();
        for (offset, future) in (0..).zip(&futures) {
            let expected = if acks == "0" { None } else { Some(offset) };
            assert_eq!(future.get().unwrap().offset(), expected, "acks {acks}");
        }
        producer.close().unwrap();

        // Nobody says when the broker has written what it need not answer.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut rows = kafka.read_back(topic);
        while rows.len() < values.len() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(100));
            rows = kafka.read_back(topic);
        }
        let seen: Vec<Vec<u8>> = rows.into_iter().map(|row| row.value.unwrap()).collect();
        assert!(seen == values, "acks {acks}: {} records, in order", seen.len());
        let batches = &kafka.log_batches(1, topic)[&0];
        match acks {
            "all" => sound_idempotent_log(batches),
            // Idempotence needs all; it goes off where nobody asked for it.
            _ => assert!(batches.iter().all(|batch| batch.is_valid && batch.producer_id == -1)),
        }
    }
}

fn a_missing_replica_matters_to_acks_all_alone(version: &str) {
    let mut kafka = Kafka::start(version, 3);
    kafka.create_topic("test", 1, 3, &[("min.insync.replicas", "3")]);
    let leader = kafka.leader("test", 0);
    kafka.stop((1..=3).find(|broker| *broker != leader).unwrap());
    let send = |acks: &str| {
        let producer = bytes_producer(&kafka, &[("acks", acks), ("retries", "2")]);
        let outcome = producer.send(ProducerRecord::new("test", acks.as_bytes())).unwrap().get();
        producer.close().unwrap();
        outcome
    };
    assert_eq!(send("0").unwrap().offset(), None);
    assert!(send("1").unwrap().offset().is_some());
    let error = send("all").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS), "{error}");
    // No consumer sees them before the replica is back.
    let batches = &kafka.log_batches(leader, "test")[&0];
    assert_eq!(batches.iter().map(|batch| batch.count).sum::<i32>(), 2, "{batches:?}");
}

fn an_unknown_topic_is_an_error_that_names_it_after_the_time_out(version: &str) {
    let kafka = Kafka::start(version, 1);
    // Time enough for a first answer of a broker that has just started.
    let producer = bytes_producer(&kafka, &[("max.block.ms", "4000")]);
    let begin = Instant::now();
    let record = ProducerRecord::new("nowhere", b"value".as_slice());
    let refused = producer.send(&record);
    let elapsed = begin.elapsed();
    let error = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!((3.9..20.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
    assert!(!kafka.kcat(&["-L"], b"").text().contains("nowhere"));

    // The producer is none the worse for it, and finds the topic once it exists.
    kafka.create_topic("nowhere", 1, 1, &[]);
    assert_eq!(producer.send(record).unwrap().get().unwrap().offset(), Some(0));
    producer.close().unwrap();
}

fn one_broker_killed_under_load_loses_and_repeats_nothing(version: &str) {
    let kafka = Kafka::start(version, 1);
    exactly_once_in_order(kafka, 1, &[Kafka::kill, Kafka::stop]);
}

fn three_brokers_killed_in_turn_under_load_lose_and_repeat_nothing(version: &str) {
    let kafka = Kafka::start(version, 3);
    exactly_once_in_order(kafka, 3, &[Kafka::kill, Kafka::stop, Kafka::kill]);
}

/// A fault for the leader of partition 0, 1, …, one after the other, while records are sent to all of them.
fn exactly_once_in_order(mut kafka: Kafka, brokers: i32, faults: &[fn(&mut Kafka, i32)]) {
    kafka.create_topic("test", PARTITIONS, i16::try_from(brokers).unwrap(), &[]);
    let producer = bytes_producer(&kafka, &[]);
    let done = AtomicBool::new(false);
    let futures = thread::scope(|scope| {
        let load = scope.spawn(|| send_until(&producer, &done));
        // However this ends, the load must.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for (partition, fault) in (0..).zip(faults) {
                thread::sleep(Duration::from_millis(500));
                let leader = kafka.leader("test", partition);
                fault(&mut kafka, leader);
                thread::sleep(Duration::from_millis(500));
                kafka.restart(leader);
                kafka.wait_until_in_sync("test");
            }
            thread::sleep(Duration::from_millis(500));
        }));
        done.store(true, Ordering::Relaxed);
        let futures = load.join().unwrap();
        outcome.unwrap();
        futures
    });
    producer.close().unwrap();

    let rounds = futures.len() / PARTITIONS as usize;
    println!("{} records, {} brokers", futures.len(), brokers);
    let mut stored: BTreeMap<i32, Vec<(i64, u64)>> = BTreeMap::new();
    for row in kafka.read_back("test") {
        let number = u64::from_be_bytes(row.value.unwrap().try_into().unwrap());
        stored.entry(row.partition).or_default().push((row.offset, number));
    }
    for (partition, stored) in &stored {
        let numbers: Vec<u64> = stored.iter().map(|(_, number)| *number).collect();
        let sent: Vec<u64> = (0..rounds as u64).collect();
        assert!(
            numbers == sent,
            "partition {partition}: {} stored, {rounds} sent, each once and in order",
            numbers.len()
        );
    }
    assert_eq!(stored.len(), PARTITIONS as usize);
    for (index, future) in futures.iter().enumerate() {
        let metadata = future.get().unwrap();
        let (round, partition) = (index / PARTITIONS as usize, metadata.partition());
        // An answer that says only "I have it already" does not know where.
        let stored_at = stored[&partition][round].0;
        assert!(metadata.offset().is_none_or(|offset| offset == stored_at), "{metadata} is at {stored_at}");
    }
    kafka.wait_until_in_sync("test");
    for broker in 1..=brokers {
        kafka.log_batches(broker, "test").values().for_each(|batches| sound_idempotent_log(batches));
    }
}

/// Round after round a record to each partition, its value the number of the round.
fn send_until(producer: &BytesProducer, done: &AtomicBool) -> Vec<RecordFuture> {
    let mut futures = Vec::new();
    for round in 0_u64.. {
        for partition in 0..PARTITIONS {
            let value = round.to_be_bytes().to_vec();
            futures
                .push(producer.send(ProducerRecord::new("test", value).with_partition(partition)).unwrap());
        }
        if done.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(Duration::from_micros(500));
    }
    producer.flush().unwrap();
    futures
}

const PARTITIONS: i32 = 3;
