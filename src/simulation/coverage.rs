//! `Coverage`: what the runs have reached, counted.
//!
//! Owns: the counts, and the list of what has to be reached. Must not know: how it is counted.

use std::collections::BTreeMap;
use std::fmt;

/// How often something was reached, by group and name.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    counts: BTreeMap<(String, String), u64>,
}

impl Coverage {
    pub(super) fn add(&mut self, group: &str, name: impl fmt::Display, count: u64) {
        *self.counts.entry((group.to_owned(), name.to_string())).or_default() += count;
    }

    pub(super) fn join(&mut self, other: Coverage) {
        for ((group, name), count) in other.counts {
            *self.counts.entry((group, name)).or_default() += count;
        }
    }

    /// What was to be reached and was not: of what is listed here, and of `more`, by group and name.
    pub(super) fn missing(&self, more: impl Iterator<Item = (&'static str, String)>) -> Vec<String> {
        let listed = WANTED
            .iter()
            .flat_map(|(group, names)| names.iter().map(move |name| (*group, (*name).to_owned())));
        let wanted = listed.chain(more).map(|(group, name)| (group.to_owned(), name));
        let missing = wanted.filter(|wanted| !self.counts.contains_key(wanted));
        missing.map(|(group, name)| format!("{group}: {name}")).collect()
    }
}

/// One line for each group.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((group, name), count) in &self.counts {
            let (start, end) = if group == last { (", ", "") } else { ("\n", ": ") };
            write!(f, "{start}{}{end}{name} {count}", if group == last { "" } else { group })?;
            last = group;
        }
        Ok(())
    }
}

/// What has to be reached: zero is a failure. Kinds of trouble and lies have lists of their own.
const WANTED: &[(&str, &[&str])] = &[
    (
        "verdict",
        &[
            "Acknowledge",
            "AcknowledgeDuplicate",
            "Retry",
            "Split",
            "RetryWithNewEpoch",
            "Overtaken",
            "Fail",
            "Fatal",
        ],
    ),
    (
        "Produce",
        &[
            "-32768", "-1", "0", "2", "3", "5", "6", "7", "10", "13", "19", "20", "29", "45", "47", "56",
            "59", "87", "89", "100", "131", "400", "999",
        ],
    ),
    ("Metadata", &["-32768", "0", "3", "5", "17", "29", "129", "999"]),
    ("InitProducerId", &["0", "14", "15", "16", "31", "41", "51", "53", "999"]),
    ("ApiVersions", &["0"]),
    (
        "failed",
        &[
            "Authorization",
            "Broker",
            "Closed",
            "Fenced",
            "InvalidRecord",
            "UnknownTopicOrPartition",
            "Network",
            "RecordTooLarge",
            "Timeout",
            "UnsupportedVersion",
        ],
    ),
    (
        "refused",
        &["Authorization", "Closed", "Interrupted", "Timeout", "UnknownTopicOrPartition", "WouldBlock"],
    ),
    (
        "step",
        &[
            "Calm",
            "Close",
            "Create",
            "Cut",
            "Delete",
            "Detain",
            "Drop",
            "Fault",
            "Flush",
            "Forget All",
            "Forget Broker",
            "Forget Partition",
            "Freeze",
            "Get",
            "Grow",
            "Honest",
            "Interrupt",
            "Jump",
            "Move",
            "MoveLeader",
            "Other",
            "PartitionsFor",
            "Restart",
            "Send",
            "Send with Nothing",
            "Send with Sends",
            "Send with Slow",
            "Send with Waits",
            "Silence",
            "Stall",
            "Start",
            "Stop",
            "Thaw",
            "TrySend",
            "Wipe",
        ],
    ),
];
