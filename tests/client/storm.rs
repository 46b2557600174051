//! Everything at once: several threads, partitions and brokers under faults of all kinds, over real sockets. What was
//! acknowledged is in the log, once and in the order of its thread, at the offset told; what failed is told to have
//! failed; each record is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{AGES, producer, text, three_brokers};
use kafka_embedded::{Api, EmbeddedCluster, Fault};
use kafka_producer::{ProducerRecord, RecordFuture};

const PARTITIONS: i32 = 4;
const RETRIABLE: [i16; 8] = [2, 3, 5, 6, 7, 19, 20, 56];

fn random_fault(random: &mut fastrand::Rng, cluster: &EmbeddedCluster) {
    let broker = random.i32(1..=3);
    let fault = match random.u8(..8) {
        0 => Fault::fail(Api::Produce, RETRIABLE[random.usize(..RETRIABLE.len())]),
        1 => Fault::fail(Api::Produce, RETRIABLE[random.usize(..RETRIABLE.len())])
            .on_partition("t", random.i32(..PARTITIONS)),
        2 => Fault::fail_after(Api::Produce, if random.bool() { 7 } else { 20 }),
        3 => Fault::cut_before(Api::Produce),
        4 => Fault::cut_after(Api::Produce),
        5 => Fault::drop_answer(Api::Produce),
        6 => Fault::delay(Api::Produce, Duration::from_millis(random.u64(1..60))),
        _ => return cluster.move_leader("t", random.i32(..PARTITIONS), broker),
    };
    cluster.inject(fault.on_broker(broker).skip(random.u32(..3)));
}

/// The futures of one thread's records, with their values, for each partition.
type Sent = Vec<(i32, String, RecordFuture)>;

fn storm(seed: u64) {
    let cluster = three_brokers(PARTITIONS);
    let settings = &[
        ("batch.size", "400"),
        ("linger.ms", "1"),
        ("buffer.memory", "30000"),
        ("request.timeout.ms", "250"),
        ("delivery.timeout.ms", "25000"),
        ("max.block.ms", "25000"),
    ];
    let producer = producer(&cluster, settings);
    let calm = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (producer, calm) = (producer.clone(), Arc::clone(&calm));
            thread::spawn(move || {
                let mut sent: Sent = Vec::new();
                for number in 0.. {
                    if calm.load(Ordering::Relaxed) {
                        break;
                    }
                    let partition = number % PARTITIONS;
                    let value = format!("{thread}/{number:08}");
                    let record = ProducerRecord::new("t", value.clone()).with_partition(partition);
                    sent.push((partition, value, producer.send(record).unwrap()));
                    if number % 64 == 0 {
                        // A pause now and then, so that batches of all sizes are made.
                        sent.last().unwrap().2.get_timeout(AGES).unwrap();
                    }
                }
                sent
            })
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..40 {
        random_fault(&mut random, &cluster);
        thread::sleep(Duration::from_millis(random.u64(..40)));
        if random.u8(..10) == 0 {
            let broker = random.i32(1..=3);
            cluster.stop_broker(broker);
            thread::sleep(Duration::from_millis(random.u64(..60)));
            cluster.start_broker(broker).unwrap();
        }
    }
    calm.store(true, Ordering::Relaxed);
    let sent: Vec<Sent> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    cluster.clear_faults();
    producer.close().unwrap();
    check(&cluster, &sent, seed);
}

fn check(cluster: &EmbeddedCluster, sent: &[Sent], seed: u64) {
    let mut places: HashMap<String, (i32, i64)> = HashMap::new();
    for record in cluster.records("t") {
        let value = text(record.value.as_ref()).unwrap();
        let twice = places.insert(value.clone(), (record.partition, record.offset));
        assert!(twice.is_none(), "seed {seed}: {value} is there twice");
    }
    assert_eq!(
        places.len(),
        sent.iter().map(Vec::len).sum::<usize>(),
        "seed {seed}: all that was sent and no more"
    );
    for sent in sent {
        let mut last = [-1; PARTITIONS as usize];
        for (partition, value, future) in sent {
            let metadata = future.try_get().expect("closed: everything is answered");
            let metadata = metadata.unwrap_or_else(|error| panic!("seed {seed}: {value}: {error}"));
            let (found, offset) = places[value];
            assert_eq!(found, *partition);
            assert!(metadata.offset().is_none_or(|told| told == offset), "seed {seed}: {value}: {metadata}");
            let last = &mut last[*partition as usize];
            assert!(offset > *last, "seed {seed}: {value} overtook the one before it");
            *last = offset;
        }
    }
}

#[test]
fn nothing_is_lost_doubled_or_reordered() {
    (0..3).for_each(storm);
}
