//! The figures of all runs, by case and contestant, and whether ours reaches its bars.

use std::collections::BTreeMap;
use std::fmt;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::Mode;

use crate::case::{Bar, CONTESTANTS, Case, Contestant, Figure, Yardstick};
use crate::case_table::CASES;
use crate::run::Run;
use crate::table::median;

/// The figures of one contestant in one case, a list with one entry per round for each name.
pub(crate) type Figures = BTreeMap<String, Vec<f64>>;

/// `buffer.memory` in all cases.
const BUFFER_MEMORY: f64 = (64 << 20) as f64;

/// A thread that has run for so much of the time had nothing to wait for.
const FULL: f64 = 0.9;

/// What one run came to. `mean` is the mean size of the values.
pub(crate) fn of_run(case: &Case, run: &Run, mean: f64) -> Result<Report, Failure> {
    let (client, sink) = (&run.client, &run.sink);
    let mut report = Report::default();
    let mut add = |name: &str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            report = std::mem::take(&mut report).with(name, value);
        }
    };
    let of = |name: &str| client.find(name);
    let by = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let (records, seconds, cpu) = (of("records"), of("seconds"), of("cpu"));
    add("rate", by(records, seconds));
    let each = by(cpu, records).map(|seconds| seconds * 1e6);
    add("cpu", each);
    let batch = by(sink.find("records"), sink.find("batches"));
    add("batch", batch);
    add("cpu_per_batch", each.zip(batch).map(|(each, batch)| each * batch));
    add("request_kib", by(sink.find("bytes"), sink.find("requests")).map(|bytes| bytes / 1024.0));
    add("compression", by(of("sent").map(|sent| sent * mean), sink.find("bytes")));
    let sink_each = by(sink.find("cpu"), sink.find("records"));
    add("sink", sink_each.map(|seconds| seconds * 1e6));
    let sink_busy = sink_each.zip(by(records, seconds)).map(|(each, rate)| each * rate);
    add("sink_busy", sink_busy);
    add("caller", by(of("caller_cpu"), seconds));
    add("others", by(cpu.zip(of("caller_cpu")).map(|(all, caller)| all - caller), seconds));
    add("cores", by(cpu, seconds).zip(sink_busy).map(|(client, sink)| client + sink));
    for name in ["p50_us", "p99_us", "p999_us", "first_us", "calls"] {
        add(name, of(name));
    }
    add("beyond_us", of("p50_us").map(|p50| p50 - case.delay_us() as f64));
    add("peak_mib", of("peak_kib").map(|kib| kib / 1024.0));
    if case.mode == Mode::Memory {
        let peak = of("peak_kib").zip(of("own_bytes")).map(|(kib, own)| kib * 1024.0 - own);
        add("beyond_mb", peak.map(|peak| (peak - BUFFER_MEMORY) / 1e6));
        add("accepted", of("accepted"));
    }
    add("allocations", by(of("allocations"), records));
    Ok(report)
}

/// One case's figures, by contestant.
#[derive(Debug)]
pub(crate) struct MeasuredCase {
    pub(crate) case: &'static Case,
    by: BTreeMap<Contestant, Figures>,
}

impl MeasuredCase {
    pub(crate) fn contestants(&self) -> impl Iterator<Item = Contestant> {
        CONTESTANTS.into_iter().filter(|who| self.by.contains_key(who))
    }

    /// How many of its runs did not fail.
    pub(crate) fn runs(&self, who: Contestant) -> usize {
        self.by.get(&who).into_iter().flat_map(BTreeMap::values).map(Vec::len).max().unwrap_or(0)
    }

    /// The figure of each round.
    pub(crate) fn all(&self, who: Contestant, name: &str) -> &[f64] {
        self.by.get(&who).and_then(|figures| figures.get(name)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn median(&self, who: Contestant, name: &str) -> f64 {
        median(self.all(who, name).to_vec())
    }

    /// The best peer's figure, and whose it is.
    fn best_peer(&self, figure: Figure) -> Option<(Contestant, f64)> {
        let name = figure.names().0;
        let peers = self.contestants().filter(|who| who.is_peer());
        let known = peers.map(|who| (who, self.median(who, name))).filter(|(_, value)| value.is_finite());
        let sign = if figure.is_gain() { 1.0 } else { -1.0 };
        known.max_by(|(_, one), (_, other)| (sign * one).total_cmp(&(sign * other)))
    }

    /// What kept a contestant from being faster.
    pub(crate) fn bound(&self, who: Contestant, cores: f64) -> &'static str {
        let busy = |name| self.median(who, name);
        let threads = self.case.threads as f64;
        let caller = if threads > 1.0 { "the calling threads" } else { "the calling thread" };
        let others = if who.is_ours() { "the sender thread" } else { "the client's other threads" };
        let parts =
            [(busy("caller") / threads, caller), (busy("others"), others), (busy("sink_busy"), "the sink")];
        let fullest = parts.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
        match fullest {
            Some((share, part)) if share >= FULL => part,
            _ if busy("cores") >= cores * FULL => "all processors",
            _ if busy("cores").is_nan() => "",
            _ => "waking and waiting",
        }
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured(Vec<MeasuredCase>);

impl Measured {
    pub(crate) fn add(&mut self, case: &'static Case, who: Contestant, report: &Report) {
        let found = self.0.iter().position(|measured| measured.case.name == case.name);
        let at = found.unwrap_or_else(|| {
            self.0.push(MeasuredCase { case, by: BTreeMap::new() });
            self.0.len() - 1
        });
        let figures = self.0[at].by.entry(who).or_default();
        for (name, value) in report.pairs() {
            if let Ok(value) = value.parse() {
                figures.entry(name.to_owned()).or_default().push(value);
            }
        }
    }

    /// A line of the file that `--save` writes.
    pub(crate) fn line(case: &Case, who: Contestant, report: &Report) -> String {
        format!("case={} contestant={who} {report}", case.name)
    }

    /// Reads such lines. Those of cases that are no more are left out. What stands behind `# ` says how they were measured.
    pub(crate) fn read(&mut self, text: &str) -> Result<Vec<String>, Failure> {
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("its last line is cut off".into());
        }
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with("# "));
        for (at, line) in lines {
            let report = Report::parse(line);
            let is_figure = |(name, value): (&str, &str)| {
                ["case", "contestant"].contains(&name) || value.parse::<f64>().is_ok()
            };
            if !line.starts_with("case=") || !report.pairs().all(is_figure) {
                return Err(format!("line {} is no run that --save has written", at + 1).into());
            }
            let (name, who): (String, String) = (report.get("case")?, report.get("contestant")?);
            let case = CASES.iter().find(|case| case.name == name);
            let who = CONTESTANTS.into_iter().find(|known| known.to_string() == who);
            if let (Some(case), Some(who)) = (case, who) {
                self.add(case, who, &report);
            }
        }
        if self.0.is_empty() {
            return Err("it has no run of any case".into());
        }
        Ok(text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect())
    }

    /// In the order of the table of cases.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &MeasuredCase> {
        CASES.iter().filter_map(|case| self.case(case.name))
    }

    pub(crate) fn case(&self, name: &str) -> Option<&MeasuredCase> {
        self.0.iter().find(|measured| measured.case.name == name)
    }

    /// Each bar of what was measured.
    pub(crate) fn judged(&self) -> Vec<Judged> {
        let bars =
            self.cases().flat_map(|measured| measured.case.bars.iter().map(move |bar| (measured, bar)));
        bars.filter_map(|(measured, bar)| self.judge(measured, bar)).collect()
    }

    /// None where one side was not measured.
    fn judge(&self, measured: &MeasuredCase, bar: &Bar) -> Option<Judged> {
        let (name, words) = bar.figure.names();
        let own = measured.median(bar.who, name);
        let (by, words) = match bar.by {
            Yardstick::BestPeer => {
                let (peer, value) = measured.best_peer(bar.figure)?;
                (value, format!("{words}, by the best peer's ({peer})"))
            }
            Yardstick::Of(other) => (measured.median(other, name), format!("{words}, by that of {other}")),
            Yardstick::Case(other) => {
                (self.case(other)?.median(bar.who, name), format!("{words}, by that of {other}"))
            }
            Yardstick::One => (1.0, words.to_owned()),
        };
        let ratio = own / by;
        let judged = Judged { case: measured.case, bar: *bar, words, ratio };
        ratio.is_finite().then_some(judged)
    }
}

/// A bar, and what was reached.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) case: &'static Case,
    pub(crate) bar: Bar,
    pub(crate) words: String,
    pub(crate) ratio: f64,
}

impl Judged {
    pub(crate) fn is_met(&self) -> bool {
        self.bar.limit.holds(self.ratio)
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met() { "met" } else { "NOT MET" };
        let Judged { case, bar, words, ratio } = self;
        write!(f, "{}, {}: {words} {ratio:.3}, {} {verdict}", case.name, bar.who, bar.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{FRANZ_GO, JAVA, OURS, OURS_CALLBACK};

    fn measured() -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        let how = measured.read(
            "# of one day\n\
             case=100B-1MiB contestant=java rate=2 cpu=0.5\n\
             case=100B-1MiB contestant=franz-go rate=3 cpu=0.6\n\
             case=100B-1MiB contestant=franz-go rate=5 cpu=0.6\n\
             case=100B-1MiB contestant=ours rate=20 cpu=0.1 caller=0.95 others=0.1 sink_busy=0.1\n\
             case=100B-1MiB contestant=ours/callback rate=10 cpu=0.3 cores=1\n\
             case=gone contestant=ours rate=1\n",
        )?;
        assert_eq!(how, ["of one day"]);
        Ok(measured)
    }

    #[test]
    fn bars_are_judged_by_the_medians_of_the_best_peer() -> Result<(), Failure> {
        let measured = measured()?;
        let judged = measured.judged();
        let ratio = |who, figure| {
            let found = judged.iter().find(|it| it.bar.who == who && it.bar.figure == figure);
            found.map(|it| (it.ratio, it.is_met()))
        };
        assert_eq!(ratio(OURS, Figure::Rate), Some((5.0, true)));
        assert_eq!(ratio(OURS_CALLBACK, Figure::Rate), Some((2.5, false)));
        assert_eq!(ratio(OURS_CALLBACK, Figure::Cpu).map(|it| it.1), Some(false));
        // The floor and the futures were not measured: their bars are not judged.
        assert_eq!(judged.len(), 5);
        assert!(
            judged[0].to_string().contains("by the best peer's (franz-go) 5.000, ≥ 4.5 met"),
            "{}",
            judged[0]
        );
        Ok(())
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_the_fullest_thread_is_named() -> Result<(), Failure> {
        let measured = measured()?;
        let case = measured.case("100B-1MiB").ok_or("no case")?;
        assert_eq!(case.all(FRANZ_GO, "rate"), [3.0, 5.0]);
        assert_eq!(case.bound(OURS, 2.0), "the calling thread");
        assert_eq!(case.bound(OURS_CALLBACK, 2.0), "waking and waiting");
        let line = Measured::line(case.case, JAVA, &Report::default().with("rate", 2));
        assert_eq!(line, "case=100B-1MiB contestant=java rate=2");
        let mut again = Measured::default();
        assert_eq!(again.read(&format!("{line}\n# on a machine\n"))?, ["on a machine"]);
        assert_eq!(again.case("100B-1MiB").map(|case| case.all(JAVA, "rate")), Some(&[2.0][..]));
        Ok(())
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let run = "case=100B-1MiB contestant=java rate=";
        for (text, message) in [
            (format!("{run}2"), "its last line is cut off"),
            (format!("{run}2\nwhat else\n"), "line 2 is no run that --save has written"),
            (format!("{run}2x\n"), "line 1 is no run that --save has written"),
            ("# nothing else\n".to_owned(), "it has no run of any case"),
        ] {
            let told = Measured::default().read(&text).map_err(|error| error.to_string());
            assert_eq!(told, Err(message.to_owned()), "{text}");
        }
    }
}
