//! A thread that is ending: what its thread-local values do when they are dropped may send and wait all the same.

#![cfg(test)]

mod support;

use std::cell::RefCell;
use std::thread;

use support::{AGES, TextProducer, cluster, producer, to_first, values};

/// Sends when it is dropped, and waits for the outcome. A panic there would end the process.
struct LastWords(TextProducer, &'static str);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.send(to_first(self.1)).unwrap().get_timeout(AGES).unwrap();
        self.0.flush().unwrap();
    }
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
            kafka_producer::InterruptHandle::current();
            producer.send(to_first("first")).unwrap().get_timeout(AGES).unwrap();
            LATE.set(Some(LastWords(producer.clone(), "late")));
        })
        .join()
        .unwrap();
        let mut values = values(&cluster, "t", 0);
        values.sort();
        assert_eq!(values, ["early", "first", "late"], "{codec}");
    }
}
