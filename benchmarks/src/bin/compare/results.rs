//! What all runs came to, in tables: the rates and CPU times, the bars, and what bounds ours.

use std::collections::BTreeSet;
use std::fmt;

use kafka_producer_benchmarks::work::Mode;

use crate::case::{BrokerKind, CaseGroup, Contestant, GROUPS, Program};
use crate::figures::{Measured, MeasuredCase};
use crate::table::{Table, figure, thousands};

/// The tables of what was measured.
pub(crate) struct Results<'a> {
    pub(crate) measured: &'a Measured,
    /// How it was measured: command, versions.
    pub(crate) how: Vec<String>,
    /// Whether the bars mean something.
    pub(crate) judged: bool,
    /// How many runs failed, those of cases that have no row for it among them.
    pub(crate) failed: usize,
}

impl Results<'_> {
    /// Of the cases of a group, a column for each contestant.
    fn group_table(&self, group: CaseGroup) -> Table {
        let cases: Vec<_> = self.measured.cases().filter(|measured| measured.case.group == group).collect();
        let mut contestants: Vec<Contestant> = cases.iter().flat_map(|case| case.contestants()).collect();
        contestants.sort_unstable();
        contestants.dedup();
        let mut head = vec!["case".to_owned()];
        head.extend(contestants.iter().map(ToString::to_string));
        let mut table = Table::of(head);
        for measured in cases {
            let mut row = vec![measured.case.name.to_owned()];
            row.extend(contestants.iter().map(|who| cell(measured, *who)));
            table.row(row);
        }
        table
    }

    /// Each bar, and whether it is reached.
    fn bars_table(&self) -> Table {
        let mut table = Table::new(&["case", "who", "what", "reached", "bar", "verdict"]);
        for judged in self.measured.judged() {
            let verdict = match (self.judged, judged.is_met()) {
                (false, _) => "",
                (true, true) => "met",
                (true, false) => "**not met**",
            };
            table.row(vec![
                judged.case.name.to_owned(),
                judged.bar.who.to_string(),
                judged.words.clone(),
                figure(judged.ratio),
                judged.bar.limit.to_string(),
                verdict.to_owned(),
            ]);
        }
        table
    }

    /// Which clients have fewer runs in a case than others have.
    fn fewer_runs(&self) -> String {
        let programs: BTreeSet<Program> =
            self.measured.cases().flat_map(MeasuredCase::contestants).map(|who| who.program).collect();
        let mut fewer = Vec::new();
        for measured in self.measured.cases() {
            let most = measured.contestants().map(|who| measured.runs(who)).max().unwrap_or(0);
            let of_here = measured.case.contestants.iter().filter(|who| programs.contains(&who.program));
            for (who, runs) in of_here.map(|who| (who, measured.runs(*who))).filter(|(_, runs)| *runs < most)
            {
                fewer.push(format!("{who} in {} ({runs} of {most})", measured.case.name));
            }
        }
        let failed = match self.failed {
            0 => String::new(),
            1 => "1 run failed. ".to_owned(),
            many => format!("{many} runs failed. "),
        };
        match (fewer.is_empty(), self.failed) {
            (true, 0) => return "Nothing is left out here.".to_owned(),
            (true, _) => return format!("{failed}A case without a row had no run that succeeded."),
            (false, _) => {}
        }
        format!(
            "{failed}Fewer runs than the others of the case, failed or not made, have {}.",
            fewer.join(", ")
        )
    }

    /// The figures that tell what bounds a case: ours, and the floor.
    fn bounds_table(&self) -> Table {
        let mut table = Table::new(&[
            "case",
            "who",
            "lowest to highest",
            "callers",
            "others",
            "sink",
            "bound by",
            "records per batch",
            "KiB per request",
            "peak MiB",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
        ]);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        for measured in self.measured.cases().filter(|measured| measured.case.mode == Mode::Throughput) {
            let shown = |who: &Contestant| matches!(who.program, Program::Ours | Program::Floor);
            for who in measured.contestants().filter(shown) {
                let rates = measured.all(who, "rate");
                let (lowest, highest) = (
                    rates.iter().copied().fold(f64::NAN, f64::min),
                    rates.iter().copied().fold(f64::NAN, f64::max),
                );
                let of = |name| figure(measured.median(who, name));
                let millis = |name| figure(measured.median(who, name) / 1e3);
                table.row(vec![
                    measured.case.name.to_owned(),
                    who.to_string(),
                    format!("{} to {}", thousands(lowest), thousands(highest)),
                    of("caller"),
                    of("others"),
                    of("sink_busy"),
                    measured.bound(who, cores).to_owned(),
                    of("batch"),
                    of("request_kib"),
                    of("peak_mib"),
                    millis("p50_us"),
                    millis("p99_us"),
                    millis("p999_us"),
                ]);
            }
        }
        table
    }
}

/// What a case is about, of one contestant.
fn cell(measured: &MeasuredCase, who: Contestant) -> String {
    let of = |name| measured.median(who, name);
    if measured.all(who, "peak_mib").is_empty() {
        return String::new();
    }
    let compression = if measured.case.group == CaseGroup::Compression {
        format!(" · {}:1", figure(of("compression")))
    } else {
        String::new()
    };
    let broker = if measured.case.broker == BrokerKind::Kafka {
        format!(" · broker {}", figure(of("sink")))
    } else {
        String::new()
    };
    let times =
        || format!("{} / {} / {} µs", figure(of("p50_us")), figure(of("p99_us")), figure(of("p999_us")));
    match measured.case.mode {
        Mode::Throughput if who.program == Program::OursCounted => {
            format!("{:.5} allocations per record", of("allocations"))
        }
        Mode::Throughput => {
            let acknowledged = if measured.case.broker == BrokerKind::Kafka && of("p50_us").is_finite() {
                format!(" · {} / {} ms", figure(of("p50_us") / 1e3), figure(of("p99_us") / 1e3))
            } else {
                String::new()
            };
            format!(
                "{} M · {}{compression}{broker}{acknowledged}",
                figure(of("rate") / 1e6),
                figure(of("cpu"))
            )
        }
        Mode::Latency => format!("{} · {} µs{broker}", times(), figure(of("cpu"))),
        Mode::Transactions => format!(
            "{} · {} M · {} · {:.3} / {:.3} ms{broker}",
            figure(of("rate") / measured.case.transaction as f64),
            figure(of("rate") / 1e6),
            figure(of("cpu")),
            of("p50_us") / 1e3,
            of("p99_us") / 1e3
        ),
        Mode::Connect => format!("{} a second · {} ms", figure(of("rate")), figure(of("cpu") / 1e3)),
        Mode::Cold => format!("{} ms", figure(of("first_us") / 1e3)),
        Mode::Idle => format!("{} calls a second", figure(of("calls"))),
        Mode::Memory => {
            format!("{} MB beyond, {} records", figure(of("beyond_mb")), thousands(of("accepted")))
        }
    }
}

/// Where it stands what bounds the cases that are not about full speed.
const NO_ROW: &str = "The other cases have no row, since no thread of theirs is to be full; `NOTES.md` has what bounds them: `get` under \
     \"`send().get()`\", transactions under \"Transactions, one after the other\", memory and the cold start under \"The \
     whole table, and what bounds the rows that are not met\". What bounds `connect` was not looked into.";

/// What stands in the cells of a group's table.
fn legend(group: CaseGroup) -> &'static str {
    match group {
        CaseGroup::Compression => {
            "Million records/s · CPU seconds per million · bytes of values by bytes of requests."
        }
        CaseGroup::RoundTrips => "p50 / p99 / p99.9 of a call · CPU of each. `echo` is a blocking socket.",
        CaseGroup::RealKafka => {
            "Million records/s · CPU seconds per million · the broker's · p50 / p99 from `send` to the acknowledgement at full speed, most \
             of which is the wait in the client's buffer."
        }
        CaseGroup::Transactions => {
            "Transactions/s · million records/s · CPU seconds per million records · p50 / p99 of a transaction, from begin to the end of \
             commit · the broker's CPU. One partition, one thread, one transaction at a time."
        }
        CaseGroup::ColdStart => "Milliseconds from making the producer; each answer of the sink takes 20.",
        CaseGroup::Idle => {
            "Connected, with nothing to send; counted by strace, without the thread that waits for the end."
        }
        CaseGroup::Allocations => "Counted by the allocator of a program of its own; batches of 1 MiB.",
        CaseGroup::Memory => {
            "The broker is silent, the buffer of 64 MiB full, ten million records are tried. Beyond `buffer.memory`, and beyond 40 bytes of \
             each callback."
        }
        _ => "Million records/s · CPU seconds per million.",
    }
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.how {
            writeln!(f, "{line}\n")?;
        }
        writeln!(f, "A run that fails or loses a record is left out. {}\n", self.fewer_runs())?;
        for (group, title) in GROUPS {
            let table = self.group_table(group);
            if !table.is_empty() {
                writeln!(f, "## {title}\n\n{}\n\n{table}", legend(group))?;
            }
        }
        let bars = self.bars_table();
        if !bars.is_empty() && !self.judged {
            writeln!(f, "## The bars\n\nNot judged: short runs, one round.\n\n{bars}")?;
        } else if !bars.is_empty() {
            let judged = self.measured.judged();
            let met = judged.iter().filter(|judged| judged.is_met()).count();
            writeln!(f, "## The bars\n\n{met} of {} are met.\n\n{bars}", judged.len())?;
        }
        let bounds = self.bounds_table();
        if !bounds.is_empty() {
            let what = "Busy: processors kept by the calling threads, by the client's others, by the sink. p50 to p99.9: from `send` to \
                        the callback, at full speed: most of it is the wait in the client's buffer.";
            writeln!(f, "## What bounds ours\n\n{what}\n\n{NO_ROW}\n\n{bounds}")?;
        }
        Ok(())
    }
}

/// How many records a second ours does, by name of the case, for a line while it runs.
pub(crate) fn short(measured: &MeasuredCase) -> String {
    let cells = measured.contestants().map(|who| format!("{who}: {}", cell(measured, who)));
    format!("{}\n  {}", measured.case.name, cells.collect::<Vec<_>>().join("\n  "))
}

#[cfg(test)]
mod tests {
    use kafka_producer_benchmarks::Failure;

    use super::*;

    #[test]
    fn tables_have_a_row_for_each_case_and_a_verdict_for_each_bar() -> Result<(), Failure> {
        let mut measured = Measured::default();
        measured.read(
            "case=100B-1MiB contestant=java rate=2000000 cpu=0.5 peak_mib=1\n\
             case=100B-1MiB contestant=ours rate=20000000 cpu=0.1 peak_mib=1\n\
             case=idle contestant=ours calls=3 peak_mib=1\n",
        )?;
        let text =
            Results { measured: &measured, how: vec!["so".to_owned()], judged: true, failed: 0 }.to_string();
        let left_out = "A run that fails or loses a record is left out. Fewer runs than the others of the case, failed or not made, have ours/";
        assert!(text.starts_with(&format!("so\n\n{left_out}")), "{text}");
        assert!(text.contains("java in idle (0 of 1)"), "{text}");
        assert!(text.contains("| 100B-1MiB | 2.00 M · 0.500 | 20.0 M · 0.100 |"), "{text}");
        assert!(text.contains("3.00 calls a second"), "{text}");
        assert!(text.contains("2 of 3 are met") && text.contains("**not met**"), "{text}");
        let none = Measured::default();
        let told = |failed| Results { measured: &none, how: Vec::new(), judged: true, failed }.to_string();
        assert!(told(0).contains("Nothing is left out here."), "{}", told(0));
        assert!(
            told(3).contains("3 runs failed.") && !told(3).contains("Nothing is left out"),
            "{}",
            told(3)
        );
        assert_eq!(short(measured.case("idle").ok_or("none")?).lines().count(), 2);
        Ok(())
    }
}
