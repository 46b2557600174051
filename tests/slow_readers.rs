//! A broker that reads slowly, or no more at all, while its connection stays: what others lead is served, memory stays
//! within `buffer.memory`, errors come in time and say the truth, `close` returns, and when it reads again all is well.
//!
//! A process of its own: memory is counted for all of it.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{ErrorKind, ProducerRecord, RecordFuture};
use peak_alloc::PeakAlloc;
use support::{AGES, SOON, TextProducer, producer, values, wait_until};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time: memory is measured for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Stands before a broker and takes from each connection as many bytes in a hundredth of a second as it is told.
struct SlowReader {
    pace: Arc<AtomicUsize>,
}

const AT_ONCE: usize = usize::MAX;

impl SlowReader {
    /// It stands before broker 1 from now on, and reads at once what comes.
    fn before_the_first_of(cluster: &EmbeddedCluster) -> SlowReader {
        let broker: SocketAddr = cluster.broker_address(1).unwrap().parse().unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // As little as the system allows is read ahead.
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(16).unwrap();
        let listener = TcpListener::from(socket);
        let port = listener.local_addr().unwrap().port();
        let pace = Arc::new(AtomicUsize::new(AT_ONCE));
        let told = Arc::clone(&pace);
        // Gone with the process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(broker).unwrap();
                let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut answers, &mut to_client);
                    let _ = to_client.shutdown(Shutdown::Both);
                });
                let told = Arc::clone(&told);
                thread::spawn(move || pass_on(client, server, &told));
            }
        });
        cluster.advertise(1, "127.0.0.1", port);
        SlowReader { pace }
    }

    fn read(&self, bytes_in_a_hundredth: usize) {
        self.pace.store(bytes_in_a_hundredth, Ordering::SeqCst);
    }
}

/// Requests, at the pace that is told.
fn pass_on(mut client: TcpStream, mut server: TcpStream, pace: &AtomicUsize) {
    let mut buffer = vec![0; 16_384];
    loop {
        let may = pace.load(Ordering::SeqCst).min(buffer.len());
        if may < buffer.len() {
            thread::sleep(Duration::from_millis(10));
        }
        if may == 0 {
            continue;
        }
        match client.read(&mut buffer[..may]) {
            Ok(count) if count > 0 && server.write_all(&buffer[..count]).is_ok() => {}
            _ => break,
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

const LIMIT: Duration = Duration::from_millis(2_000);
const BUFFER_MEMORY: usize = 4_000_000;

/// Broker 1 leads partition 0 and is behind the slow reader, broker 2 leads partition 1.
fn setting() -> (EmbeddedCluster, SlowReader, TextProducer) {
    setting_with("700", "2000")
}

fn setting_with(
    request_timeout: &'static str,
    delivery_timeout: &'static str,
) -> (EmbeddedCluster, SlowReader, TextProducer) {
    let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 2).start().unwrap();
    assert_eq!([0, 1].map(|partition| cluster.leader("t", partition)), [Some(1), Some(2)]);
    let reader = SlowReader::before_the_first_of(&cluster);
    let settings = [
        ("linger.ms", "0"),
        ("max.block.ms", "20000"),
        ("request.timeout.ms", request_timeout),
        ("delivery.timeout.ms", delivery_timeout),
        ("buffer.memory", "4000000"),
        ("metadata.max.age.ms", "200"),
    ];
    // The slow one is asked first of all.
    let producer = producer(&cluster, &settings);
    for partition in 0..2 {
        send(&producer, partition, "warm").get_timeout(AGES).unwrap();
    }
    (cluster, reader, producer)
}

fn send(producer: &TextProducer, partition: i32, value: impl Into<String>) -> RecordFuture {
    producer.send(ProducerRecord::new("t", value.into()).with_partition(partition)).unwrap()
}

fn large(number: usize) -> String {
    format!("{number:06}{}", "x".repeat(99_994))
}

/// While `what` goes on, what broker 2 leads is acknowledged as ever.
fn the_sibling_is_served_while(producer: &TextProducer, mut goes_on: impl FnMut() -> bool) {
    let mut longest = Duration::ZERO;
    let mut count = 0;
    while goes_on() || count < 20 {
        let start = Instant::now();
        let outcome = send(producer, 1, "sibling").get_timeout(AGES);
        outcome.unwrap_or_else(|error| panic!("the sibling's record {count}: {error}"));
        longest = longest.max(start.elapsed());
        count += 1;
        thread::sleep(Duration::from_millis(5));
    }
    println!("the sibling: {count} records, the longest took {longest:?}");
    assert!(longest < LIMIT, "{longest:?}");
}

#[test]
fn a_broker_that_stops_reading_harms_nobody_else_and_its_own_records_fail_in_time() {
    let _alone = ALONE.lock();
    let (cluster, reader, producer) = setting();
    reader.read(0);
    let start = Instant::now();
    let futures: Vec<_> = (0..20).map(|number| send(&producer, 0, large(number))).collect();
    the_sibling_is_served_while(&producer, || !futures.iter().all(RecordFuture::is_done));
    assert!(start.elapsed() < LIMIT + SOON, "{:?}", start.elapsed());
    let mut perhaps = HashSet::new();
    for (number, future) in futures.iter().enumerate() {
        let error = future.get_timeout(AGES).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{text}");
        assert!(text.contains("t-0") && text.contains("delivery.timeout.ms=2000"), "{text}");
        assert!(!text.contains("xxx"), "{text}");
        if error.possibly_written() {
            perhaps.insert(large(number));
        }
        if number % 7 == 0 {
            println!("{} attempts, possibly written: {}, {text}", error.attempts(), error.possibly_written());
        }
    }
    assert!(perhaps.len() < futures.len(), "none of the last ones was sent");
    reader.read(AT_ONCE);
    wait_until("it is served again", || send(&producer, 0, "after").get_timeout(AGES).is_ok());
    producer.close().unwrap();
    let mut seen = HashSet::new();
    for value in values(&cluster, "t", 0).into_iter().filter(|value| value.len() == 100_000) {
        assert!(perhaps.contains(&value), "{} is there, and was said not to be", &value[..6]);
        assert!(seen.insert(value), "twice");
    }
}

#[test]
fn a_broker_that_reads_slowly_gets_its_records_once_and_in_order() {
    let _alone = ALONE.lock();
    let (cluster, reader, producer) = setting_with("20000", "40000");
    // 400 kB a second, where the machine has time: a request takes a quarter of one.
    reader.read(4_096);
    let futures: Vec<_> = (0..5).map(|number| send(&producer, 0, large(number))).collect();
    the_sibling_is_served_while(&producer, || !futures.iter().all(RecordFuture::is_done));
    futures.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
    producer.close().unwrap();
    let large_ones = values(&cluster, "t", 0).into_iter().filter(|value| value.len() == 100_000);
    assert!(large_ones.eq((0..5).map(large)));
}

#[test]
fn what_a_broker_does_not_read_stays_within_the_buffer_and_close_returns() {
    let _alone = ALONE.lock();
    let (_cluster, reader, producer) = setting();
    reader.read(0);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let start = Instant::now();
    let (mut futures, mut refused) = (Vec::new(), 0);
    while start.elapsed() < LIMIT + LIMIT / 2 {
        match producer.try_send(ProducerRecord::new("t", large(futures.len())).with_partition(0)) {
            Ok(future) => futures.push(future),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                refused += 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let peak = MEMORY.peak_usage().saturating_sub(before);
    println!("{} records accepted, {refused} refused, at most {peak} bytes", futures.len());
    assert!(refused > 0 && futures.len() > BUFFER_MEMORY / 100_000 / 2);
    assert!(peak < BUFFER_MEMORY + BUFFER_MEMORY / 4, "{peak}");
    let closing = Instant::now();
    let _ = producer.close_timeout(Duration::from_millis(300));
    assert!(closing.elapsed() < Duration::from_millis(300) + SOON, "{:?}", closing.elapsed());
    let (mut expired, mut closed) = (0, 0);
    for future in futures {
        match future.get_timeout(AGES).unwrap_err().kind() {
            ErrorKind::Timeout => expired += 1,
            ErrorKind::Closed => closed += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("{expired} were too late, {closed} were still there when it closed");
}
