//! What all runs came to: medians, their ratios, and whether each bar is reached.

use std::fmt;

use crate::case::{ROUND_TRIP_AT_MOST, TLS_ROUND_TRIP_AT_MOST};
use crate::figures::{RoundTrips, Throughput, Verdicts, thousands};
use crate::run::{LIBRDKAFKA, OURS};
use crate::table::{Table, figure};
use crate::tls_results::{Connects, tls_round_trip_table, tls_table};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    rounds: usize,
    /// Which clients, and what was set besides the cases' own settings.
    clients: Vec<String>,
    verdicts: Verdicts,
    cases: Vec<Throughput>,
    round_trips: Option<RoundTrips>,
    tls_round_trips: Option<RoundTrips>,
    connects: Option<Connects>,
}

impl Results {
    pub(crate) fn new(rounds: usize, clients: Vec<String>, judged: bool) -> Self {
        let (round_trips, tls_round_trips, connects) = (None, None, None);
        Results {
            rounds,
            clients,
            verdicts: Verdicts { judged },
            cases: Vec::new(),
            round_trips,
            tls_round_trips,
            connects,
        }
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
        self.verdicts.judged && (slow || self.cases.iter().any(missed))
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
                self.verdicts.at_least(rate, case.bar.rate_at_least),
                of(OURS, "cpu"),
                of(LIBRDKAFKA, "cpu"),
                figure(cpu),
                self.verdicts.at_most(cpu, case.bar.cpu_at_most),
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
            let bar =
                if client == OURS { self.verdicts.at_most(ratio, ROUND_TRIP_AT_MOST) } else { String::new() };
            let of = |name| figure(trips.median(client, name));
            table.row(vec![name.to_owned(), of("p50"), of("p99"), of("cpu"), figure(ratio), bar]);
        }
        table
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
        let tables = [self.main_table(), tls_table(self.verdicts, &self.cases), self.bounds_table()];
        let trips = self.round_trips.iter().map(|trips| self.round_trip_table(trips));
        let tls_trips = self.tls_round_trips.iter().map(|trips| tls_round_trip_table(self.verdicts, trips));
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
