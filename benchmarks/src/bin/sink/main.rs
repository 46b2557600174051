//! sink: one Kafka broker that takes everything, counts it, forgets it, and acknowledges at once.
//!
//! `sink [--partitions N] [--port P] [--verify] [--silent] [--tls FOLDER]` prints `address=…` and serves until its standard input ends. For
//! each line there it prints one with what it has counted so far. `sink --echo REQUEST ANSWER` is the floor for round
//! trips: no Kafka, it reads REQUEST bytes and writes ANSWER bytes.
//!
//! It should cost as little as can be, since it shares the machine with the client that is measured: one thread with
//! blocking reads per connection, the records of a batch are counted by its header, and most of the payload is
//! discarded inside the kernel and never copied. With `--verify` it reads everything: CRC, every record, and the
//! partition of every key. With `--silent` it answers no Produce request. With
//! `--tls` it speaks TLS with the key and the certificate in that folder (sink_stream.rs).

mod answer;
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

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;

use crate::produce_log::SinkLog;

/// What the command line asks for.
struct SinkOptions {
    partitions: usize,
    port: u16,
    verify: bool,
    silent: bool,
    echo: Option<(usize, usize)>,
    tls: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let options = options(std::env::args().skip(1))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
    let address = listener.local_addr()?;
    let log = Arc::new(SinkLog::new(options.partitions, options.verify));
    say(&Report::default().with("address", address))?;
    let counted = Arc::clone(&log);
    let tls = options.tls.as_deref().map(sink_stream::tls_config).transpose()?;
    let service = serve::Service { port: address.port(), silent: options.silent, tls };
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (log, service) = (Arc::clone(&log), service.clone());
            let serve = move || match (socket, options.echo) {
                (Ok(socket), Some((request, answer))) => echo(socket, request, answer),
                (Ok(socket), None) => serve::serve(socket, &service, &log),
                (Err(error), _) => eprintln!("sink: accept: {error}"),
            };
            thread::spawn(serve);
        }
    });
    for line in io::stdin().lock().lines() {
        line?;
        say(&counted.report())?;
    }
    Ok(())
}

fn options(mut args: impl Iterator<Item = String>) -> Result<SinkOptions, Failure> {
    let mut options =
        SinkOptions { partitions: 1, port: 0, verify: false, silent: false, echo: None, tls: None };
    while let Some(arg) = args.next() {
        let mut number = || args.next().ok_or_else(|| format!("{arg} needs more"));
        match arg.as_str() {
            "--partitions" => options.partitions = number()?.parse()?,
            "--port" => options.port = number()?.parse()?,
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
fn echo(mut socket: TcpStream, request: usize, answer: usize) {
    let (mut request, answer) = (vec![0; request], vec![0; answer]);
    let _ = socket.set_nodelay(true);
    while socket.read_exact(&mut request).is_ok() && socket.write_all(&answer).is_ok() {}
}
