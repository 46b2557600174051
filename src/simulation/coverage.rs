//! `Coverage`: what the runs have reached, counted.
//!
//! Owns: the counts, and what has to be reached, by each kind of trouble as well. Must not know: how it is counted.

use std::collections::BTreeMap;
use std::fmt;

use crate::simulation::trouble_kinds::Kind;

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

    /// What was to be reached and was not: of what is listed here, of what each kind of trouble does, and of the lies.
    pub(super) fn missing(&self, kinds: &[Kind], lies: impl Iterator<Item = String>) -> Vec<String> {
        let listed = WANTED.iter().flat_map(|(group, names)| names.iter().map(|name| (*group, *name)));
        let listed = listed.filter(|(group, name)| !self.has(group, name));
        let listed = listed.map(|(group, name)| format!("{group}: {name}"));
        let lies = lies.filter(|lie| !self.has("lie", lie)).map(|lie| format!("lie: {lie}"));
        listed.chain(self.missing_of(kinds)).chain(lies).collect()
    }

    /// What these kinds of trouble do, and never have done.
    pub(super) fn missing_of(&self, kinds: &[Kind]) -> Vec<String> {
        let effects = kinds.iter().flat_map(|kind| effects(*kind).iter().map(move |effect| (kind, effect)));
        let effects =
            effects.flat_map(|(kind, (group, names))| names.iter().map(move |name| (kind, group, name)));
        let effects = effects.filter(|(_, group, name)| !self.has(group, name));
        effects.map(|(kind, group, name)| format!("{kind:?}: {group} {name}")).collect()
    }

    pub(super) fn has(&self, group: &str, name: &str) -> bool {
        self.counts.get(&(group.to_owned(), name.to_owned())).is_some_and(|count| *count > 0)
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

/// What shows that a kind of trouble has come about, by group and name; each of it has to be reached.
fn effects(kind: Kind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        Kind::LostAnswers => {
            &[("fault", &["drop_answer Produce", "cut_before Produce", "cut_after Produce"])]
        }
        Kind::SlowAnswers => &[("fault", &["delay Produce"])],
        Kind::Stops => &[("step", &["Stop", "Start"])],
        Kind::Leaders => &[("step", &["MoveLeader"])],
        Kind::Cuts => &[("step", &["Cut"])],
        Kind::Stalls => &[("step", &["Stall", "Detain"])],
        Kind::OtherApis => &[(
            "fault",
            &[
                "drop_answer Metadata",
                "drop_answer ApiVersions",
                "drop_answer InitProducerId",
                "cut_after Metadata",
                "cut_after ApiVersions",
                "cut_after InitProducerId",
                "cut_before ApiVersions",
                "delay Metadata",
                "delay ApiVersions",
                "delay InitProducerId",
                "fail Metadata",
                "fail InitProducerId",
            ],
        )],
        Kind::Throttles => &[(
            "fault",
            &["throttle Produce", "throttle Metadata", "throttle InitProducerId", "throttle ApiVersions"],
        )],
        // Codes that brokers answer here for this reason alone.
        Kind::Refusals => &[
            ("fault", &["fail Produce", "fail_after Produce"]),
            ("Produce", &["-1", "13", "19", "20", "29", "31", "46", "56", "89", "100"]),
        ],
        Kind::UnknownCodes => {
            &[("Produce", &["-32768", "131", "400", "999"]), ("Metadata", &["-32768", "131", "400", "999"])]
        }
        Kind::Partitions => &[("step", &["Grow"])],
        Kind::LaggingMetadata => &[("step", &["Freeze", "Thaw"])],
        Kind::LyingMetadata => &[("lie", &["FewerPartitions", "OneBrokerLess"])],
        Kind::LyingHints => &[("lie", &["WrongHints", "NoAnswers"])],
        Kind::Recreation => &[("step", &["Create", "Delete"])],
        Kind::Forgetting => &[("step", &["Forget All", "Forget Broker", "Forget Partition"])],
        Kind::NewCluster => &[("step", &["Wipe"])],
        Kind::OtherProducers => &[("step", &["Other"])],
        Kind::NewAddresses => &[("step", &["Move"])],
        Kind::SilentConnections => &[("step", &["Silence"])],
        Kind::WallClock => &[("step", &["Jump"]), ("Produce", &["32"])],
        Kind::RefusedIds => &[("InitProducerId", &["14", "15", "16", "31", "35", "41", "51", "53", "999"])],
        Kind::Interrupts => &[("refused", &["Interrupted"])],
        Kind::SlowCallbacks => &[("step", &["Send with Slow"])],
        Kind::Restarts => &[("step", &["Restart"])],
        Kind::OddAnswers => &[("lie", &["HintsAlone", "LateEpochs"])],
        Kind::RefusedTopics => &[("Metadata", &["17", "29"])],
        secured if Kind::of_secured_connections().contains(&secured) => effects_on_secured(secured),
        of_transactions => effects_on_transactions(of_transactions),
    }
}

/// The same of those that are about TLS and SASL.
fn effects_on_secured(kind: Kind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        Kind::HandshakeCuts => &[(
            "secured",
            &[
                "cut in TLS ToBroker",
                "cut in TLS ToClient",
                "cut in the login ToBroker",
                "cut in the login ToClient",
                "cut in requests ToBroker",
                "cut in requests ToClient",
            ],
        )],
        Kind::HandshakeStalls => &[
            ("secured", &["TLS slow_handshake", "given up in TLS"]),
            ("login", &["given up"]),
            ("fault", STALLED_LOGINS),
        ],
        Kind::Alerts => {
            &[("secured", &["TLS alert ClientHello", "TLS alert Finished", "TLS alert Data", "TLS not_tls"])]
        }
        Kind::FalseBrokers => {
            &[("secured", &["shown Expired", "shown OfAStranger", "shown OfAnother", "shown Ends"])]
        }
        Kind::FalseProofs => {
            &[("fault", &["wrong_challenge SaslAuthenticate", "bad_server_signature SaslAuthenticate"])]
        }
        Kind::RefusedLogins => &[
            ("login", &["believed", "believed again", "refused", "refused again"]),
            ("fault", &["fail SaslHandshake", "fail SaslAuthenticate"]),
            // Told at once to those who wait.
            ("failed", &["Authentication"]),
            ("refused", &["Authentication"]),
        ],
        Kind::BriefSessions => &[("fault", &["session SaslAuthenticate"])],
        Kind::LateTokens => &[(
            "secured",
            &[
                "work late",
                "work held back",
                "token given",
                "token brief",
                "token ended",
                "token missing",
                "token presented late",
            ],
        )],
        Kind::Rotation => &[("secured", &["token revoked"]), ("step", &["BrokersPassword", "OwnPassword"])],
        Kind::KeyUpdates => &[("secured", &["new keys"])],
        Kind::Truncations => &[("secured", &["TLS truncate"])],
        _ => &[],
    }
}

/// The same of those that are about transactions.
fn effects_on_transactions(kind: Kind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        Kind::CoordinatorLosses => &[("fault", LOST_BY_COORDINATORS)],
        Kind::CoordinatorDelays => &[(
            "fault",
            &[
                "delay FindCoordinator",
                "delay AddPartitionsToTxn",
                "delay AddOffsetsToTxn",
                "delay TxnOffsetCommit",
                "delay EndTxn",
                "throttle FindCoordinator",
                "throttle AddPartitionsToTxn",
                "throttle AddOffsetsToTxn",
                "throttle TxnOffsetCommit",
                "throttle EndTxn",
            ],
        )],
        Kind::CoordinatorRefusals => &[
            ("FindCoordinator", &["0", "14", "15"]),
            ("InitProducerId", &["0", "14", "15", "16", "51"]),
            ("AddPartitionsToTxn", &["0", "14", "15", "16", "51"]),
            ("AddOffsetsToTxn", &["0", "14", "15", "16", "51"]),
            ("TxnOffsetCommit", &["0", "3", "7", "14", "15", "16"]),
            ("EndTxn", &["0", "7", "14", "15", "16", "51"]),
        ],
        Kind::AbortableCodes => &[
            ("FindCoordinator", &["30", "120"]),
            ("InitProducerId", &["31", "53", "120"]),
            ("AddPartitionsToTxn", &["29", "55", "59", "120"]),
            ("AddOffsetsToTxn", &["30", "59", "120"]),
            ("TxnOffsetCommit", &["22", "25", "30", "82", "120"]),
            ("EndTxn", &["59", "120"]),
        ],
        Kind::FatalCodes => &[
            ("InitProducerId", &["47", "90"]),
            ("AddPartitionsToTxn", &["47", "48", "49", "53", "90"]),
            ("AddOffsetsToTxn", &["47", "48", "49", "53", "90"]),
            ("TxnOffsetCommit", &["47", "90", "24"]),
            ("EndTxn", &["47", "48", "49", "53", "90"]),
        ],
        Kind::CoordinatorMoves => &[("step", &["MoveCoordinator", "MoveGroups"])],
        Kind::Crashes => &[("step", &["Crash"]), ("transaction", &["Committed", "NotCommitted", "Unknown"])],
        Kind::Departures => &[("step", &["Close", "Drop"])],
        Kind::Rivals => &[("step", &["Rival"]), ("EndTxn", &["90"])],
        Kind::Zombies => &[("step", &["Zombie"])],
        Kind::TransactionTimeouts => &[("AddPartitionsToTxn", &["90"])],
        Kind::VersionChanges => &[("step", &["TransactionVersion"])],
        Kind::TwoAtOnce => &[("step", &["Begin", "Init", "Offsets", "Commit", "Abort"])],
        _ => effects_on_two_phases(kind),
    }
}

/// The same of those that are about two-phase commit.
fn effects_on_two_phases(kind: Kind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        Kind::PreparedCrashes => &[
            ("step", &["Prepare", "Complete"]),
            (
                "two phases",
                &[
                    "committed by its own program",
                    "aborted by its own program",
                    "committed by the next program",
                    "aborted by the next program",
                ],
            ),
        ],
        _ => &[],
    }
}

const LOST_BY_COORDINATORS: &[&str] = &[
    "drop_answer FindCoordinator",
    "drop_answer AddPartitionsToTxn",
    "drop_answer AddOffsetsToTxn",
    "drop_answer TxnOffsetCommit",
    "drop_answer EndTxn",
    "cut_before FindCoordinator",
    "cut_before AddPartitionsToTxn",
    "cut_before AddOffsetsToTxn",
    "cut_before TxnOffsetCommit",
    "cut_before EndTxn",
    "cut_after FindCoordinator",
    "cut_after AddPartitionsToTxn",
    "cut_after AddOffsetsToTxn",
    "cut_after TxnOffsetCommit",
    "cut_after EndTxn",
];

const STALLED_LOGINS: &[&str] = &[
    "delay SaslHandshake",
    "delay SaslAuthenticate",
    "drop_answer SaslHandshake",
    "drop_answer SaslAuthenticate",
    "cut_before SaslHandshake",
    "cut_before SaslAuthenticate",
    "cut_after SaslHandshake",
    "cut_after SaslAuthenticate",
];

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
            "-32768", "-1", "0", "2", "3", "5", "6", "7", "10", "13", "19", "20", "29", "31", "32", "45",
            "46", "47", "56", "59", "87", "89", "100", "131", "400", "999",
        ],
    ),
    ("Metadata", &["-32768", "0", "3", "5", "17", "29", "129", "999"]),
    ("InitProducerId", &["0", "14", "15", "16", "31", "41", "51", "53", "999"]),
    ("ApiVersions", &["0", "35"]),
    // User code that took its time on the sender's thread.
    ("slow", &["Interceptor", "Logger", "Serializer"]),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// All that has to be reached.
    fn whole() -> Coverage {
        let mut whole = Coverage::default();
        let groups = Kind::ALL.into_iter().flat_map(|kind| effects(kind).iter());
        for (group, names) in groups.chain(WANTED) {
            names.iter().for_each(|name| whole.add(group, name, 1));
        }
        whole
    }

    fn missing(coverage: &Coverage) -> Vec<String> {
        coverage.missing(&Kind::ALL, std::iter::empty())
    }

    #[test]
    fn what_a_kind_of_trouble_has_never_done_is_missing_however_often_it_was_thrown() {
        assert_eq!(missing(&whole()), [""; 0]);
        for kind in Kind::ALL {
            assert!(!effects(kind).is_empty());
            for (group, name) in
                effects(kind).iter().flat_map(|(group, names)| names.iter().map(move |it| (group, it)))
            {
                let mut coverage = whole();
                coverage.counts.remove(&((*group).to_owned(), (*name).to_owned()));
                coverage.add("thrown", format!("{kind:?}"), 1_000);
                coverage.add("step", "Fault", 1_000);
                assert!(missing(&coverage).contains(&format!("{kind:?}: {group} {name}")));
                coverage.add(group, name, 0);
                assert!(
                    missing(&coverage).contains(&format!("{kind:?}: {group} {name}")),
                    "zero is not reached"
                );
            }
        }
        assert_eq!(whole().missing(&[], std::iter::once("Gap".to_owned())), ["lie: Gap"]);
    }
}
