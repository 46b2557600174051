//! Addresses where no Kafka is, and strangers that answer: an error that names the address and what happened, within
//! `max.block.ms`, without a panic and without taking a stranger's word for a size.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{SOON, TextProducer, config};
use kafka_embedded::{Api, Fault};
use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerRecord};

/// A listener that does `serve` with everyone who comes.
fn stranger(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = std::sync::Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// What `send` says after some seconds of trying.
fn refused_by(address: &str) -> Error {
    let settings = &[
        ("max.block.ms", "3500"),
        ("request.timeout.ms", "1500"),
        ("delivery.timeout.ms", "10000"),
        ("socket.connection.setup.timeout.ms", "1500"),
        ("socket.connection.setup.timeout.max.ms", "1500"),
    ];
    let producer: TextProducer = KafkaProducer::new(config(address, settings)).unwrap();
    let start = Instant::now();
    let error = producer.send(ProducerRecord::new("t", "v")).unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(3_500) + SOON);
    assert_eq!(error.topic(), Some("t"), "{error}");
    let start = Instant::now();
    producer.close().unwrap();
    assert!(start.elapsed() < SOON, "nothing was accepted, so nothing is waited for");
    error
}

fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn answer_all(bytes: &'static [u8]) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        let mut request = [0; 1024];
        if stream.read(&mut request).is_ok() {
            let _ = stream.write_all(bytes);
        }
        // Waits for the other side to hang up.
        while matches!(stream.read(&mut request), Ok(1..)) {}
    }
}

#[test]
fn a_name_that_does_not_resolve_is_an_error_of_new() {
    let settings = config("no-such-host.invalid:9092", &[]);
    let error = KafkaProducer::<str, str>::new(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    says(&error, &["bootstrap.servers", "no-such-host.invalid:9092"]);
}

#[test]
fn one_name_that_resolves_is_enough() {
    let cluster = crate::support::cluster(1);
    let servers = format!("no-such-host.invalid:9092,{}", cluster.bootstrap_servers());
    let producer: TextProducer = KafkaProducer::new(config(&servers, &[])).unwrap();
    producer.send(ProducerRecord::new("t", "v")).unwrap().get_timeout(crate::support::AGES).unwrap();
}

#[test]
fn a_misspelt_address_is_an_error_of_new() {
    for wrong in ["localhost", "localhost:", "localhost:port", "localhost:70000", ":9092", ""] {
        let error = KafkaProducer::<str, str>::new(config(wrong, &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}: {error}");
        says(&error, &["bootstrap.servers"]);
    }
}

#[test]
fn a_port_without_a_broker() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = refused_by(&free);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    says(&error, &[&free, "refused"]);
}

#[test]
fn an_http_server() {
    let address = stranger(answer_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    says(&refused_by(&address), &[&address, "HTTP"]);
}

#[test]
fn a_tls_listener_that_sends_an_alert() {
    let address = stranger(answer_all(b"\x15\x03\x01\x00\x02\x02\x46"));
    says(&refused_by(&address), &[&address, "TLS"]);
}

#[test]
fn silence() {
    let address = stranger(|mut stream| {
        let mut request = [0; 1024];
        while matches!(stream.read(&mut request), Ok(1..)) {}
    });
    says(&refused_by(&address), &[&address, "no answer"]);
}

/// Nothing has failed yet when max.block.ms is over: the error says what was waited for.
#[test]
fn silence_for_longer_than_send_waits() {
    fn impatient(address: &str) -> Error {
        let producer: TextProducer =
            KafkaProducer::new(config(address, &[("max.block.ms", "1500")])).unwrap();
        let error = producer.send(ProducerRecord::new("t", "v")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        says(&producer.partitions_for("t").unwrap_err(), &[address]);
        error
    }
    let silent = stranger(|mut stream| {
        let mut request = [0; 1024];
        while matches!(stream.read(&mut request), Ok(1..)) {}
    });
    says(&impatient(&silent), &["max.block.ms", &silent, "no answer to ApiVersions yet"]);

    // Where the queue of those who want to connect is full nobody more is let in, and nobody is refused.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let full = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&full, Duration::from_millis(200));
    let queue: Vec<_> = std::iter::from_fn(|| connect().ok()).take(900).collect();
    says(&impatient(&full.to_string()), &["max.block.ms", &full.to_string(), "not connected yet"]);
    drop(queue);

    let cluster = crate::support::cluster(1);
    cluster.inject(Fault::drop_answer(Api::Metadata).always());
    let broker = cluster.bootstrap_servers();
    says(&impatient(&broker), &["max.block.ms", &broker, "no answer to Metadata yet"]);
}

/// Fault C1. What a broker has said is not followed by "no answer".
#[test]
fn an_answer_is_not_contradicted_by_the_next_request() {
    let cluster = crate::support::cluster(1);
    let producer = crate::support::producer(&cluster, &[("max.block.ms", "2500")]);
    // What is asked from now on is asked for the topic below.
    while producer.partitions_for("t").is_err() {}
    cluster.inject(Fault::drop_answer(Api::Metadata).skip(1).always());
    let error = producer.send(ProducerRecord::new("missing", "v")).unwrap_err();
    says(&error, &["max.block.ms", "UNKNOWN_TOPIC_OR_PARTITION"]);
    assert!(!error.to_string().contains("no answer"), "{error}");
}

#[test]
fn garbage() {
    let address = stranger(answer_all(b"\x00\x00\x00\x10garbage garbage "));
    says(&refused_by(&address), &[&address, "not Kafka's"]);
    let address = stranger(answer_all(b"SSH-2.0-OpenSSH_9.6\r\n"));
    says(&refused_by(&address), &[&address]);
}

#[test]
fn a_length_of_two_gigabytes_is_not_believed() {
    for bytes in [b"\x7f\xff\xff\xff\x00\x00\x00\x00", b"\xff\xff\xff\xff\x00\x00\x00\x00"] {
        let address = stranger(answer_all(bytes));
        says(&refused_by(&address), &[&address]);
    }
}

/// An answer that is right in its frame and wrong inside: an array of two thousand million entries.
#[test]
fn an_array_of_impossible_length_is_not_believed() {
    let address = stranger(|mut stream| {
        let mut request = [0; 1024];
        while let Ok(1..) = stream.read(&mut request) {
            let mut answer = vec![0, 0, 0, 10];
            answer.extend_from_slice(&request[8..12]);
            answer.extend_from_slice(&[0, 0, 0x7f, 0xff, 0xff, 0xff]);
            let _ = stream.write_all(&answer);
        }
    });
    says(&refused_by(&address), &[&address]);
}

#[test]
fn a_connection_that_is_closed_at_once() {
    let address = stranger(drop);
    says(&refused_by(&address), &[&address, "closed"]);
}

#[test]
fn a_setting_out_of_range_is_an_error_of_new() {
    let error = KafkaProducer::<str, str>::new(config("localhost:9092", &[("linger.ms", "-1")])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    says(&error, &["linger.ms", "-1"]);
}

/// Behaviours 3, 11.
#[test]
fn records_that_cannot_be() {
    let cluster = crate::support::cluster(1);
    let producer = crate::support::producer(&cluster, &[]);
    let error = producer.send(crate::support::to_first("v").with_timestamp(-1)).unwrap_err();
    assert_eq!((error.kind(), error.topic()), (ErrorKind::InvalidRecord, Some("t")), "(11) {error}");
    says(&error, &["timestamp -1"]);
    producer.flush().unwrap();
    assert_eq!(crate::support::produce_requests(&cluster), 0);
}
