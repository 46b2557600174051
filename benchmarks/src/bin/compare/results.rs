//! What all runs came to: medians, their ratios, and whether each bar is reached.

use std::collections::BTreeMap;
use std::fmt;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;

use crate::case::{Bar, Case, ROUND_TRIP_AT_MOST, TLS_ROUND_TRIP_AT_MOST};
use crate::run::{LIBRDKAFKA, OURS, Run};
use crate::table::{Table, figure, median};
use crate::tls_results::{Connects, tls_round_trip_table, tls_table};

/// The figures of one client in one case, a list with one entry per round for each name.
pub(crate) type Figures = BTreeMap<&'static str, Vec<f64>>;

/// One case's figures, by client.
#[derive(Debug)]
pub(crate) struct Throughput {
    pub(crate) name: &'static str,
    pub(crate) records: u64,
    pub(crate) tls: bool,
    pub(crate) bar: Bar,
    clients: BTreeMap<String, Figures>,
}

impl Throughput {
    pub(crate) fn new(case: &Case) -> Self {
        let Case { name, records, tls, bar, .. } = *case;
        Throughput { name, records, tls, bar, clients: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, client: &str, run: &Run) -> Result<(), Failure> {
        let (sent, seconds): (f64, f64) = (run.client.get("sent")?, run.client.get("seconds")?);
        let figures = self.clients.entry(client.to_owned()).or_default();
        let mut add = |name, value| figures.entry(name).or_default().push(value);
        add("rate", self.records as f64 / seconds);
        add("cpu", run.client_cpu / sent * 1e6);
        add("sink", run.sink_cpu / sent * 1e6);
        let caller: f64 = run.client.get("caller_cpu")?;
        add("caller", caller / seconds);
        add("others", (run.client_cpu - caller) / seconds);
        add("sink busy", run.sink_cpu / seconds);
        add("cores", (run.client_cpu + run.sink_cpu) / seconds);
        add("batch", sent / run.sink.get::<f64>("batches")?);
        add("request", run.sink.get::<f64>("bytes")? / run.sink.get::<f64>("requests")? / 1024.0);
        add("peak", run.client.get::<f64>("peak_kib")? / 1024.0);
        Ok(())
    }

    pub(crate) fn median(&self, client: &str, name: &str) -> f64 {
        let figures = self.clients.get(client).and_then(|figures| figures.get(name));
        median(figures.cloned().unwrap_or_default())
    }

    /// What kept a client from being faster.
    fn bound(&self, client: &str, cores: f64) -> &'static str {
        let busy = |name| self.median(client, name);
        let threads = [
            ("caller", "the calling thread"),
            ("others", "the client's own thread"),
            ("sink busy", "the sink"),
        ];
        let fullest = threads.into_iter().max_by(|one, other| busy(one.0).total_cmp(&busy(other.0)));
        match fullest {
            Some((name, thread)) if busy(name) >= FULL => thread,
            _ if busy("cores") >= cores * FULL => "all cores",
            _ => "waking and waiting",
        }
    }

    /// By the best of the other clients.
    pub(crate) fn ratio(&self, name: &str) -> f64 {
        let others = self.clients.keys().filter(|client| *client != OURS);
        let others = others.map(|client| self.median(client, name));
        let best =
            if name == "rate" { others.fold(f64::NAN, f64::max) } else { others.fold(f64::NAN, f64::min) };
        self.median(OURS, name) / best
    }
}

/// A thread that has run for so much of the time had nothing to wait for.
const FULL: f64 = 0.9;

/// The round trips' figures, by client; the bare socket is one of them.
#[derive(Debug, Default)]
pub(crate) struct RoundTrips(BTreeMap<String, Figures>);

impl RoundTrips {
    pub(crate) fn add(&mut self, client: &str, report: &Report, cpu: f64) -> Result<(), Failure> {
        let figures = self.0.entry(client.to_owned()).or_default();
        let mut add = |name, value| figures.entry(name).or_default().push(value);
        add("p50", report.get("p50_us")?);
        add("p99", report.get("p99_us")?);
        add("cpu", cpu / report.get::<f64>("sent")? * 1e6);
        Ok(())
    }

    pub(crate) fn median(&self, client: &str, name: &str) -> f64 {
        let figures = self.0.get(client).and_then(|figures| figures.get(name));
        median(figures.cloned().unwrap_or_default())
    }
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    rounds: usize,
    /// Which clients, and what was set besides the cases' own settings.
    clients: Vec<String>,
    /// Whether the bars mean something in this run.
    judged: bool,
    cases: Vec<Throughput>,
    round_trips: Option<RoundTrips>,
    tls_round_trips: Option<RoundTrips>,
    connects: Option<Connects>,
}

impl Results {
    pub(crate) fn new(rounds: usize, clients: Vec<String>, judged: bool) -> Self {
        let (round_trips, tls_round_trips, connects) = (None, None, None);
        Results { rounds, clients, judged, cases: Vec::new(), round_trips, tls_round_trips, connects }
    }

    pub(crate) fn throughput(&mut self, case: Throughput) {
        self.cases.push(case);
    }

    pub(crate) fn round_trips(&mut self, round_trips: RoundTrips) {
        self.round_trips = Some(round_trips);
    }

    pub(crate) fn tls_round_trips(&mut self, round_trips: RoundTrips) {
        self.tls_round_trips = Some(round_trips);
    }

    pub(crate) fn connects(&mut self, connects: Connects) {
        self.connects = Some(connects);
    }

    /// Whether there is a bar that is not reached. What was not measured is not missed.
    pub(crate) fn missed(&self) -> bool {
        let missed = |case: &Throughput| {
            case.ratio("rate") < case.bar.rate_at_least || case.ratio("cpu") > case.bar.cpu_at_most
        };
        let slow =
            self.round_trips.as_ref().is_some_and(|trips| round_trip_ratio(trips) > ROUND_TRIP_AT_MOST);
        let slow = slow
            || self.tls_round_trips.as_ref().is_some_and(|trips| {
                trips.median(OURS, "p50") / trips.median("plain", "p50") > TLS_ROUND_TRIP_AT_MOST
            });
        self.judged && (slow || self.cases.iter().any(missed))
    }

    /// The figures that have bars.
    fn main_table(&self) -> Table {
        let mut table = Table::new(&[
            "case",
            "records",
            "ours: records/s",
            "librdkafka: records/s",
            "ratio",
            "bar",
            "ours: CPU s per million",
            "librdkafka: CPU s per million",
            "ratio",
            "bar",
            "ours: peak MiB",
            "librdkafka: peak MiB",
        ]);
        for case in self.cases.iter().filter(|case| !case.tls) {
            let of = |client, name| figure(case.median(client, name));
            let (rate, cpu) = (case.ratio("rate"), case.ratio("cpu"));
            table.row(vec![
                case.name.to_owned(),
                case.records.to_string(),
                thousands(case.median(OURS, "rate")),
                thousands(case.median(LIBRDKAFKA, "rate")),
                figure(rate),
                self.at_least(rate, case.bar.rate_at_least),
                of(OURS, "cpu"),
                of(LIBRDKAFKA, "cpu"),
                figure(cpu),
                self.at_most(cpu, case.bar.cpu_at_most),
                of(OURS, "peak"),
                of(LIBRDKAFKA, "peak"),
            ]);
        }
        table
    }

    /// The figures that tell what bounds a case.
    fn bounds_table(&self) -> Table {
        let mut table = Table::new(&[
            "case",
            "client",
            "records/s, lowest to highest",
            "sink: CPU s per million",
            "busy: caller",
            "others",
            "sink",
            "cores",
            "bound by",
            "records per batch",
            "KiB per request",
        ]);
        let cores = cores() as f64;
        for case in &self.cases {
            for (client, figures) in &case.clients {
                let rates = figures.get("rate").map_or(&[][..], Vec::as_slice);
                let lowest = rates.iter().copied().fold(f64::NAN, f64::min);
                let highest = rates.iter().copied().fold(f64::NAN, f64::max);
                table.row(vec![
                    case.name.to_owned(),
                    client.clone(),
                    format!("{} to {}", thousands(lowest), thousands(highest)),
                    figure(case.median(client, "sink")),
                    figure(case.median(client, "caller")),
                    figure(case.median(client, "others")),
                    figure(case.median(client, "sink busy")),
                    figure(case.median(client, "cores")),
                    case.bound(client, cores).to_owned(),
                    figure(case.median(client, "batch")),
                    figure(case.median(client, "request")),
                ]);
            }
        }
        table
    }

    fn round_trip_table(&self, trips: &RoundTrips) -> Table {
        let mut table =
            Table::new(&["round trip", "p50 µs", "p99 µs", "CPU µs each", "ratio to librdkafka", "bar"]);
        let rows = [
            (OURS, "ours: send().get()"),
            (LIBRDKAFKA, "librdkafka: produce to delivery report"),
            ("echo", "bare socket: write, read"),
        ];
        for (client, name) in rows {
            let ratio = trips.median(client, "p50") / trips.median(LIBRDKAFKA, "p50");
            let bar = if client == OURS { self.at_most(ratio, ROUND_TRIP_AT_MOST) } else { String::new() };
            let of = |name| figure(trips.median(client, name));
            table.row(vec![name.to_owned(), of("p50"), of("p99"), of("cpu"), figure(ratio), bar]);
        }
        table
    }

    pub(crate) fn at_least(&self, ratio: f64, bar: f64) -> String {
        self.verdict(ratio, format!("≥ {bar}"), ratio >= bar)
    }

    pub(crate) fn at_most(&self, ratio: f64, bar: f64) -> String {
        self.verdict(ratio, format!("≤ {bar}"), ratio <= bar)
    }

    fn verdict(&self, ratio: f64, bar: String, reached: bool) -> String {
        match (self.judged && ratio.is_finite(), reached) {
            (false, _) => bar,
            (true, true) => format!("{bar} pass"),
            (true, false) => format!("{bar} FAIL"),
        }
    }
}

fn round_trip_ratio(trips: &RoundTrips) -> f64 {
    trips.median(OURS, "p50") / trips.median(LIBRDKAFKA, "p50")
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = cores();
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (kernel, cpus) = (read("/proc/sys/kernel/osrelease"), read("/proc/cpuinfo"));
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": ")).map_or("unknown CPU", |(_, model)| model);
        let (kernel, clients) = (kernel.trim(), self.clients.join(", "));
        let args: Vec<_> = std::env::args().skip(1).collect();
        writeln!(
            f,
            "`cargo run --release -- {}` in `benchmarks`; README.md there says what is measured.",
            args.join(" ")
        )?;
        writeln!(
            f,
            "\n{cores} cores, {model}, Linux {kernel}; {clients}; rounds: {}, medians.",
            self.rounds
        )?;
        let tables = [self.main_table(), tls_table(self, &self.cases), self.bounds_table()];
        let trips = self.round_trips.iter().map(|trips| self.round_trip_table(trips));
        let tls_trips = self.tls_round_trips.iter().map(|trips| tls_round_trip_table(self, trips));
        let connects = self.connects.iter().map(Connects::table);
        for table in
            tables.into_iter().chain(trips).chain(tls_trips).chain(connects).filter(|table| !table.is_empty())
        {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// A whole number with its digits in groups.
pub(crate) fn thousands(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([0.0, 999.6, 12_345.0, 1_234_567.0].map(thousands), ["0", "1 000", "12 345", "1 234 567"]);
    }
}
