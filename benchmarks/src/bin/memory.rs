//! memory: what a producer takes while its broker is silent.
//!
//! `memory` runs every case: a sink that reads and never answers, and a client in a process of its own that tries to
//! send ten million records with 64 MiB of `buffer.memory` and `max.block.ms=0`, so that the buffer fills and all the
//! rest is refused. Printed is what the process held at most, beyond `buffer.memory` and beyond what the callbacks of
//! the accepted records are by themselves. The bar is 8 MB; the status is 1 if a case is above it.
//!
//! `memory CASE-NAME ADDRESS` is the client of one case.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};
use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::{Keys, TOPIC};

const ATTEMPTS: u64 = 10_000_000;
const BUFFER_MEMORY: u64 = 64 << 20;
const BAR: f64 = 8e6;

/// What one callback of the client below is: its place in the list of its batch, and what it has captured, for which the
/// allocator takes 32 bytes.
const CALLBACK_BYTES: u64 = 40 + 32;

struct MemoryCase {
    name: &'static str,
    value_size: usize,
    batch_size: usize,
    keyed: bool,
    callbacks: bool,
}

const CASES: [MemoryCase; 6] = [
    MemoryCase { name: "10B-16KiB-1p", value_size: 10, batch_size: 16 << 10, keyed: false, callbacks: false },
    MemoryCase {
        name: "100B-16KiB-1p",
        value_size: 100,
        batch_size: 16 << 10,
        keyed: false,
        callbacks: false,
    },
    MemoryCase {
        name: "100B-16KiB-1p-callbacks",
        value_size: 100,
        batch_size: 16 << 10,
        keyed: false,
        callbacks: true,
    },
    MemoryCase {
        name: "100B-16KiB-keyed",
        value_size: 100,
        batch_size: 16 << 10,
        keyed: true,
        callbacks: false,
    },
    MemoryCase {
        name: "100B-1MiB-keyed",
        value_size: 100,
        batch_size: 1 << 20,
        keyed: true,
        callbacks: false,
    },
    MemoryCase {
        name: "1KiB-1MiB-1p",
        value_size: 1024,
        batch_size: 1 << 20,
        keyed: false,
        callbacks: false,
    },
];

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, address] = arguments.as_slice() else { return all() };
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
    println!("{}", client(case, address)?);
    Ok(ExitCode::SUCCESS)
}

fn all() -> Result<ExitCode, Failure> {
    println!("| case | accepted of {ATTEMPTS} | peak MiB | beyond buffer.memory and callbacks, MB | bar |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let mut above = false;
    for case in &CASES {
        let (mut sink, address) = silent_sink(if case.keyed { 100 } else { 1 })?;
        let report = run(case, &address)?;
        sink.kill()?;
        sink.wait()?;
        let (accepted, peak): (u64, u64) = (report.get("accepted")?, report.get("peak_kib")?);
        let own = if case.callbacks { accepted * CALLBACK_BYTES } else { 0 };
        let beyond = (peak << 10) as f64 - (BUFFER_MEMORY + own) as f64;
        let verdict = if beyond <= BAR { "pass" } else { "FAIL" };
        above |= beyond > BAR;
        let peak = peak as f64 / 1024.0;
        println!("| {} | {accepted} | {peak:.1} | {:.1} | ≤ 8 {verdict} |", case.name, beyond / 1e6);
    }
    Ok(ExitCode::from(u8::from(above)))
}

fn run(case: &MemoryCase, address: &str) -> Result<Report, Failure> {
    let output = Command::new(std::env::current_exe()?).args([case.name, address]).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}: {error}", case.name, output.status).into());
    }
    Ok(Report::parse(&String::from_utf8_lossy(&output.stdout)))
}

fn silent_sink(partitions: usize) -> Result<(Child, String), Failure> {
    let program = std::env::current_exe()?.with_file_name("sink");
    let mut command = Command::new(program);
    command.args(["--silent", "--partitions", &partitions.to_string()]);
    let mut sink = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(sink.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    Ok((sink, Report::parse(&line).get("address")?))
}

fn client(case: &MemoryCase, address: &str) -> Result<Report, Failure> {
    let producer: KafkaProducer<[u8], [u8]> = KafkaProducer::new(ProducerConfig::from_properties([
        ("bootstrap.servers", address),
        ("key.serializer", "ByteArraySerializer"),
        ("value.serializer", "ByteArraySerializer"),
        ("batch.size", &case.batch_size.to_string()),
        ("max.request.size", "2097152"),
        ("buffer.memory", &BUFFER_MEMORY.to_string()),
        ("max.block.ms", "0"),
    ])?)?;
    while producer.partitions_for(TOPIC).is_err() {
        thread::sleep(Duration::from_millis(1));
    }
    let value = vec![b'v'; case.value_size];
    let mut keys = Keys::new();
    let mut accepted = 0;
    for number in 0..ATTEMPTS {
        let key = if case.keyed { Some(keys.advance()) } else { None };
        let record = ProducerRecord::new(TOPIC, &value[..]).with_optional_key(key);
        let outcome = if case.callbacks {
            // Two words: the callback's own size.
            let captured = (number, accepted);
            producer.send_with_callback(record, move |_| {
                let _ = std::hint::black_box(captured);
            })
        } else {
            producer.send(record)
        };
        match outcome {
            Ok(_) => accepted += 1,
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(error.into()),
        }
    }
    let report = Report::default().with("accepted", accepted).with_peak_memory()?;
    producer.close_timeout(Duration::ZERO)?;
    Ok(report)
}
