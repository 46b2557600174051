//! Apache Kafka, one broker, as it comes but for its small cluster: Kafka's own threads, both compilers, 1 GiB of heap.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::kafka_cluster::Kafka;
use kafka_producer_benchmarks::Failure;

use crate::programs::KAFKA_VERSION;

/// A running broker; each run has a topic of its own.
pub(crate) struct BrokerProcess(Kafka);

const FLAGS: [&str; 5] = ["-XX:TieredStopAtLevel=4", "-XX:-UseSerialGC", "-XX:+UseG1GC", "-Xms1g", "-Xmx1g"];

/// Kafka's defaults, where the harness has others; and what was measured leaves the disk at once.
const BROKER_LINES: [(&str, &str); 3] =
    [("num.network.threads", "3"), ("num.io.threads", "8"), ("log.segment.delete.delay.ms", "0")];

impl BrokerProcess {
    /// At real-time priority with the client, which would leave it nothing otherwise.
    pub(crate) fn start(real_time: bool) -> Result<Self, Failure> {
        let settings = BROKER_LINES
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>();
        let flags = FLAGS.map(str::to_owned);
        let broker = BrokerProcess(Kafka::start_with_flags(KAFKA_VERSION, &flags, &|_| settings.clone()));
        if real_time {
            let id = broker.process_id()?.to_string();
            let status = Command::new("chrt").args(["--all-tasks", "--rr", "--pid", "10", &id]).status()?;
            if !status.success() {
                return Err(format!("chrt: {status}").into());
            }
        }
        Ok(broker)
    }

    fn process_id(&self) -> Result<u32, Failure> {
        Ok(self.0.process_id(1).ok_or("no broker")?)
    }

    pub(crate) fn address(&self) -> String {
        self.0.bootstrap_servers()
    }

    pub(crate) fn fresh_topic(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.0.create_topic(&name, 1, 1, &[]);
        name
    }

    /// How many records are in its log.
    pub(crate) fn records(&self, topic: &str) -> Result<u64, Failure> {
        Ok(self.0.end_offset(topic, 0)?)
    }

    pub(crate) fn forget(&self, topic: &str) -> Result<(), Failure> {
        Ok(self.0.delete_topic(topic)?)
    }

    /// User and system time of the broker so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process_id()?))?;
        // Behind the name, which may hold anything: the 14th and 15th field, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(") ").ok_or("an odd line of /proc")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }
}
