//! What a program keeps of a producer costs it memory, and nothing of the operating system's.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::sync::{Arc, Barrier};
use std::thread;

use support::{AGES, cluster, producer, to_first, wait_until};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Fault E5.
#[test]
fn neither_answered_futures_nor_idle_threads_keep_descriptors_of_closed_producers() {
    let cluster = cluster(1);
    let before = descriptors();
    let mut futures = Vec::new();
    let together = Arc::new(Barrier::new(21));
    let mut threads = Vec::new();
    for _ in 0..20 {
        let producer = producer(&cluster, &[]);
        let together = Arc::clone(&together);
        let future = producer.send(to_first("v")).unwrap();
        future.get_timeout(AGES).unwrap();
        // A thread remembers the topic that it sent to last.
        let handle = producer.clone();
        threads.push(thread::spawn(move || {
            let future = handle.send(to_first("w")).unwrap();
            future.get_timeout(AGES).unwrap();
            drop(handle);
            together.wait();
            together.wait();
            future
        }));
        futures.push((future, producer));
    }
    together.wait();
    let futures: Vec<_> = futures
        .into_iter()
        .map(|(future, producer)| {
            drop(producer);
            future
        })
        .collect();
    // The cluster notices a little later that its connections are closed.
    wait_until("descriptors are given back", || descriptors() <= before + 2);
    together.wait();
    for thread in threads {
        thread.join().unwrap().try_get().unwrap().unwrap();
    }
    futures.iter().for_each(|future| drop(future.get().unwrap()));
}
