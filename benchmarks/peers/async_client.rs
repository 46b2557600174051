//! The work of the benchmark by a client that has futures: what the two clients on Tokio share. Each includes this file.
//!
//! It owns the runtime (as `#[tokio::main]` makes it), who sends, and what is measured of them; a client says how a record is sent
//! and how it is told the outcome. It must not know the clients. Who sends as fast as it can does so on threads of their own, which
//! block on their futures, as `main` does; who waits for single records are tasks on the runtime's threads. Each is the faster way
//! of the two: a task that always has something to do shares its thread with the producer's own (NOTES.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kafka_producer_benchmark_work::Failure;
use kafka_producer_benchmark_work::callers::{self, CallingThread, Stopwatch};
use kafka_producer_benchmark_work::payloads::{RecordTable, RecordWalk};
use kafka_producer_benchmark_work::report::Report;
use kafka_producer_benchmark_work::work::{Mode, Work};
use tokio::runtime::Runtime;

/// Every so manyth record tells how long it took.
const SAMPLED: u64 = 64;

/// Key and value of a record: of a table that is there for the rest of the program, so that nobody has to copy them.
pub(crate) type KeyAndValue = (Option<&'static [u8]>, &'static [u8]);

/// A producer whose calls are futures.
pub(crate) trait AsyncClient: Sized + Send + Sync + 'static {
    /// What a caller keeps until it is told the outcomes.
    type Kept: Default + Send;

    /// Makes a producer.
    fn start(work: &Work) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Has it ask for the topic's partitions.
    fn ask_for_the_topic(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Queues a record, whose outcome [`TOLD`] is told. `sent` is there where the time is taken.
    fn queue(
        &self,
        record: KeyAndValue,
        sent: Option<Instant>,
        kept: &mut Self::Kept,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits for what is still kept.
    fn settle(&self, kept: &mut Self::Kept) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Sends a record, and waits until it is acknowledged.
    fn send(&self, record: KeyAndValue) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits for all that was queued.
    fn flush(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends it.
    fn close(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What was told of the records.
pub(crate) struct ToldRecords {
    successes: AtomicU64,
    /// Nanoseconds.
    samples: Mutex<Vec<u32>>,
}

pub(crate) static TOLD: ToldRecords =
    ToldRecords { successes: AtomicU64::new(0), samples: Mutex::new(Vec::new()) };

impl ToldRecords {
    /// A record was acknowledged.
    pub(crate) fn success(&self, sent: Option<Instant>) {
        self.successes.fetch_add(1, Relaxed);
        if let Some(sent) = sent {
            self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(callers::nanoseconds(sent));
        }
    }

    /// A record was not delivered. It is missing from what was told, and with it the run fails.
    pub(crate) fn failure(&self, error: &dyn std::error::Error) {
        eprintln!("not delivered: {error}");
    }
}

/// Does the work.
pub(crate) fn run<C: AsyncClient>(version: &str) -> Result<(), Failure> {
    let work = Work::from_args()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = match work.mode {
        Mode::Throughput => throughput::<C>(&runtime, &work)?,
        Mode::Latency => latency::<C>(&runtime, &work)?,
        Mode::Transactions => return Err("its transactions are not measured".into()),
        Mode::Connect => connect::<C>(&runtime, &work)?,
        Mode::Cold => cold::<C>(&runtime, &work)?,
        Mode::Idle => idle::<C>(&runtime, &work)?,
        Mode::Memory => return Err("its memory is not measured".into()),
    };
    println!("{}", report.with("version", version).with_peak_memory()?);
    Ok(())
}

/// The table of records, for the rest of the program.
fn table(work: &Work) -> Result<&'static RecordTable, Failure> {
    Ok(Box::leak(Box::new(RecordTable::new(work)?)))
}

fn throughput<C: AsyncClient>(runtime: &Runtime, work: &Work) -> Result<Report, Failure> {
    let client = runtime.block_on(C::start(work))?;
    let table = table(work)?;
    let make = |index| QueueCaller {
        runtime,
        client: &client,
        walk: table.walk(index, work.threads),
        between_looks: table.between_looks(),
        samples: false,
        number: 0,
        kept: C::Kept::default(),
    };
    let (_, report) = callers::run(work, make, || runtime.block_on(client.flush()))?;
    runtime.block_on(client.close())?;
    let samples = std::mem::take(&mut *TOLD.samples.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(report.with("told", TOLD.successes.load(Relaxed)).with_times(samples))
}

fn latency<C: AsyncClient>(runtime: &Runtime, work: &Work) -> Result<Report, Failure> {
    let client = Arc::new(runtime.block_on(C::start(work))?);
    let table = table(work)?;
    let make = |index| AskTask {
        client: Arc::clone(&client),
        walk: table.walk(index, work.threads),
        times: Vec::new(),
    };
    // One thread waits for all tasks.
    let one = Work { threads: 1, ..work.clone() };
    let all = |_| TaskGroup { runtime, tasks: (0..work.threads).map(make).collect() };
    let (groups, report) = callers::run(&one, all, || Ok(()))?;
    runtime.block_on(client.close())?;
    let tasks = groups.into_iter().flat_map(|group| group.tasks);
    Ok(report.with_times(tasks.flat_map(|task| task.times).collect()))
}

fn connect<C: AsyncClient>(runtime: &Runtime, work: &Work) -> Result<Report, Failure> {
    let stopwatch = Stopwatch::start()?;
    runtime.block_on(async {
        for _ in 0..work.rounds {
            let client = C::start(work).await?;
            client.ask_for_the_topic().await?;
            client.close().await?;
        }
        Ok::<(), Failure>(())
    })?;
    stopwatch.stop(Report::default().with("sent", 0).with("records", work.rounds))
}

fn cold<C: AsyncClient>(runtime: &Runtime, work: &Work) -> Result<Report, Failure> {
    let mut walk = table(work)?.walk(0, 1);
    let begun = Instant::now();
    runtime.block_on(async {
        let client = C::start(work).await?;
        client.send((walk.key(), walk.value())).await?;
        let report = Report::default().with("sent", 1).with("first_us", begun.elapsed().as_micros());
        client.close().await?;
        Ok(report)
    })
}

fn idle<C: AsyncClient>(runtime: &Runtime, work: &Work) -> Result<Report, Failure> {
    let mut walk = table(work)?.walk(0, 1);
    let client = runtime.block_on(async {
        let (client, mut kept) = (C::start(work).await?, C::Kept::default());
        for _ in 0..1000 {
            client.queue((walk.key(), walk.value()), None, &mut kept).await?;
        }
        client.settle(&mut kept).await?;
        Ok::<C, Failure>(client)
    })?;
    runtime.block_on(client.flush())?;
    let report = callers::idle(work, 1000)?;
    runtime.block_on(client.close())?;
    Ok(report)
}

/// Queues one record after the other, on a thread of its own.
struct QueueCaller<'a, C: AsyncClient> {
    runtime: &'a Runtime,
    client: &'a C,
    walk: RecordWalk<'static>,
    between_looks: u64,
    samples: bool,
    number: u64,
    kept: C::Kept,
}

impl<C: AsyncClient> CallingThread for QueueCaller<'_, C> {
    fn begin(&mut self) {
        self.samples = true;
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let before = self.number;
        self.runtime.block_on(async {
            while Instant::now() < end {
                for _ in 0..self.between_looks {
                    let sampled = self.samples && self.number.is_multiple_of(SAMPLED);
                    let record = (self.walk.key(), self.walk.value());
                    self.client.queue(record, sampled.then(Instant::now), &mut self.kept).await?;
                    self.number += 1;
                }
            }
            Ok(self.number - before)
        })
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.runtime.block_on(self.client.settle(&mut self.kept))
    }
}

/// The tasks that wait for single records, while they are not on their way.
struct TaskGroup<'a, C> {
    runtime: &'a Runtime,
    tasks: Vec<AskTask<C>>,
}

impl<C: AsyncClient> CallingThread for TaskGroup<'_, C> {
    fn begin(&mut self) {
        self.tasks.iter_mut().for_each(|task| task.times.clear());
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let spawn = |task: AskTask<C>| self.runtime.spawn(task.send_until(end));
        let spawned: Vec<_> = self.tasks.drain(..).map(spawn).collect();
        let mut all = 0;
        for joined in spawned {
            let (task, sent) = self.runtime.block_on(joined)??;
            self.tasks.push(task);
            all += sent;
        }
        Ok(all)
    }
}

/// Sends a record, waits for its outcome, sends the next.
struct AskTask<C> {
    client: Arc<C>,
    walk: RecordWalk<'static>,
    times: Vec<u32>,
}

impl<C: AsyncClient> AskTask<C> {
    /// Until then; how many records.
    async fn send_until(mut self, end: Instant) -> Result<(Self, u64), Failure> {
        let before = self.times.len();
        let mut begun = Instant::now();
        while begun < end {
            self.client.send((self.walk.key(), self.walk.value())).await?;
            self.times.push(callers::nanoseconds(begun));
            begun = Instant::now();
        }
        let sent = (self.times.len() - before) as u64;
        Ok((self, sent))
    }
}
