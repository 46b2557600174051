//! client-echo: the floor for round trips, a blocking socket and nothing else.
//!
//! `client-echo ADDRESS ROUNDS REQUEST ANSWER` writes REQUEST bytes and reads ANSWER bytes, again and again, from
//! `sink --echo REQUEST ANSWER`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;

/// How many round trips are made before they are timed.
const WARM_UP: u64 = 200;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, rounds, request, answer] = args.as_slice() else {
        return Err("usage: client-echo ADDRESS ROUNDS REQUEST ANSWER".into());
    };
    let rounds: u64 = rounds.parse()?;
    let (request, mut answer) = (vec![0; request.parse()?], vec![0; answer.parse()?]);
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut times = Vec::with_capacity(rounds as usize);
    for round in 0..WARM_UP + rounds {
        let sent = Instant::now();
        socket.write_all(&request)?;
        socket.read_exact(&mut answer)?;
        if round >= WARM_UP {
            times.push(sent.elapsed());
        }
    }
    let report = Report::default().with("sent", WARM_UP + rounds).with_round_trips(times);
    println!("{}", report.with("version", "-").with_peak_memory()?);
    Ok(())
}
