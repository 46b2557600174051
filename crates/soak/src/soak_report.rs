//! What a run has shown, and whether that is what the producer promises with its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::compare::Findings;
use super::fault_log::TriedFault;
use super::kind::FaultKind;
use super::options::{SoakMode, SoakOptions, Who};
use super::writers::LastWords;

pub struct SoakReport {
    pub options: SoakOptions,
    /// For how long there were faults.
    pub fire: Duration,
    pub faults: Vec<TriedFault>,
    /// Why no disk could be filled.
    pub no_disk: Option<String>,
    pub end: LastWords,
    /// How long after the last fault each thread had an answer again; none if it never had.
    pub quiet: Option<Duration>,
    /// How many batches were sent, and how many times more some of them were sent again.
    pub batches: (u64, u64),
    /// By what stands in the logs.
    pub bumps: u64,
    pub findings: Findings,
}

impl SoakReport {
    /// How many faults took place, and of how many kinds.
    pub fn happened(&self) -> (usize, usize) {
        let counts = self.by_kind();
        let happened = counts.values().map(|(happened, _)| happened).sum();
        (happened, counts.values().filter(|(happened, _)| *happened > 0).count())
    }

    /// Everything that may not be.
    pub fn complaints(&self) -> Vec<String> {
        let found = &self.findings;
        let mut never = vec![
            (found.unanswered, "accepted and never answered"),
            (found.answered_again, "answered more than once"),
            (found.strange, "in the log like nobody has sent them"),
            (found.denied, "said to be certainly not written, and there"),
        ];
        if self.options.mode != SoakMode::Acks1 {
            never.extend([
                (found.lost, "acknowledged and lost"),
                (found.twice, "there more than once"),
                (found.out_of_order, "out of order"),
                (found.elsewhere, "not where the acknowledgement says"),
            ]);
        }
        let mut complaints: Vec<String> = never
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} records {what}"))
            .collect();
        let limit = self.options.delivery_timeout_ms() + LATE_MS;
        if found.longest_answer_ms > limit {
            complaints.push(format!("an outcome came after {} ms", found.longest_answer_ms));
        }
        complaints.extend(self.end.complaint.clone());
        if self.quiet.is_none() {
            complaints.push(String::from("a thread had no answer any more after the last fault"));
        }
        if found.acknowledged == 0 {
            complaints.push(String::from("nothing was acknowledged: nothing was tried"));
        }
        complaints
    }

    /// The report stays; the large files beside it do where they are needed to see what went wrong.
    pub fn save(&self, folder: &Path) {
        fs::write(folder.join("report"), self.to_string()).unwrap();
        if self.complaints().is_empty() {
            for name in ["journal", "rows", "consumer.log"] {
                let _ = fs::remove_file(folder.join(name));
            }
        }
        println!("report, faults and the client's log are in {}", folder.display());
    }

    /// How many happened, and how many were tried in vain.
    fn by_kind(&self) -> BTreeMap<FaultKind, (usize, usize)> {
        let mut counts: BTreeMap<FaultKind, (usize, usize)> = BTreeMap::new();
        for entry in &self.faults {
            let count = counts.entry(entry.kind).or_default();
            match entry.failure {
                None => count.0 += 1,
                Some(_) => count.1 += 1,
            }
        }
        counts
    }

    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (happened, kinds) = self.happened();
        writeln!(f, "\nfaults              {happened} of {kinds} kinds in {:.0} s", self.fire.as_secs_f64())?;
        for (kind, (happened, in_vain)) in self.by_kind() {
            write!(f, "{happened:>8}  {kind}")?;
            match in_vain {
                0 => writeln!(f)?,
                count => writeln!(f, " (and {count} in vain)")?,
            }
        }
        match &self.no_disk {
            Some(why) => writeln!(f, "          no disk could be filled here: {why}"),
            None => Ok(()),
        }
    }

    fn outcomes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.findings;
        writeln!(f, "\nrecords             {} sent, {} read back", found.tried, found.rows)?;
        writeln!(f, "  acknowledged      {}", found.acknowledged)?;
        writeln!(f, "  failed            {}, not accepted {}", found.failed, found.refused)?;
        match self.options.client {
            Who::Ours => writeln!(
                f,
                "  possibly written  {}: {} there, {} not",
                found.possibly_and_there + found.possibly_and_not,
                found.possibly_and_there,
                found.possibly_and_not
            )?,
            Who::Java => writeln!(f, "  failed and there  {}", found.failed_and_there)?,
        }
        writeln!(f, "  in two lives      {} (of {} lives of the topics)", found.in_two_lives, found.lives)?;
        let (batches, again) = self.batches;
        writeln!(f, "retries             {again}, of {batches} batches")?;
        writeln!(f, "epoch bumps         {}", self.bumps)?;
        writeln!(f, "longest gap         {} ms between two acknowledgements", found.longest_gap_ms)?;
        writeln!(f, "longest answer      {} ms until the outcome", found.longest_answer_ms)?;
        if self.options.client == Who::Ours {
            writeln!(f, "longest send        {} ms until it was accepted or refused", found.longest_send_ms)?;
        }
        match self.quiet {
            Some(quiet) => writeln!(f, "all threads again   {} ms after the last fault", quiet.as_millis()),
            None => writeln!(f, "all threads again   never"),
        }
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.findings;
        writeln!(f, "{}", self.options)?;
        self.faults(f)?;
        self.outcomes(f)?;
        let allowed = match self.options.mode {
            SoakMode::Acks1 => "  (acks=1 promises none of these)",
            _ => "",
        };
        writeln!(f, "\nlost                {}{allowed}", found.lost)?;
        writeln!(f, "twice               {}{allowed}", found.twice)?;
        writeln!(f, "out of order        {}{allowed}", found.out_of_order)?;
        writeln!(f, "at another offset   {}{allowed}", found.elsewhere)?;
        writeln!(f, "denied and there    {}", found.denied)?;
        writeln!(f, "never answered      {}, answered again {}", found.unanswered, found.answered_again)?;
        writeln!(f, "not as sent         {}", found.strange)?;
        for example in &found.examples {
            writeln!(f, "  {example}")?;
        }
        match &self.complaints()[..] {
            [] => writeln!(f, "\nsound"),
            complaints => writeln!(f, "\nNOT SOUND: {}", complaints.join("; ")),
        }
    }
}

/// How much later than `delivery.timeout.ms` an outcome may come on a machine that is busy with brokers that start.
const LATE_MS: i64 = 5000;
