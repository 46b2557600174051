//! Signals that the program handles interrupt system calls in every thread, and a process that is held stands still:
//! neither fails, repeats or holds up anything.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::KafkaProducer;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGALRM, SIGTERM, SIGUSR1};
use support::logged::listen;
use support::{AGES, TextProducer, assert_holds_exactly, config, producer, send_numbered, to_first};

/// What was logged as an error: that a wait was interrupted is none.
static ERRORS: AtomicUsize = AtomicUsize::new(0);

/// Interrupts each thread of this process again and again, itself as well, until told to stop; counts how often.
///
/// The system gives a signal to the thread that the number names, if it takes it.
fn storm(stop: &AtomicBool, sent: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        for thread in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let number = thread.file_name().to_str().unwrap().parse().unwrap();
            let signal = [Signal::USR1, Signal::ALARM, Signal::TERM][sent.load(Ordering::Relaxed) % 3];
            if kill_process(Pid::from_raw(number).unwrap(), signal).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(Duration::from_micros(300));
    }
}

/// Counts the handler's runs: each writes a byte.
fn handled() -> UnixStream {
    let (handled, handler) = UnixStream::pair().unwrap();
    for signal in [SIGUSR1, SIGALRM, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, handler.try_clone().unwrap()).unwrap();
    }
    handled
}

#[test]
fn signals_that_the_program_handles_interrupt_no_call_and_lose_nothing() {
    listen(log::LevelFilter::Error, |_| assert!(ERRORS.fetch_add(1, Ordering::Relaxed) < 1000));
    let mut handled = handled();
    let builder = EmbeddedCluster::builder().topic("t", 1).answer_delay(Duration::from_millis(5));
    let cluster = builder.start().unwrap();
    let stop = AtomicBool::new(false);
    let (interrupts, counted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 1024];
            while !stop.load(Ordering::Relaxed) {
                counted.fetch_add(handled.read(&mut bytes).unwrap(), Ordering::Relaxed);
            }
        });
        let storm = scope.spawn(|| storm(&stop, &interrupts));
        // Little memory, so that `send` waits for it, too; a producer of its own waits for metadata each time.
        let little = [("buffer.memory", "20000"), ("batch.size", "1000"), ("delivery.timeout.ms", "30000")];
        let mut number = 0;
        // And on until there were many, on a machine that gives those threads no time.
        let are_many = || [&interrupts, &counted].iter().all(|count| count.load(Ordering::Relaxed) > 1000);
        while number < 10_000 || (!are_many() && number < 200_000) {
            let producer = producer(&cluster, &little);
            for _ in 0..20 {
                let futures = send_numbered(&producer, number..number + 50);
                number += 50;
                match number % 3 {
                    0 => producer.flush().unwrap(),
                    1 => drop(futures.last().unwrap().get_timeout(AGES).unwrap()),
                    _ => drop(futures.last().unwrap().get().unwrap()),
                }
            }
            producer.close().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        storm.join().unwrap();
        // One more, so that the count ends.
        kill_process(rustix::process::getpid(), Signal::USR1).unwrap();
        assert!(are_many(), "{interrupts:?} signals, handled {counted:?} times");
        number
    });
    assert_holds_exactly(&cluster, sent);
    assert_eq!(ERRORS.load(Ordering::Relaxed), 0, "nothing is wrong with a wait that was interrupted");
}

const SERVERS: &str = "KAFKA_PRODUCER_TEST_SERVERS";

/// Whoever was held has not waited for an answer, whatever the clock says: what came meanwhile is read before a request is
/// given up. The process is held in the middle of round trips for longer than `request.timeout.ms`, and may send nothing
/// again.
#[test]
fn a_process_that_is_held_for_longer_than_a_request_may_take_goes_on() {
    if let Ok(servers) = std::env::var(SERVERS) {
        return send_while_held(&servers);
    }
    let builder = EmbeddedCluster::builder().topic("t", 1).answer_delay(Duration::from_millis(20));
    let cluster = builder.start().unwrap();
    let name = "a_process_that_is_held_for_longer_than_a_request_may_take_goes_on";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(SERVERS, cluster.bootstrap_servers()).args(["--exact", name, "--nocapture"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let mut held = 0;
    while child.try_wait().unwrap().is_none() {
        let sent = cluster.end_offset("t", 0).unwrap();
        thread::sleep(Duration::from_millis(fastrand::u64(30..200)));
        if sent > 0 && held < HOLDS {
            kill_process(pid, Signal::STOP).unwrap();
            thread::sleep(Duration::from_millis(3_500));
            held += kill_process(pid, Signal::CONT).map_or(0, |()| 1);
        }
    }
    let output = child.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}{why}", output.status, String::from_utf8_lossy(&output.stdout));
    assert!(held == HOLDS, "it was held {held} times");
    assert_holds_exactly(&cluster, HELD_SENDS);
}

const HELD_SENDS: usize = 200;

/// Each takes longer than `request.timeout.ms`, which a broker that is late by two seconds keeps.
const HOLDS: usize = 3;

fn send_while_held(servers: &str) {
    let settings = [
        ("enable.idempotence", "false"),
        ("retries", "0"),
        ("request.timeout.ms", "3000"),
        ("linger.ms", "0"),
    ];
    let producer: TextProducer = KafkaProducer::new(config(servers, &settings)).unwrap();
    for number in 0..HELD_SENDS {
        let future = producer.send(to_first(format!("{number:06}"))).unwrap();
        match number % 3 {
            0 => producer.flush().unwrap(),
            1 => drop(future.get_timeout(AGES).unwrap()),
            _ => drop(future.get().unwrap()),
        }
        future.try_get().unwrap().unwrap();
    }
    producer.close().unwrap();
}
