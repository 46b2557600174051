//! What a thread keeps between two sends, the topic that it sent to last and buffers for serializers, is never mistaken
//! for another's: several producers on one thread, a send inside another, a panic in it, a thread that is ending.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::support::{AGES, TextProducer, cluster, config, producer, text, to_first, values};
use kafka_embedded::{BatchHeader, EmbeddedRecord};
use kafka_producer::{
    InterruptHandle, KafkaProducer, ProducerRecord, SerializerError, StringSerializer, serialize_with,
};

/// Sends when it is dropped, and waits for the outcome. A panic there would end the process.
struct LastWords(TextProducer, &'static str);

impl Drop for LastWords {
    fn drop(&mut self) {
        drop(InterruptHandle::current());
        self.0.send(to_first(long(self.1))).unwrap().get_timeout(AGES).unwrap();
        self.0.flush().unwrap();
    }
}

/// Worth compressing.
fn long(text: &str) -> String {
    text.repeat(100)
}

thread_local! {
    static EARLY: RefCell<Option<LastWords>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

/// Values are dropped in one order or the other: some of the crate's own are gone by then.
#[test]
fn a_thread_local_value_may_send_while_it_is_dropped() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let cluster = cluster(1);
        let producer =
            producer(&cluster, &[("compression.type", codec), ("batch.size", "1"), ("get.spin.us", "0")]);
        thread::spawn(move || {
            EARLY.set(Some(LastWords(producer.clone(), "early")));
            InterruptHandle::current();
            producer.send(to_first(long("first"))).unwrap().get_timeout(AGES).unwrap();
            LATE.set(Some(LastWords(producer.clone(), "late")));
        })
        .join()
        .unwrap();
        let mut values = values(&cluster, "t", 0);
        values.sort();
        assert_eq!(values, ["early", "first", "late"].map(long), "{codec}");
        // The zstd crate has thread-local values of its own and panics without them: its batches go as they are.
        if codec != "zstd" {
            let compressed = |batch: &BatchHeader| batch.attributes & 7 != 0;
            let batches = cluster.batches("t", 0);
            assert!(batches.iter().all(|batch| compressed(batch) == (codec != "none")), "{codec}");
        }
    }
}

#[test]
fn several_producers_on_one_thread_with_topics_of_the_same_name() {
    let clusters = [cluster(1), cluster(2), cluster(3)];
    let producers: Vec<_> = clusters.iter().map(|cluster| producer(cluster, &[])).collect();
    for number in 0..20 {
        for (place, producer) in producers.iter().enumerate() {
            let record = ProducerRecord::new("t", format!("{place}/{number}")).with_partition(place as i32);
            producer.send(record).unwrap();
        }
    }
    for (place, (producer, cluster)) in producers.iter().zip(&clusters).enumerate() {
        producer.close().unwrap();
        let expected: Vec<_> = (0..20).map(|number| format!("{place}/{number}")).collect();
        assert_eq!(values(cluster, "t", place as i32), expected);
        assert_eq!(cluster.records("t").len(), 20);
    }
}

/// The outer record is half written into the thread's buffer when the inner ones are sent.
#[test]
fn a_serializer_may_send_and_may_panic_and_the_record_around_it_is_whole() {
    let (outside, inside) = (cluster(1), cluster(1));
    let inner = producer(&inside, &[]);
    let other = inner.clone();
    let sending = serialize_with(move |data: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(&data.as_bytes()[..2]);
        for part in ["a", "b"] {
            other
                .send(to_first(format!("{data}-{part}")).with_key("key"))
                .map_err(|error| error.to_string())?;
        }
        assert_ne!(data, "panic", "on purpose");
        out.extend_from_slice(&data.as_bytes()[2..]);
        Ok::<(), SerializerError>(())
    });
    let settings = config(&outside.bootstrap_servers(), &[]);
    let outer = KafkaProducer::<str, str>::with_serializers(settings, StringSerializer, sending).unwrap();
    for data in ["first", "second", "panic", "again", "last"] {
        let sent = catch_unwind(AssertUnwindSafe(|| outer.send(to_first(data).with_key("outer")).unwrap()));
        assert_eq!(sent.is_err(), data == "panic");
    }
    outer.close().unwrap();
    inner.close().unwrap();
    assert_eq!(values(&outside, "t", 0), ["first", "second", "again", "last"]);
    let parts =
        ["first", "second", "panic", "again", "last"].map(|data| [format!("{data}-a"), format!("{data}-b")]);
    assert_eq!(values(&inside, "t", 0), parts.concat());
    let keys = |records: Vec<EmbeddedRecord>| {
        records.iter().map(|record| text(record.key.as_ref()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(keys(outside.records("t")), ["outer"; 4]);
    assert_eq!(keys(inside.records("t")), ["key"; 10]);
}
