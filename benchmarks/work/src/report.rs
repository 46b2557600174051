//! One line of `name=value` pairs: how a client and the sink tell the runner what they saw.

use std::fmt;
use std::str::FromStr;

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

    /// A value, if it is there.
    pub fn find(&self, name: &str) -> Option<f64> {
        self.get(name).ok()
    }

    /// Each name with its value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds the percentiles of some times, given in nanoseconds, in microseconds. Without times it adds nothing.
    pub fn with_times(mut self, mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            if let Some(&time) = times.get(index) {
                self = self.with(name, format!("{:.1}", f64::from(time) / 1e3));
            }
        }
        self
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
        let times = (0..1000).rev().map(|micros| micros * 1000).collect();
        let report = Report::default().with_times(times);
        assert_eq!(report.get::<f64>("p50_us")?, 500.0);
        assert_eq!(report.get::<f64>("p99_us")?, 990.0);
        assert_eq!(report.get::<f64>("p999_us")?, 999.0);
        assert_eq!(Report::default().with_times(Vec::new()).to_string(), "");
        Ok(())
    }
}
