//! The figures of all runs, by case and client, and whether one reaches its bar.

use std::collections::BTreeMap;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;

use crate::case::{Bar, Case};
use crate::run::{OURS, Run};
use crate::table::median;

/// The figures of one client in one case, a list with one entry per round for each name.
pub(crate) type Figures = BTreeMap<&'static str, Vec<f64>>;

/// One case's figures, by client.
#[derive(Debug)]
pub(crate) struct Throughput {
    pub(crate) name: &'static str,
    pub(crate) records: u64,
    pub(crate) tls: bool,
    pub(crate) bar: Bar,
    pub(crate) clients: BTreeMap<String, Figures>,
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
    pub(crate) fn bound(&self, client: &str, cores: f64) -> &'static str {
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

/// What is said of a figure that has a bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdicts {
    /// Whether the bars mean something in this run.
    pub(crate) judged: bool,
}

impl Verdicts {
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
