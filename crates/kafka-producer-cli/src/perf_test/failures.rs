//! Records that failed, by what they failed with.
//!
//! Owns: counting them, and an example of each kind. Must not know: how they are shown.

use std::collections::BTreeMap;

use kafka_producer::{Error, ErrorKind};

/// All failures of a test.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    records: u64,
    kinds: BTreeMap<(String, i16), FailureKind>,
}

/// Records that failed in the same way.
#[derive(Clone, Debug)]
pub(super) struct FailureKind {
    pub(super) kind: ErrorKind,
    /// The broker's code, by name.
    pub(super) code: Option<&'static str>,
    pub(super) records: u64,
    /// What the first of them was told.
    pub(super) message: String,
}

impl Failures {
    /// A record that failed; true if none has failed in this way before.
    pub(super) fn add(&mut self, error: &Error) -> bool {
        self.records += 1;
        let key = (error.kind().to_string(), error.code().map_or(0, |code| code.0));
        let mut is_new = false;
        let failure = self.kinds.entry(key).or_insert_with(|| {
            is_new = true;
            FailureKind {
                kind: error.kind(),
                code: error.code().map(|code| code.name()),
                records: 0,
                message: error.to_string(),
            }
        });
        failure.records += 1;
        is_new
    }

    /// How many records failed.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// The ways in which records failed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &FailureKind> {
        self.kinds.values()
    }

    /// What is told at the end: how many failed, and of what, if of several things.
    pub(super) fn summary(&self) -> Option<String> {
        let counted =
            |records: u64| if records == 1 { "1 record".to_owned() } else { format!("{records} records") };
        let mut kinds: Vec<&FailureKind> = self.kinds.values().collect();
        kinds.sort_by_key(|failure| std::cmp::Reverse(failure.records));
        match kinds[..] {
            [] => None,
            [only] => Some(format!("{} failed: {}", counted(only.records), only.message)),
            _ => {
                let line =
                    |failure: &&FailureKind| format!("\n  {}: {}", counted(failure.records), failure.message);
                let lines: String = kinds.iter().map(line).collect();
                Some(format!("{} failed:{lines}", counted(self.records)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_once_for_each_kind_and_summed_up() {
        let mut failures = Failures::default();
        assert_eq!(failures.summary(), None);
        assert!(failures.add(&Error::new(ErrorKind::Timeout, "too late")));
        assert_eq!(failures.summary().as_deref(), Some("1 record failed: too late"));
        assert!(failures.add(&Error::new(ErrorKind::Authorization, "not allowed")));
        assert!(!failures.add(&Error::new(ErrorKind::Authorization, "not allowed, either")));
        let all = "3 records failed:\n  2 records: not allowed\n  1 record: too late";
        assert_eq!(failures.summary().as_deref(), Some(all));
        assert_eq!(failures.records(), 3);
    }
}
