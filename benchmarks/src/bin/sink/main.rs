//! sink: a Kafka broker, or several, that takes everything, counts it, forgets it, and acknowledges at once.
//!
//! `sink [--partitions N] [--brokers N] [--delay-us N] [--verify] [--silent] [--tls FOLDER]` prints `address=…` and serves until
//! its standard input ends. For each line there it prints one with what it has counted so far. `sink --echo REQUEST ANSWER` is
//! the floor for round trips: no Kafka, it reads REQUEST bytes and writes ANSWER bytes.
//!
//! It should cost as little as can be, since it shares the machine with the client that is measured: one thread with
//! blocking reads per connection, the records of a batch are counted by its header, and most of the payload is
//! discarded inside the kernel and never copied. With `--verify` it reads everything: CRC, every record, and the
//! partition of every key. With `--silent` it answers no Produce request. With `--delay-us` each answer leaves that
//! much after its request has come (delayed.rs), and with `--brokers` the partitions are shared out among so many. With
//! `--tls` it speaks TLS with the key and the certificate in that folder (sink_stream.rs).

mod answer;
mod delayed;
mod input;
mod produce_log;
mod request_header;
mod serve;
mod sink_stream;
mod verify;

use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::callers::cpu_seconds;
use kafka_producer_benchmarks::report::Report;
use nix::sys::resource::UsageWho;

use crate::produce_log::SinkLog;

/// What the command line asks for.
struct SinkOptions {
    partitions: usize,
    brokers: usize,
    delay: Duration,
    verify: bool,
    silent: bool,
    echo: Option<(usize, usize)>,
    tls: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let options = options(std::env::args().skip(1))?;
    let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners: Vec<TcpListener> = (0..options.brokers).map(listen).collect::<Result<_, _>>()?;
    let ports: Vec<u16> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<io::Result<_>>()?;
    let log = Arc::new(SinkLog::new(options.partitions, options.verify));
    say(&Report::default().with("address", format!("127.0.0.1:{}", ports.first().ok_or("no broker")?)))?;
    let counted = Arc::clone(&log);
    let tls = options.tls.as_deref().map(sink_stream::tls_config).transpose()?;
    let service = serve::Service { ports: ports.into(), silent: options.silent, delay: options.delay, tls };
    for listener in listeners {
        let (log, service) = (Arc::clone(&log), service.clone());
        thread::spawn(move || accept(&listener, options.echo, &service, &log));
    }
    for line in io::stdin().lock().lines() {
        line?;
        say(&counted.report().with("cpu", cpu_seconds(UsageWho::RUSAGE_SELF)?))?;
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    echoed: Option<(usize, usize)>,
    service: &serve::Service,
    log: &Arc<SinkLog>,
) {
    for socket in listener.incoming() {
        let (log, service) = (Arc::clone(log), service.clone());
        let serve = move || match (socket, echoed) {
            (Ok(socket), Some((request, answer))) => echo(socket, request, answer, service.delay),
            (Ok(socket), None) => serve::serve(socket, &service, &log),
            (Err(error), _) => eprintln!("sink: accept: {error}"),
        };
        thread::spawn(serve);
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<SinkOptions, Failure> {
    let mut options = SinkOptions {
        partitions: 1,
        brokers: 1,
        delay: Duration::ZERO,
        verify: false,
        silent: false,
        echo: None,
        tls: None,
    };
    while let Some(arg) = args.next() {
        let mut number = || args.next().ok_or_else(|| format!("{arg} needs more"));
        match arg.as_str() {
            "--partitions" => options.partitions = number()?.parse()?,
            "--brokers" => options.brokers = number()?.parse()?,
            "--delay-us" => options.delay = Duration::from_micros(number()?.parse()?),
            "--verify" => options.verify = true,
            "--tls" => options.tls = Some(number()?.into()),
            "--silent" => options.silent = true,
            "--echo" => options.echo = Some((number()?.parse()?, number()?.parse()?)),
            _ => return Err(format!("unknown argument {arg}").into()),
        }
    }
    Ok(options)
}

fn say(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{report}")?;
    out.flush()
}

/// Reads requests and writes answers of the given sizes until the peer closes.
fn echo(mut socket: TcpStream, request: usize, answer: usize, delay: Duration) {
    let (mut request, answer) = (vec![0; request], vec![0; answer]);
    let _ = socket.set_nodelay(true);
    delayed::sleep_exactly();
    while socket.read_exact(&mut request).is_ok() {
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        if socket.write_all(&answer).is_err() {
            return;
        }
    }
}
