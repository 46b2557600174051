//! client-echo: the floor for round trips, a blocking socket and nothing else.
//!
//! `client-echo ADDRESS REQUEST ANSWER WARM_UP_MS WINDOW_MS` writes REQUEST bytes and reads ANSWER bytes, again and again, from
//! `sink --echo REQUEST ANSWER`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::callers::{self, CallingThread};
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::Work;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, request, answer, warm_up, window] = args.as_slice() else {
        return Err("usage: client-echo ADDRESS REQUEST ANSWER WARM_UP_MS WINDOW_MS".into());
    };
    let millis = |text: &str| Ok::<_, Failure>(Duration::from_millis(text.parse()?));
    let work = Work { warm_up: millis(warm_up)?, window: millis(window)?, ..Work::default() };
    let (request, answer) = (request.parse()?, answer.parse()?);
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let make = |_| EchoCaller {
        socket: &socket,
        request: vec![0; request],
        answer: vec![0; answer],
        times: Vec::new(),
    };
    let (callers, report): (Vec<EchoCaller<'_>>, Report) = callers::run(&work, make, || Ok(()))?;
    let times = callers.into_iter().flat_map(|caller| caller.times).collect();
    println!("{}", report.with_times(times).with("version", "-").with_peak_memory()?);
    Ok(())
}

struct EchoCaller<'a> {
    socket: &'a TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    times: Vec<u32>,
}

impl CallingThread for EchoCaller<'_> {
    fn begin(&mut self) {
        self.times.clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        callers::time_calls(&mut self.times, end, |_| {
            self.socket.write_all(&self.request)?;
            Ok(self.socket.read_exact(&mut self.answer)?)
        })
    }
}
