//! A logger that takes long, on a healthy broker: it delays, and nothing is sent again because of it.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod support;

use std::thread::sleep;
use std::time::Duration;

use kafka_embedded::Api;
use support::{AGES, cluster, to_first};

/// Each line takes longer than a request may.
fn log_slowly() {
    support::logged::listen(log::LevelFilter::Debug, |record| {
        if record.target().starts_with("kafka_producer") {
            sleep(Duration::from_millis(1_600));
        }
    });
}

/// Fault E1.
#[test]
fn a_logger_slower_than_the_request_timeout_fails_and_repeats_nothing() {
    log_slowly();
    let cluster = cluster(1);
    let settings = [("linger.ms", "0"), ("request.timeout.ms", "1500"), ("delivery.timeout.ms", "60000")];
    let producer = support::producer(&cluster, &settings);
    for number in 0..3 {
        producer.send(to_first(format!("{number:06}"))).unwrap().get_timeout(AGES).unwrap();
    }
    assert_eq!(cluster.requests(Api::Produce), 3, "something was sent again");
    support::assert_holds_exactly(&cluster, 3);
}
