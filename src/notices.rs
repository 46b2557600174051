//! `Notices`: how often the same trouble is told: the first time, then at most once in half a minute with a count, and
//! once when it is over.
//!
//! Owns: what was told of what, and when. Must not know: what is told, and where it is written.
//! Threads: that of its owner. Time comes in as an argument.
//! Holds: what has been quiet for ten minutes is forgotten, soon after; so that memory follows what is in trouble.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What is in trouble (a partition, a broker), and which troubles it has.
///
/// ```text
/// match notices.happened(&broker, what, now) {
///     Some(repeats) => logging::warn!("{error}{repeats}"),
///     None => logging::debug!("{error}"),
/// }
/// …
/// if let Some(repeats) = notices.over(&broker, now) {
///     logging::info!("broker {broker} works again{repeats}");
/// }
/// ```
#[derive(Debug)]
pub(crate) struct Notices<Subject, Trouble> {
    known: HashMap<Subject, Vec<Notice<Trouble>>>,
    /// When to look for what has been quiet.
    sweep: Option<Instant>,
}

/// What is known of one trouble.
#[derive(Debug)]
struct Notice<Trouble> {
    trouble: Trouble,
    repeats: u64,
    first: Instant,
    last: Instant,
    told: Instant,
    /// It was logged, and its end was not.
    open: bool,
}

/// How often something has happened, and in which time. In a text it stands behind what has happened: nothing for the
/// first time, ` (37 times in 61 s)` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeats {
    pub(crate) times: u64,
    pub(crate) within: Duration,
}

impl<Subject: Hash + Eq + Clone, Trouble: PartialEq> Notices<Subject, Trouble> {
    pub(crate) fn new() -> Self {
        Notices { known: HashMap::new(), sweep: None }
    }

    /// Whether nothing was in trouble lately.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Something has happened. Returns what to log; nothing, if it was logged lately.
    pub(crate) fn happened(&mut self, subject: &Subject, trouble: Trouble, now: Instant) -> Option<Repeats> {
        self.forget_the_quiet(now);
        if !self.known.contains_key(subject) {
            self.known.insert(subject.clone(), Vec::new());
        }
        let notices = self.known.get_mut(subject)?;
        let Some(notice) = notices.iter_mut().find(|notice| notice.trouble == trouble) else {
            notices.push(Notice { trouble, repeats: 1, first: now, last: now, told: now, open: true });
            return Some(Repeats { times: 1, within: Duration::ZERO });
        };
        notice.repeats += 1;
        notice.last = now;
        if now.saturating_duration_since(notice.told) < TOLD_AGAIN_AFTER {
            return None;
        }
        notice.told = now;
        notice.open = true;
        Some(notice.so_far(now))
    }

    /// The trouble is over. Returns what to log, if the trouble was logged and its end was not.
    pub(crate) fn over(&mut self, subject: &Subject, now: Instant) -> Option<Repeats> {
        if self.known.is_empty() {
            return None;
        }
        let open = self.known.get_mut(subject)?.iter_mut().filter(|notice| notice.open);
        let all = open.map(|notice| {
            notice.open = false;
            notice.so_far(now)
        });
        all.reduce(|one, other| Repeats {
            times: one.times.saturating_add(other.times),
            within: one.within.max(other.within),
        })
    }

    fn forget_the_quiet(&mut self, now: Instant) {
        if self.sweep.is_some_and(|sweep| now < sweep) {
            return;
        }
        self.sweep = now.checked_add(FORGOTTEN_AFTER / 2);
        self.known.retain(|_, notices| {
            notices.retain(|notice| now.saturating_duration_since(notice.last) < FORGOTTEN_AFTER);
            !notices.is_empty()
        });
    }
}

impl<Trouble> Notice<Trouble> {
    fn so_far(&self, now: Instant) -> Repeats {
        Repeats { times: self.repeats, within: now.saturating_duration_since(self.first) }
    }
}

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.times, self.within.as_secs()) {
            (..=1, _) => Ok(()),
            (times, 0) => write!(f, " ({times} times in {} ms)", self.within.as_millis()),
            (times, seconds) => write!(f, " ({times} times in {seconds} s)"),
        }
    }
}

const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(30);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Step {
        Happens(&'static str, u32),
        Works(&'static str),
    }
    use Step::{Happens, Works};

    /// Plays steps at their times (in ms) and returns what is told, as the log would have it.
    fn told(steps: &[(u64, Step)]) -> Vec<String> {
        let start = Instant::now();
        let mut notices = Notices::new();
        let mut lines = Vec::new();
        for (at, step) in steps {
            let now = start + Duration::from_millis(*at);
            lines.extend(match step {
                Happens(subject, trouble) => notices
                    .happened(subject, *trouble, now)
                    .map(|repeats| format!("{at} warn {subject} {trouble}{repeats}")),
                Works(subject) => {
                    notices.over(subject, now).map(|repeats| format!("{at} info {subject}{repeats}"))
                }
            });
        }
        lines
    }

    /// Fault C2.
    #[test]
    fn the_first_time_is_told_then_once_in_half_a_minute_with_a_count_and_the_end_once() {
        let minute: Vec<_> = (0..=600).map(|tenth| (tenth * 100, Happens("t-0", 19))).collect();
        let worked = [(60_100, Works("t-0")), (60_200, Works("t-0"))];
        let expected = [
            "0 warn t-0 19",
            "30000 warn t-0 19 (301 times in 30 s)",
            "60000 warn t-0 19 (601 times in 60 s)",
            "60100 info t-0 (601 times in 60 s)",
        ];
        assert_eq!(told(&[minute, worked.to_vec()].concat()), expected);
    }

    /// Fault C2.
    #[test]
    fn subjects_and_troubles_are_told_apart_and_end_together() {
        let steps = [
            (0, Happens("t-0", 19)),
            (1, Happens("t-0", 56)),
            (2, Happens("t-1", 19)),
            (500, Happens("t-0", 19)),
            (600, Works("t-0")),
            (700, Works("t-2")),
        ];
        let expected =
            ["0 warn t-0 19", "1 warn t-0 56", "2 warn t-1 19", "600 info t-0 (3 times in 600 ms)"];
        assert_eq!(told(&steps), expected);
    }

    /// Fault C2.
    #[test]
    fn what_comes_and_goes_is_told_no_more_often_than_what_stays() {
        let comes = (0..=400).map(|tenth| (tenth * 100, Happens("t-0", 6)));
        let goes = (0..=400).map(|tenth| (tenth * 100 + 50, Works("t-0")));
        let mut steps: Vec<_> = comes.chain(goes).collect();
        steps.sort_by_key(|(at, _)| *at);
        let expected = [
            "0 warn t-0 6",
            "50 info t-0",
            "30000 warn t-0 6 (301 times in 30 s)",
            "30050 info t-0 (301 times in 30 s)",
        ];
        assert_eq!(told(&steps), expected);
    }

    #[test]
    fn what_has_been_quiet_is_forgotten_and_counted_from_the_start() {
        let steps = [
            (0, Happens("t-0", 6)),
            (599_000, Happens("t-1", 6)),
            (900_000, Happens("t-0", 6)),
            (901_000, Works("t-1")),
        ];
        let expected = ["0 warn t-0 6", "599000 warn t-1 6", "900000 warn t-0 6", "901000 info t-1"];
        assert_eq!(told(&steps), expected);

        let start = Instant::now();
        let mut notices = Notices::new();
        for subject in 0..100_000_u64 {
            notices.happened(&subject, (), start + Duration::from_secs(subject));
        }
        assert!(notices.known.len() <= 1000, "{} are kept", notices.known.len());
    }
}
