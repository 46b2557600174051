//! The threads that send: they warm up, wait for each other, and send for as long as the clock runs.
//!
//! What a client is measured by is said here and nowhere else, for all that are written in Rust; those in Java and Go do
//! the same: the clock starts when what the warm-up sent is answered, and stops when all that was sent since is answered.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Failure;
use crate::report::Report;
use crate::work::Work;

/// One thread that sends.
pub trait CallingThread: Send {
    /// The warm-up is over.
    fn begin(&mut self) {}

    /// Sends until then; how many records.
    fn send_until(&mut self, end: Instant) -> Result<u64, Failure>;

    /// Asks for what was put aside.
    fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// What one thread did: records of its warm-up and of its window, and the CPU seconds of the latter.
struct Sent<C> {
    thread: C,
    warm_up: u64,
    window: u64,
    cpu: f64,
}

/// Has the threads do the work; they come back with what was seen of all of them.
pub fn run<C: CallingThread>(
    work: &Work,
    make: impl Fn(usize) -> C,
    flush: impl Fn() -> Result<(), Failure>,
) -> Result<(Vec<C>, Report), Failure> {
    let barrier = Barrier::new(work.threads + 1);
    let (sent, report) = thread::scope(|scope| {
        let mut threads = Vec::new();
        for index in 0..work.threads {
            let (calling, barrier) = (make(index), &barrier);
            threads.push(scope.spawn(move || send(calling, work, barrier)));
        }
        barrier.wait();
        let warmed = flush();
        let stopwatch = Stopwatch::start();
        barrier.wait();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?);
        let sent: Vec<Sent<C>> = joined.collect::<Result<_, Failure>>()?;
        warmed?;
        flush()?;
        Ok::<_, Failure>((sent, stopwatch?.stop(Report::default())?))
    })?;
    let window: u64 = sent.iter().map(|sent| sent.window).sum();
    let warm_up: u64 = sent.iter().map(|sent| sent.warm_up).sum();
    let callers: f64 = sent.iter().map(|sent| sent.cpu).sum();
    let report = report.with("sent", warm_up + window).with("records", window).with("caller_cpu", callers);
    Ok((sent.into_iter().map(|sent| sent.thread).collect(), report))
}

/// Both barriers are always reached: the others wait there.
fn send<C: CallingThread>(mut thread: C, work: &Work, barrier: &Barrier) -> Result<Sent<C>, Failure> {
    let warm_up = match work.warm_up {
        Duration::ZERO => Ok(0),
        warm_up => thread.send_until(Instant::now() + warm_up),
    };
    let settled = thread.settle();
    barrier.wait();
    barrier.wait();
    settled?;
    thread.begin();
    let before = cpu_seconds(UsageWho::RUSAGE_THREAD)?;
    let window = thread.send_until(Instant::now() + work.window)?;
    thread.settle()?;
    let cpu = cpu_seconds(UsageWho::RUSAGE_THREAD)? - before;
    Ok(Sent { thread, warm_up: warm_up?, window, cpu })
}

/// Makes one call after the other until then, and notes how long each took; how many. A call is told when it began.
pub fn time_calls(
    times: &mut Vec<u32>,
    end: Instant,
    mut call: impl FnMut(Instant) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let before = times.len();
    let mut begun = Instant::now();
    while begun < end {
        call(begun)?;
        times.push(nanoseconds(begun));
        begun = Instant::now();
    }
    Ok((times.len() - before) as u64)
}

/// Adds how many transactions there were, warm-up included, and how long those of the window took.
pub fn add_transactions(report: Report, threads: impl Iterator<Item = (u64, Vec<u32>)>) -> Report {
    let (mut committed, mut times) = (0, Vec::new());
    for (count, more) in threads {
        committed += count;
        times.extend(more);
    }
    report.with("transactions", committed).with_times(times)
}

/// How long ago that was.
pub fn nanoseconds(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// Does nothing for a while, after so many records were sent and answered. The runner counts what is called between the two
/// words.
pub fn idle(work: &Work, sent: u64) -> Result<Report, Failure> {
    thread::sleep(work.warm_up);
    eprintln!("idle begins");
    let stopwatch = Stopwatch::start()?;
    thread::sleep(work.window);
    eprintln!("idle ends");
    stopwatch.stop(Report::default().with("sent", sent))
}

/// Time and CPU time of this process.
pub struct Stopwatch {
    begun: Instant,
    cpu: f64,
}

impl Stopwatch {
    /// From now on.
    pub fn start() -> Result<Self, Failure> {
        Ok(Stopwatch { begun: Instant::now(), cpu: cpu_seconds(UsageWho::RUSAGE_SELF)? })
    }

    /// Until now.
    pub fn stop(&self, report: Report) -> Result<Report, Failure> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu = cpu_seconds(UsageWho::RUSAGE_SELF)? - self.cpu;
        Ok(report.with("seconds", seconds).with("cpu", cpu))
    }
}

/// User and system time.
pub fn cpu_seconds(who: UsageWho) -> Result<f64, Failure> {
    let usage = getrusage(who)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow {
        begun: bool,
        fails: bool,
    }

    impl CallingThread for Slow {
        fn begin(&mut self) {
            self.begun = true;
        }

        fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
            thread::sleep(end.saturating_duration_since(Instant::now()));
            if self.fails { Err("it fails".into()) } else { Ok(if self.begun { 7 } else { 5 }) }
        }
    }

    #[test]
    fn what_all_threads_sent_is_added_up_and_a_failure_holds_nobody() -> Result<(), Failure> {
        let milli = Duration::from_millis(1);
        let work = Work { threads: 3, warm_up: milli, window: 5 * milli, ..Work::default() };
        let (threads, report) = run(&work, |_| Slow { begun: false, fails: false }, || Ok(()))?;
        assert_eq!((threads.len(), report.get::<u64>("sent")?, report.get::<u64>("records")?), (3, 36, 21));
        assert!(report.get::<f64>("seconds")? >= 0.005);
        let failed = run(&work, |index| Slow { begun: false, fails: index == 1 }, || Ok(()));
        assert!(failed.is_err_and(|error| error.to_string() == "it fails"));
        Ok(())
    }
}
