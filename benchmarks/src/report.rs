//! One line of `name=value` pairs: how a client and the sink tell the runner what they saw.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Failure;

/// Names with values, in the order in which they were added.
#[derive(Debug, Default, Clone)]
pub struct Report(Vec<(String, String)>);

impl Report {
    /// Adds a value.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Reads a line that another program printed.
    pub fn parse(line: &str) -> Self {
        let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
        Report(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A value that has to be there.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        let text = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let text = text.ok_or_else(|| format!("no \"{name}\" in the report \"{self}\""))?;
        text.parse().map_err(|_| format!("\"{name}={text}\" in a report is not what was expected").into())
    }

    /// Adds the median and the 99th percentile of some round trips, in microseconds.
    pub fn with_round_trips(self, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
        };
        let (median, p99) = (format!("{:.1}", at(0.5)), format!("{:.1}", at(0.99)));
        self.with("p50_us", median).with("p99_us", p99)
    }

    /// Adds the CPU seconds of the thread that calls this, and so of the one that has called `send`.
    pub fn with_caller_cpu(self) -> Result<Self, Failure> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(self.with("caller_cpu", seconds(usage.user_time()) + seconds(usage.system_time())))
    }

    /// Adds this process's peak resident memory: `VmHWM` and not `ru_maxrss`, which also counts what the parent
    /// held before the program was started.
    pub fn with_peak_memory(self) -> Result<Self, Failure> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = kilobytes.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmHWM")?;
        Ok(self.with("peak_kib", kilobytes))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_its_line() -> Result<(), Failure> {
        let line = Report::default().with("records", 12).with("seconds", 0.5).to_string();
        assert_eq!(line, "records=12 seconds=0.5");
        let read = Report::parse(&line);
        assert_eq!(read.get::<u64>("records")?, 12);
        assert_eq!(read.get::<f64>("seconds")?, 0.5);
        assert!(read.get::<u64>("seconds").is_err());
        assert!(read.get::<u64>("bytes").is_err());
        Ok(())
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() -> Result<(), Failure> {
        let times = (0..1000).rev().map(Duration::from_micros).collect();
        let report = Report::default().with_round_trips(times);
        assert_eq!(report.get::<f64>("p50_us")?, 500.0);
        assert_eq!(report.get::<f64>("p99_us")?, 990.0);
        Ok(())
    }
}
