//! Ctrl-C while a call is blocked: the call ends at once, and what was sent goes on its way.
//!
//! ```text
//! cargo run --release --example ctrl_c              # press Ctrl-C when it asks you to
//! cargo run --release --example ctrl_c -- --demo    # it raises the signal itself, as it does without a terminal
//! ```
//!
//! A signal handler may do next to nothing, so it writes a byte into a pipe; a thread that waits for it interrupts the
//! thread that uses the producer.

use std::io::{IsTerminal, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, Fault};
use kafka_producer::{ErrorKind, InterruptHandle, KafkaProducer, ProducerConfig, ProducerRecord};
use signal_hook::consts::SIGINT;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    interrupt_this_thread_on_ctrl_c()?;
    let by_itself = std::env::args().any(|argument| argument == "--demo") || !std::io::stdin().is_terminal();

    let cluster = EmbeddedCluster::builder().topic("test", 1).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("StringSerializer");
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
    for number in 0..3 {
        let metadata = producer.send(ProducerRecord::new("test", format!("record {number}")))?.get()?;
        println!("record {number} is {metadata}");
    }

    println!("the broker falls silent; get() may now wait for up to two minutes: press Ctrl-C");
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let future = producer.send(ProducerRecord::new("test", "record 3"))?;
    if by_itself {
        thread::spawn(|| {
            thread::sleep(Duration::from_millis(500));
            signal_hook::low_level::raise(SIGINT)
        });
    }
    match future.get() {
        Err(error) if error.kind() == ErrorKind::Interrupted => println!("interrupted: {error}"),
        outcome => return Err(format!("an interrupt was expected, and not {outcome:?}").into()),
    }

    // The record was accepted and is still under way; its future still works.
    cluster.clear_faults();
    cluster.stop_broker(1);
    cluster.start_broker(1)?;
    println!("the broker is back: record 3 is {}", future.get()?);

    // Ctrl-C while the program is in no call of the producer's: the interrupt stays, and would end the next call. A program
    // that was asked to end and wants to do so in peace takes it back first.
    let this_thread = InterruptHandle::current();
    this_thread.interrupt();
    if this_thread.clear() {
        println!("asked to end");
    }
    let report = producer.close_timeout(Duration::from_secs(10))?;
    println!("{} delivered meanwhile, {} given up", report.delivered, report.failed + report.abandoned);
    let stored = cluster.records("test").len();
    println!("closed; the broker has {stored} records");
    if stored == 4 { Ok(()) } else { Err("4 records were expected".into()) }
}

fn interrupt_this_thread_on_ctrl_c() -> std::io::Result<()> {
    let this_thread = InterruptHandle::current();
    let (mut signals, handler) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, handler)?;
    thread::spawn(move || {
        while signals.read_exact(&mut [0]).is_ok() {
            this_thread.interrupt();
        }
    });
    Ok(())
}
