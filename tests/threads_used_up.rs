//! The system gives no more threads: what is said then, and that it passes.
//!
//! What runs out here is address space, for stacks. To the crate that is the same as a limit of processes, which does not
//! bind who runs as root: a thread cannot be started. Each test runs in a process of its own, where stacks are so
//! large that the C library keeps none of ended threads, and that everything else finds room.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;
use std::thread;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{ErrorKind, KafkaProducer, ProducerRecord};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{AGES, TextProducer, cluster, config, to_first, values, wait_until};

/// std's setting for it.
const STACK: &str = "RUST_MIN_STACK";
const STACK_BYTES: u64 = 128 << 20;

/// Runs the test of this name in a process of its own.
fn with_large_stacks(name: &str, body: impl FnOnce()) {
    let bytes = STACK_BYTES.to_string();
    if std::env::var_os(STACK).is_some_and(|set| *set == *bytes) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.env(STACK, bytes).args(["--exact", name, "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{}: {said}{why}", output.status);
}

/// While it lives, no thread can be started in this process.
struct NoMoreThreads(Rlimit);

impl NoMoreThreads {
    /// As soon as there are so many threads: one that still ends would leave room for another.
    fn beside(count: impl Fn() -> usize) -> NoMoreThreads {
        wait_until("whoever ends has ended", || field("Threads:") == count() as u64);
        let before = getrlimit(Resource::As);
        // Room for all that is no stack.
        let current = Some(settled() + STACK_BYTES / 2);
        setrlimit(Resource::As, Rlimit { current, maximum: before.maximum }).unwrap();
        assert!(thread::Builder::new().spawn(|| ()).is_err(), "there are some left");
        NoMoreThreads(before)
    }
}

impl Drop for NoMoreThreads {
    fn drop(&mut self) {
        setrlimit(Resource::As, Rlimit { ..self.0 }).unwrap();
    }
}

/// The address space that this process has taken, in bytes.
fn taken() -> u64 {
    field("VmSize:") * 1024
}

/// A number of those that the system tells of this process.
fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The program's own threads, and those of a cluster: its clock, its listeners, and two for each connection.
fn of_cluster(cluster: &EmbeddedCluster, brokers: usize) -> usize {
    OWN_THREADS + 1 + brokers + 2 * cluster.connections_open()
}

/// The main thread, and the test's.
const OWN_THREADS: usize = 2;

/// The same, once threads that have just begun or ended have taken what they need or given it back.
fn settled() -> u64 {
    let mut last = 0;
    wait_until("as much is taken as a moment ago", || {
        thread::sleep(Duration::from_millis(100));
        let now = taken();
        std::mem::replace(&mut last, now) == now
    });
    last
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn without_threads_new_is_an_error_with_the_systems_reason() {
    with_large_stacks("without_threads_new_is_an_error_with_the_systems_reason", || {
        let cluster = cluster(1);
        let servers = cluster.bootstrap_servers();
        let new = || KafkaProducer::<str, str>::new(config(&servers, &[]));
        let none = NoMoreThreads::beside(|| of_cluster(&cluster, 1));
        let before = descriptors();
        for _ in 0..3 {
            let error = new().unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Network);
            assert!(
                text.contains("no thread") && text.contains("Resource temporarily unavailable"),
                "{text}"
            );
            assert_eq!(descriptors(), before, "nothing is left of it");
        }
        drop(none);
        new().unwrap().send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    });
}

/// Names are looked up on threads of their own.
#[test]
fn without_threads_for_look_ups_records_wait_and_go_when_there_are_some_again() {
    with_large_stacks("without_threads_for_look_ups_records_wait_and_go_when_there_are_some_again", || {
        let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 2).start().unwrap();
        let (first, second) = (cluster.broker_address(1).unwrap(), cluster.broker_address(2).unwrap());
        cluster.advertise(2, "localhost", second.rsplit_once(':').unwrap().1.parse().unwrap());
        cluster.stop_broker(2);
        let settings = [("linger.ms", "0"), ("delivery.timeout.ms", "4000"), ("request.timeout.ms", "2000")];
        let producer: TextProducer = KafkaProducer::new(config(&first, &settings)).unwrap();
        let send =
            |value: &'static str| producer.send(ProducerRecord::new("t", value).with_partition(1)).unwrap();
        send("first").get_timeout(AGES).unwrap();
        cluster.start_broker(2).unwrap();
        cluster.move_leader("t", 1, 2);
        wait_until("the way in is closed", || cluster.connections_open() == 1);
        let none = NoMoreThreads::beside(|| of_cluster(&cluster, 2) + 1);
        // The first one hears of the new leader, those behind it wait for its address.
        let errors = ["too late", "as well"].map(|value| send(value).get_timeout(AGES).unwrap_err());
        let waits = send("second");
        thread::sleep(Duration::from_millis(200));
        let early = waits.try_get();
        drop(none);
        assert!(early.is_none(), "{early:?}");
        assert!(errors.iter().all(|error| !error.possibly_written()), "{errors:?}");
        let why = errors[1].to_string();
        assert!(why.contains("localhost") && why.contains("Resource temporarily unavailable"), "{why}");
        waits.get_timeout(AGES).unwrap();
        producer.close().unwrap();
        assert_eq!(values(&cluster, "t", 1), ["first", "second"]);
    });
}
