//! What the cases over TLS came to, beside both other clients.

use std::collections::BTreeMap;

use kafka_producer_benchmarks::Failure;

use crate::case::TLS_ROUND_TRIP_AT_MOST;
use crate::figures::{Figures, RoundTrips, Throughput, Verdicts, thousands};
use crate::run::{JAVA, LIBRDKAFKA, OURS, Run};
use crate::table::{Table, figure, median};

/// The figures that have bars.
pub(crate) fn tls_table(verdicts: Verdicts, cases: &[Throughput]) -> Table {
    let mut table = Table::new(&[
        "case, over TLS 1.3",
        "records",
        "ours: records/s",
        "librdkafka",
        "java",
        "ratio to the best",
        "bar",
        "ours: CPU s per million",
        "librdkafka",
        "java",
        "ratio to the best",
        "bar",
    ]);
    for case in cases.iter().filter(|case| case.tls) {
        let (rate, cpu) = (case.ratio("rate"), case.ratio("cpu"));
        let mut row = vec![case.name.to_owned(), case.records.to_string()];
        row.extend([OURS, LIBRDKAFKA, JAVA].map(|client| thousands(case.median(client, "rate"))));
        row.extend([figure(rate), verdicts.at_least(rate, case.bar.rate_at_least)]);
        row.extend([OURS, LIBRDKAFKA, JAVA].map(|client| figure(case.median(client, "cpu"))));
        row.extend([figure(cpu), verdicts.at_most(cpu, case.bar.cpu_at_most)]);
        table.row(row);
    }
    table
}

pub(crate) fn tls_round_trip_table(verdicts: Verdicts, trips: &RoundTrips) -> Table {
    let mut table = Table::new(&["round trip", "p50 µs", "p99 µs", "CPU µs each", "ratio to plain", "bar"]);
    let rows = [
        ("plain", "ours, plain: send().get()"),
        (OURS, "ours, TLS: send().get()"),
        (LIBRDKAFKA, "librdkafka, TLS: produce to delivery report"),
        (JAVA, "java, TLS: send().get()"),
    ];
    for (client, name) in rows {
        let ratio = trips.median(client, "p50") / trips.median("plain", "p50");
        let bar =
            if client == OURS { verdicts.at_most(ratio, TLS_ROUND_TRIP_AT_MOST) } else { String::new() };
        let of = |name| figure(trips.median(client, name));
        table.row(vec![name.to_owned(), of("p50"), of("p99"), of("cpu"), figure(ratio), bar]);
    }
    table
}

/// Producers that were started, have connected and were closed, one after the other; by client, without and with TLS.
#[derive(Debug, Default)]
pub(crate) struct Connects(BTreeMap<(String, bool), Figures>);

impl Connects {
    pub(crate) fn add(&mut self, client: &str, tls: bool, count: u64, run: &Run) -> Result<(), Failure> {
        let figures = self.0.entry((client.to_owned(), tls)).or_default();
        let mut add = |name, value| figures.entry(name).or_default().push(value);
        add("rate", count as f64 / run.client.get::<f64>("seconds")?);
        add("cpu", run.client_cpu / count as f64 * 1e3);
        add("sink", run.sink_cpu / count as f64 * 1e3);
        Ok(())
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "a producer that connects and is closed",
            "per second",
            "CPU ms each",
            "sink: CPU ms each",
        ]);
        for ((client, tls), figures) in &self.0 {
            let of = |name| figure(median(figures.get(name).cloned().unwrap_or_default()));
            let name = format!("{client}, {}", if *tls { "TLS" } else { "plain" });
            table.row(vec![name, of("rate"), of("cpu"), of("sink")]);
        }
        table
    }
}
