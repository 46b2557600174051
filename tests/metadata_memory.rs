//! What a producer makes of the metadata of a very large topic takes a few times the memory of the answer that told of
//! it, at its most and afterwards.
//!
//! A process of its own: memory is counted for all of it. The broker is one that knows no more than it has to, whose
//! answer is there before anything is counted.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kafka_producer::{KafkaProducer, ProducerRecord};
use peak_alloc::PeakAlloc;
use support::{AGES, config, wait_until};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const PARTITIONS: i32 = 100_000;

/// At its most: the picture that is known, the answer, what is read of it, and the next picture.
const MOST: usize = 8;

/// Afterwards. A partition has 18 bytes and more in an answer; what is known of it and the place of its queue have 61, and
/// 4 for each replica.
const HELD: usize = 4;

/// The only broker, which leads everything. Every Metadata answer tells of all of topic `t`.
struct Broker {
    port: u16,
    /// Of an answer, in bytes.
    size: usize,
    answered: Arc<AtomicUsize>,
}

impl Broker {
    fn start(replicas: u8) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (metadata, answered) = (Arc::new(metadata(port, replicas)), Arc::new(AtomicUsize::new(0)));
        let broker = Broker { port, size: metadata.len(), answered: Arc::clone(&answered) };
        // Gone with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (metadata, answered) = (Arc::clone(&metadata), Arc::clone(&answered));
                thread::spawn(move || while answer(&stream, &metadata, &answered).is_ok() {});
            }
        });
        broker
    }
}

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// Answers one request. Those with records want no answer.
fn answer(mut stream: &TcpStream, metadata: &[u8], answered: &AtomicUsize) -> io::Result<()> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut request = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut request)?;
    let (api, correlation_id) = (i16::from_be_bytes([request[0], request[1]]), &request[4..8]);
    let mut write = |body: &[u8]| {
        stream.write_all(&(4 + body.len() as u32).to_be_bytes())?;
        stream.write_all(correlation_id)?;
        stream.write_all(body)
    };
    match api {
        PRODUCE => Ok(()),
        METADATA => {
            write(metadata)?;
            answered.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        _ => write(&api_versions()),
    }
}

/// Version 3: no error, the APIs with their versions, no throttling.
fn api_versions() -> Vec<u8> {
    let mut body = vec![0, 0, 4];
    for (api, version) in [(PRODUCE, 9), (METADATA, 12), (API_VERSIONS, 3)] {
        [api, version, version].iter().for_each(|number| body.extend(number.to_be_bytes()));
        body.push(0);
    }
    body.extend([0; 5]);
    body
}

/// The header's tags and version 12.
fn metadata(port: u16, replicas: u8) -> Vec<u8> {
    let mut body = vec![0; 5];
    body.push(2);
    body.extend(1i32.to_be_bytes());
    body.extend(b"\x0a127.0.0.1");
    body.extend(i32::from(port).to_be_bytes());
    body.extend([0, 0, 0]);
    body.extend(1i32.to_be_bytes());
    body.extend([2, 0, 0, 2, b't']);
    body.extend([7; 16]);
    body.push(0);
    let mut count = PARTITIONS as u32 + 1;
    while count > 0x7f {
        body.push(count as u8 | 0x80);
        count >>= 7;
    }
    body.push(count as u8);
    for partition in 0..PARTITIONS {
        body.extend([0, 0]);
        [partition, 1, 5].iter().for_each(|number| body.extend(number.to_be_bytes()));
        for _ in 0..2 {
            body.push(1 + replicas);
            (1..=i32::from(replicas)).for_each(|id| body.extend(id.to_be_bytes()));
        }
        body.extend([1, 0]);
    }
    body.extend(i32::MIN.to_be_bytes());
    body.extend([0, 0]);
    body.shrink_to_fit();
    body
}

/// Fault D6.
#[test]
fn a_large_topics_metadata_takes_a_few_times_the_memory_of_the_answer() {
    for replicas in [1, 0, 3] {
        let broker = Broker::start(replicas);
        let address = format!("127.0.0.1:{}", broker.port);
        let settings = [("acks", "0"), ("enable.idempotence", "false"), ("metadata.max.age.ms", "1000")];
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let check = |when: &str| {
            let held = || MEMORY.current_usage().saturating_sub(before);
            wait_until("little is held", || held() <= broker.size * HELD);
            let (held, peak) = (held(), MEMORY.peak_usage() - before);
            let figures =
                format!("{replicas} replicas, {} bytes, {when}: {held}, at most {peak}", broker.size);
            println!("{figures}");
            assert!(peak <= broker.size * MOST, "{figures}");
        };
        let producer: KafkaProducer<str, str> = KafkaProducer::new(config(&address, &settings)).unwrap();
        producer.send(ProducerRecord::new("t", "anywhere")).unwrap().get_timeout(AGES).unwrap();
        check("after the first record");
        for partition in [0, PARTITIONS / 2, PARTITIONS - 1] {
            let record = ProducerRecord::new("t", "there").with_partition(partition);
            assert_eq!(producer.send(record).unwrap().get_timeout(AGES).unwrap().partition(), partition);
        }
        let told = broker.answered.load(Ordering::SeqCst);
        wait_until("it is told again", || broker.answered.load(Ordering::SeqCst) > told + 1);
        check("after it was told again");
        assert_eq!(producer.partitions_for("t").unwrap().len(), PARTITIONS as usize);
        producer.close().unwrap();
    }
}
