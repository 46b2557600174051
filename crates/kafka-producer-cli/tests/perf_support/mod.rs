//! Reads what a producer performance test prints, Kafka's or ours: to the character.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test that cannot go on has failed")]

/// A line of results, of a window or of the whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ResultLine {
    pub(crate) records: u64,
    pub(crate) steady_state: bool,
    pub(crate) records_per_second: f64,
    pub(crate) mb_per_second: f64,
    pub(crate) latency_ms_avg: f64,
    pub(crate) latency_ms_max: f64,
    /// p50, p95, p99, p99.9: only of the whole.
    pub(crate) latency_ms: Option<[u64; 4]>,
}

impl ResultLine {
    /// None if it is another line, or one that differs in a character.
    pub(crate) fn parse(line: &str) -> Option<ResultLine> {
        let (records, rest) = line.split_once(' ')?;
        let (steady_state, rest) = match rest.strip_prefix("steady state ") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (records_per_second, rest) = rest.strip_prefix("records sent, ")?.split_once(" records/sec (")?;
        let (mb_per_second, rest) = rest.split_once(" MB/sec), ")?;
        let (average, rest) = rest.split_once(" ms avg latency, ")?;
        let (longest, rest) = rest.split_once(" ms max latency")?;
        let is_whole = rest != ".";
        let latency_ms = match is_whole {
            false => None,
            true => {
                let (p50, rest) = rest.strip_prefix(", ")?.split_once(" ms 50th, ")?;
                let (p95, rest) = rest.split_once(" ms 95th, ")?;
                let (p99, rest) = rest.split_once(" ms 99th, ")?;
                let p99_9 = rest.strip_suffix(" ms 99.9th.")?;
                Some([p50.parse().ok()?, p95.parse().ok()?, p99.parse().ok()?, p99_9.parse().ok()?])
            }
        };
        let latency_digits = if is_whole { 2 } else { 1 };
        Some(ResultLine {
            records: records.parse().ok()?,
            steady_state,
            records_per_second: fixed(records_per_second, if is_whole { 6 } else { 1 })?,
            mb_per_second: fixed(mb_per_second, 2)?,
            latency_ms_avg: fixed(average, latency_digits)?,
            latency_ms_max: fixed(longest, latency_digits)?,
            latency_ms,
        })
    }
}

/// A number with exactly so many digits behind the point.
fn fixed(text: &str, digits: usize) -> Option<f64> {
    let (whole, fraction) = text.split_once('.')?;
    let figures = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (figures(whole) && figures(fraction) && fraction.len() == digits).then(|| text.parse().ok())?
}

/// All that a test has printed.
#[derive(Debug, Default)]
pub(crate) struct PerfOutput {
    /// Of windows.
    pub(crate) windows: Vec<ResultLine>,
    /// Of the whole, and of the steady state if there is one.
    pub(crate) totals: Vec<ResultLine>,
    /// `group:name:{tag=value, …}` and the value, in the order of the lines.
    pub(crate) metrics: Vec<(String, String)>,
    /// All other lines.
    pub(crate) others: Vec<String>,
}

impl PerfOutput {
    pub(crate) fn parse(text: &str) -> PerfOutput {
        let mut output = PerfOutput::default();
        let mut value_column = None;
        for line in text.lines() {
            if let Some(result) = ResultLine::parse(line) {
                if result.latency_ms.is_some() { &mut output.totals } else { &mut output.windows }
                    .push(result);
            } else if line.starts_with("Metric Name ") {
                value_column = line.rfind("Value");
            } else if let Some(column) = value_column {
                let (name, value) = line.split_at(column - 3);
                let value = value.strip_prefix(" : ").unwrap_or_else(|| panic!("{line}"));
                output.metrics.push((name.trim_end().to_owned(), value.to_owned()));
            } else if !line.is_empty() {
                output.others.push(line.to_owned());
            }
        }
        output
    }

    /// The value of the first metric of this group and name.
    pub(crate) fn metric(&self, start: &str) -> Option<&str> {
        let found = self.metrics.iter().find(|(name, _)| name.starts_with(start));
        found.map(|(_, value)| value.as_str())
    }
}
