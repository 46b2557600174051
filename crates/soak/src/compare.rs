//! The judge: reads what a producer promised and what the brokers have, two files of text, and says what does not fit.
//!
//! Must not know: any client, ours or another; nor how the files came about. See journal.rs and evidence.rs for their
//! lines.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What was found. Counts are of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub tried: u64,
    pub acknowledged: u64,
    pub failed: u64,
    pub refused: u64,
    pub rows: u64,
    /// How many times the topics have been created, all of them together.
    pub lives: usize,

    /// Acknowledged, and nowhere.
    pub lost: u64,
    /// More than once in one life of its topic.
    pub twice: u64,
    /// Acknowledged records of one thread that lie behind a later one in their partition.
    pub out_of_order: u64,
    /// Said to be certainly not written, or not accepted at all, and there.
    pub denied: u64,
    /// There, and not where the acknowledgement says.
    pub elsewhere: u64,
    /// Accepted, and no outcome ever came.
    pub unanswered: u64,
    /// More than one outcome.
    pub answered_again: u64,
    /// There, and nobody has sent them like this.
    pub strange: u64,

    /// Said to be possibly written: and they are, or are not.
    pub possibly_and_there: u64,
    pub possibly_and_not: u64,
    /// Failed without a word about whether they are written (Java's), and there.
    pub failed_and_there: u64,
    /// In a deleted life of their topic and in a later one again: sent again, no answer had come.
    pub in_two_lives: u64,

    /// Between one acknowledgement and the next.
    pub longest_gap_ms: i64,
    /// From when it was accepted to the outcome.
    pub longest_answer_ms: i64,
    /// How long `send` waited until it accepted or refused.
    pub longest_send_ms: i64,
    /// Some of what does not fit, in words.
    pub examples: Vec<String>,
}

/// A record by the thread that sent it and its number there.
type RecordNumber = (u32, u64);

#[derive(Default)]
struct RecordStory {
    topic: String,
    tried_ms: i64,
    /// When it was accepted, which is at once where nothing else is said; or refused.
    accepted_ms: i64,
    answered_ms: Option<i64>,
    outcomes: u32,
    outcome: Answered,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Answered {
    #[default]
    None,
    Refused,
    Acknowledged {
        partition: i32,
        offset: Option<i64>,
    },
    Failed {
        /// Unless nothing was said.
        possibly_written: Option<bool>,
    },
}

/// Where a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FoundAt {
    /// An index among the lives.
    life: usize,
    partition: i32,
    offset: i64,
}

pub fn compare(journal: &Path, rows: &Path, run: &str) -> io::Result<Findings> {
    let mut judge = Judge { run: run.to_owned(), ..Judge::default() };
    for line in BufReader::new(File::open(journal)?).lines() {
        judge.hear(&line?);
    }
    for line in BufReader::new(File::open(rows)?).lines() {
        judge.see(&line?);
    }
    Ok(judge.judge())
}

#[derive(Default)]
struct Judge {
    run: String,
    promises: HashMap<RecordNumber, RecordStory>,
    places: HashMap<RecordNumber, Vec<FoundAt>>,
    lives: BTreeMap<String, usize>,
    acknowledged_ms: Vec<i64>,
    findings: Findings,
}

impl Judge {
    /// A line of the journal.
    fn hear(&mut self, line: &str) {
        let Some((event, id, topic, ms, rest)) = event(line) else {
            self.findings.strange += 1;
            return self.example(format!("a line that is not understood: {line}"));
        };
        let promise = self.promises.entry(id).or_default();
        if event == "T" {
            (promise.topic, promise.tried_ms, promise.accepted_ms) = (topic.to_owned(), ms, ms);
            self.findings.tried += 1;
            return;
        }
        if event == "A" {
            promise.accepted_ms = ms;
            return;
        }
        promise.outcomes += 1;
        let words: Vec<&str> = rest.split(' ').collect();
        promise.outcome = match (event, &words[..]) {
            ("R", _) => Answered::Refused,
            ("K", [partition, offset, ..]) => {
                self.acknowledged_ms.push(ms);
                Answered::Acknowledged {
                    partition: partition.parse().unwrap_or(-1),
                    offset: offset.parse().ok(),
                }
            }
            ("F", ["0", ..]) => Answered::Failed { possibly_written: Some(false) },
            ("F", ["1", ..]) => Answered::Failed { possibly_written: Some(true) },
            _ => Answered::Failed { possibly_written: None },
        };
        match event {
            "R" => promise.accepted_ms = ms,
            _ => _ = promise.answered_ms.get_or_insert(ms),
        }
    }

    /// A line of what was found.
    fn see(&mut self, line: &str) {
        self.findings.rows += 1;
        match self.place(line) {
            Some((id, place)) => self.places.entry(id).or_default().push(place),
            None => {
                self.findings.strange += 1;
                self.example(format!("a record that nobody has sent like this: {line}"));
            }
        }
    }

    /// A record is whole if it has the key and the topic that it names, and as many bytes as it says.
    fn place(&mut self, line: &str) -> Option<(RecordNumber, FoundAt)> {
        let [topic, life, partition, offset, key, value] = line.split('\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        let [run, thread, number, own_topic, own_key, count, padding] =
            value.split(' ').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let id = (thread.parse().ok()?, number.parse().ok()?);
        let is_whole = count.parse() == Ok(padding.len()) && padding.bytes().all(|byte| byte == b'x');
        let is_known = self.promises.get(&id).is_some_and(|promise| promise.topic == topic);
        if run != self.run || own_topic != topic || own_key != key || !is_whole || !is_known {
            return None;
        }
        let next = self.lives.len();
        let life = *self.lives.entry(format!("{topic} {life}")).or_insert(next);
        Some((id, FoundAt { life, partition: partition.parse().ok()?, offset: offset.parse().ok()? }))
    }

    fn judge(mut self) -> Findings {
        let promises = std::mem::take(&mut self.promises);
        let places = std::mem::take(&mut self.places);
        let mut ids: Vec<&RecordNumber> = promises.keys().collect();
        ids.sort();
        for id in ids {
            let found = places.get(id).map_or(&[][..], Vec::as_slice);
            self.judge_one(*id, &promises[id], found);
        }
        self.judge_order(&promises, &places);
        self.measure(&promises);
        self.acknowledged_ms.sort_unstable();
        let gaps = self.acknowledged_ms.windows(2).map(|pair| pair[1] - pair[0]);
        self.findings.longest_gap_ms = gaps.max().unwrap_or_default();
        self.findings.lives = self.lives.len();
        self.findings
    }

    fn measure(&mut self, promises: &HashMap<RecordNumber, RecordStory>) {
        for promise in promises.values() {
            let send_ms = promise.accepted_ms - promise.tried_ms;
            // The outcome may come before `send` has returned.
            let answer_ms = promise.answered_ms.map_or(0, |ms| ms - promise.accepted_ms);
            self.findings.longest_send_ms = self.findings.longest_send_ms.max(send_ms);
            self.findings.longest_answer_ms = self.findings.longest_answer_ms.max(answer_ms);
        }
    }

    fn judge_one(&mut self, id: RecordNumber, promise: &RecordStory, found: &[FoundAt]) {
        let topic = &promise.topic;
        let in_life = |life: usize| found.iter().filter(|place| place.life == life).count();
        if found.iter().any(|place| in_life(place.life) > 1) {
            self.findings.twice += 1;
            self.example(format!("twice: {id:?} of {topic} at {found:?}"));
        } else if found.len() > 1 {
            self.findings.in_two_lives += 1;
        }
        if promise.outcomes > 1 {
            self.findings.answered_again += 1;
            self.example(format!("{} outcomes: {id:?} of {topic}", promise.outcomes));
        }
        match promise.outcome {
            Answered::None => {
                self.findings.unanswered += 1;
                self.example(format!("no outcome: {id:?} of {topic}"));
            }
            Answered::Acknowledged { partition, offset } => {
                self.findings.acknowledged += 1;
                let is_there = |place: &FoundAt| {
                    place.partition == partition && offset.is_none_or(|offset| offset == place.offset)
                };
                if found.is_empty() {
                    self.findings.lost += 1;
                    self.example(format!("lost: {id:?}, acknowledged as {topic}-{partition}@{offset:?}"));
                } else if !found.iter().any(is_there) {
                    self.findings.elsewhere += 1;
                    self.example(format!(
                        "{id:?}, acknowledged as {topic}-{partition}@{offset:?}, is at {found:?}"
                    ));
                }
            }
            Answered::Refused => {
                self.findings.refused += 1;
                self.deny(id, promise, found);
            }
            Answered::Failed { possibly_written } => {
                self.findings.failed += 1;
                match (possibly_written, found.is_empty()) {
                    (Some(false), _) => self.deny(id, promise, found),
                    (Some(true), false) => self.findings.possibly_and_there += 1,
                    (Some(true), true) => self.findings.possibly_and_not += 1,
                    (None, false) => self.findings.failed_and_there += 1,
                    (None, true) => {}
                }
            }
        }
    }

    /// It is said not to be there.
    fn deny(&mut self, id: RecordNumber, promise: &RecordStory, found: &[FoundAt]) {
        if !found.is_empty() {
            self.findings.denied += 1;
            let topic = &promise.topic;
            self.example(format!("said to be certainly not written: {id:?} of {topic}, is at {found:?}"));
        }
    }

    /// What one thread sent to a partition lies there in the order of sending, as far as it was acknowledged.
    fn judge_order(
        &mut self,
        promises: &HashMap<RecordNumber, RecordStory>,
        places: &HashMap<RecordNumber, Vec<FoundAt>>,
    ) {
        let mut logs: BTreeMap<(usize, i32, u32), Vec<(i64, u64)>> = BTreeMap::new();
        for (&(thread, number), found) in places {
            let outcome = promises[&(thread, number)].outcome;
            if let (Answered::Acknowledged { .. }, Some(place)) = (outcome, found.first()) {
                // One that is there twice is counted as that.
                let log = logs.entry((place.life, place.partition, thread)).or_default();
                log.push((place.offset, number));
            }
        }
        for ((life, partition, thread), mut log) in logs {
            log.sort_unstable();
            let mut last = None;
            for (offset, number) in log {
                if last.is_some_and(|last| number < last) {
                    self.findings.out_of_order += 1;
                    let name = self.lives.iter().find(|(_, index)| **index == life);
                    let name = name.map_or_else(String::new, |(name, _)| name.clone());
                    self.example(format!(
                        "out of order: ({thread}, {number}) at {offset} of {name}, partition {partition}, behind {last:?}"
                    ));
                } else {
                    last = Some(number);
                }
            }
        }
    }

    fn example(&mut self, words: String) {
        if self.findings.examples.len() < EXAMPLES {
            self.findings.examples.push(words);
        }
    }
}

/// Event, record, topic, time, and the rest of a journal's line.
fn event(line: &str) -> Option<(&str, RecordNumber, &str, i64, &str)> {
    let mut words = line.splitn(6, ' ');
    let event = words.next().filter(|word| ["T", "A", "R", "K", "F"].contains(word))?;
    let id = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let topic = words.next()?;
    let ms = words.next()?.parse().ok()?;
    Some((event, id, topic, ms, words.next().unwrap_or_default()))
}

const EXAMPLES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &[&str] = &[
        "T 0 0 a 100 ",
        "T 0 1 a 101 ",
        "T 0 2 a 102 ",
        "T 1 0 a 103 ",
        "T 1 1 a 104 ",
        "T 1 2 a 105 ",
        "K 0 0 a 110 0 0",
        "K 0 1 a 111 0 1",
        "K 0 2 a 150 0 2",
        "F 1 0 a 120 1 the record may have been written",
        "F 1 1 a 121 0 refused",
        "R 1 2 a 122 not accepted",
    ];

    fn row(life: &str, partition: i32, offset: i64, id: &str) -> String {
        format!("a\t{life}\t{partition}\t{offset}\tk\trun {id} a k 3 xxx")
    }

    fn judged(journal: &[&str], rows: &[String]) -> Findings {
        let mut judge = Judge { run: String::from("run"), ..Judge::default() };
        journal.iter().for_each(|line| judge.hear(line));
        rows.iter().for_each(|line| judge.see(line));
        judge.judge()
    }

    fn sound() -> Vec<String> {
        vec![row("x", 0, 0, "0 0"), row("x", 0, 1, "0 1"), row("x", 0, 2, "0 2"), row("x", 0, 3, "1 0")]
    }

    /// With this change everything fits but what the function says.
    #[track_caller]
    fn tampered(journal: &[&str], rows: &[String], expected: fn(&mut Findings)) {
        let (mut seen, mut wanted) = (judged(journal, rows), judged(JOURNAL, &sound()));
        assert!(!seen.examples.is_empty(), "an example of it is shown");
        expected(&mut wanted);
        for findings in [&mut seen, &mut wanted] {
            findings.examples.clear();
            findings.rows = 0;
            findings.lives = 0;
            findings.longest_gap_ms = 0;
            findings.possibly_and_there = 0;
            findings.possibly_and_not = 0;
        }
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_fits_is_counted_and_nothing_else() {
        let expected = Findings {
            tried: 6,
            acknowledged: 3,
            failed: 2,
            refused: 1,
            rows: 4,
            lives: 1,
            possibly_and_there: 1,
            longest_gap_ms: 39,
            longest_answer_ms: 48,
            longest_send_ms: 17,
            ..Findings::default()
        };
        assert_eq!(judged(JOURNAL, &sound()), expected);
    }

    #[test]
    fn the_time_that_send_waits_is_no_part_of_the_answer_s() {
        let late = [JOURNAL, &["A 0 2 a 130 ", "A 1 0 a 125 "]].concat();
        let findings = judged(&late, &sound());
        // The outcome of the last came before its send had returned.
        assert_eq!((findings.longest_send_ms, findings.longest_answer_ms), (28, 20));
    }

    #[test]
    fn an_acknowledged_record_that_is_nowhere_is_lost() {
        let mut rows = sound();
        rows.remove(1);
        tampered(JOURNAL, &rows, |wanted| wanted.lost = 1);
    }

    #[test]
    fn a_record_that_is_there_more_than_once_is_seen() {
        let mut rows = sound();
        rows.push(row("x", 0, 9, "0 1"));
        tampered(JOURNAL, &rows, |wanted| wanted.twice = 1);
        // Also one that was not acknowledged.
        let mut rows = sound();
        rows.push(row("x", 0, 9, "1 0"));
        tampered(JOURNAL, &rows, |wanted| wanted.twice = 1);
    }

    #[test]
    fn a_record_in_two_lives_of_its_topic_is_not_there_twice() {
        let mut rows = sound();
        rows.push(row("y", 0, 0, "0 1"));
        let findings = judged(JOURNAL, &rows);
        assert_eq!((findings.twice, findings.in_two_lives, findings.lives), (0, 1, 2));
    }

    #[test]
    fn what_was_sent_later_and_lies_before_is_out_of_order() {
        let swapped = vec![row("x", 0, 0, "0 1"), row("x", 0, 1, "0 0"), row("x", 0, 2, "0 2")];
        let told: Vec<String> = JOURNAL
            .iter()
            .map(|line| match *line {
                "K 0 0 a 110 0 0" => String::from("K 0 0 a 110 0 1"),
                "K 0 1 a 111 0 1" => String::from("K 0 1 a 111 0 0"),
                line => line.to_owned(),
            })
            .collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        tampered(&told, &swapped, |wanted| wanted.out_of_order = 1);
    }

    #[test]
    fn what_is_said_not_to_be_written_and_is_there_is_seen() {
        for id in ["1 1", "1 2"] {
            let mut rows = sound();
            rows.push(row("x", 0, 4, id));
            tampered(JOURNAL, &rows, |wanted| wanted.denied = 1);
        }
    }

    #[test]
    fn a_record_that_is_not_where_it_was_said_to_be_is_seen() {
        let mut rows = sound();
        rows[2] = row("x", 1, 2, "0 2");
        tampered(JOURNAL, &rows, |wanted| wanted.elsewhere = 1);
    }

    #[test]
    fn an_outcome_that_never_comes_or_comes_again_is_seen() {
        let missing: Vec<&str> = JOURNAL.iter().copied().filter(|line| !line.starts_with("F 1 0 ")).collect();
        tampered(&missing, &sound(), |wanted| (wanted.unanswered, wanted.failed) = (1, 1));
        let again: Vec<&str> = [JOURNAL, &["K 0 2 a 150 0 2"]].concat();
        tampered(&again, &sound(), |wanted| wanted.answered_again = 1);
    }

    #[test]
    fn a_record_that_was_changed_or_never_sent_is_seen() {
        let strange = [
            row("x", 0, 4, "0 7"),
            row("x", 0, 4, "0 1").replace("run ", "another "),
            row("x", 0, 4, "0 1").replace("xxx", "xyx"),
            row("x", 0, 4, "0 1").replace("xxx", "xx"),
            row("x", 0, 4, "0 1").replace("\tk\t", "\tl\t"),
            row("x", 0, 4, "0 1").replace("a\tx", "b\tx"),
        ];
        for line in strange {
            let mut rows = sound();
            rows.push(line);
            tampered(JOURNAL, &rows, |wanted| wanted.strange = 1);
        }
    }
}
