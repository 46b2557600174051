//! `LastHeard`: what was last heard of the brokers, and what kept us from hearing: for the errors of those who wait in
//! vain.
//!
//! Owns: the last thing that went wrong, the last answers, what is waited for. Must not know: who tells it, in whose
//! error it is told.
//! Threads: the sender thread tells, any thread asks. Locks: its own, never with another.

mod explanation;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::sync::Mutex;

pub(crate) use explanation::Explanation;

#[derive(Default)]
pub(crate) struct LastHeard {
    news: Mutex<News>,
}

#[derive(Default)]
struct News {
    error: Option<(Error, Instant)>,
    /// What last went wrong with a batch of a partition, by its number within the producer, until all of its batches
    /// are written.
    partitions: HashMap<usize, (Error, Instant)>,
    /// Who answered anything last, and when.
    answer: Option<(i32, Instant)>,
    /// When a broker last told of the cluster.
    metadata: Option<Instant>,
    /// What the next metadata waits for, for people.
    waited_for: Option<String>,
    /// From when to when the user's code last kept the sender thread from everything else for long.
    held_up: Option<(Instant, Instant)>,
}

impl LastHeard {
    /// Something went wrong between us and the brokers.
    pub(crate) fn error(&self, error: Error, now: Instant) {
        self.news.lock().error = Some((error, now));
    }

    /// A batch of this partition was not taken as it was sent.
    pub(crate) fn partition_error(&self, index: usize, error: Error, now: Instant) {
        self.news.lock().partitions.insert(index, (error, now));
    }

    /// What this partition had on its way is written, or the partition is forgotten.
    pub(crate) fn partition_is_well(&self, index: usize) {
        self.news.lock().partitions.remove(&index);
    }

    /// A broker has answered something.
    pub(crate) fn answer(&self, node: i32, now: Instant) {
        self.news.lock().answer = Some((node, now));
    }

    /// A broker has told of the cluster. What there is to complain of in what it told comes after this.
    pub(crate) fn metadata(&self, now: Instant) {
        let mut news = self.news.lock();
        (news.metadata, news.waited_for) = (Some(now), None);
    }

    /// A broker was to tell of the cluster, and has not.
    pub(crate) fn no_metadata(&self, error: Error, now: Instant) {
        let mut news = self.news.lock();
        (news.error, news.waited_for) = (Some((error, now)), None);
    }

    /// What the next metadata waits for, for people. Nothing has failed yet.
    pub(crate) fn metadata_waits_for(&self, what: Option<String>) {
        self.news.lock().waited_for = what;
    }

    /// The sender thread was busy with the user's code (callbacks, interceptors, the logger) and did nothing else.
    pub(crate) fn held_up_by_user(&self, begun: Instant, end: Instant) {
        if end.saturating_duration_since(begun) >= LONG {
            let mut news = self.news.lock();
            let first = news.held_up.filter(|(_, end)| *end == begun).map_or(begun, |(first, _)| first);
            news.held_up = Some((first, end));
        }
    }

    /// The last thing that went wrong, if it was not before `since`.
    pub(crate) fn last_error(&self, since: Instant) -> Option<Error> {
        not_before(since, self.news.lock().error.as_ref())
    }

    /// The last thing that went wrong with a batch of this partition, if it was not before `since`.
    pub(crate) fn last_partition_error(&self, index: usize, since: Instant) -> Option<Error> {
        not_before(since, self.news.lock().partitions.get(&index))
    }

    /// The broker that answered anything last, and when, if it was not before `since`.
    pub(crate) fn last_answer(&self, since: Instant) -> Option<(i32, Instant)> {
        self.news.lock().answer.filter(|(_, at)| *at >= since)
    }

    /// What went wrong, or else what is waited for, for a thread that has waited since `start` for news of the cluster. What went
    /// wrong before brokers last told of it is over.
    pub(crate) fn why_no_metadata(&self, start: Instant) -> (Option<Error>, Option<String>) {
        let news = self.news.lock();
        let since = news.metadata.map_or(start, |told| told.max(start));
        let error = not_before(since, news.error.as_ref());
        let waited_for = news.waited_for.clone().filter(|_| news.metadata.is_none_or(|told| told < start));
        (error, waited_for)
    }

    /// For how long the user's code has kept the sender thread from a record that is there since `created`, if that was
    /// most of its time.
    pub(crate) fn held_up(&self, created: Instant, now: Instant) -> Option<Duration> {
        let (first, end) = self.news.lock().held_up?;
        let time = end.saturating_duration_since(first.max(created));
        (time >= LONG && time * 2 >= now.saturating_duration_since(created)).then_some(time)
    }
}

fn not_before(since: Instant, error: Option<&(Error, Instant)>) -> Option<Error> {
    error.filter(|(_, at)| *at >= since).map(|(error, _)| error.clone())
}

/// Callbacks that take less hold up nothing that an error has to tell of.
const LONG: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const MS: Duration = Duration::from_millis(1);

    fn wrong(what: &'static str) -> Error {
        Error::new(ErrorKind::Network, what)
    }

    #[test]
    fn what_was_heard_before_somebody_began_to_wait_is_not_told() {
        let (heard, start) = (LastHeard::default(), Instant::now());
        assert!(heard.last_error(start).is_none() && heard.last_answer(start).is_none());
        heard.error(wrong("one"), start + MS);
        heard.answer(1, start + MS);
        for (since, is_told) in [(start, true), (start + MS, true), (start + MS * 2, false)] {
            assert_eq!(heard.last_error(since).is_some(), is_told);
            assert_eq!(heard.last_answer(since), is_told.then_some((1, start + MS)));
        }
    }

    #[test]
    fn what_went_wrong_with_a_partition_is_told_there_until_all_is_well() {
        let (heard, start) = (LastHeard::default(), Instant::now());
        heard.partition_error(1, wrong("one"), start + MS);
        let told = |index, since| heard.last_partition_error(index, since).map(|error| error.to_string());
        assert_eq!(
            [told(1, start), told(2, start), told(1, start + MS * 2)],
            [Some("one".to_owned()), None, None]
        );
        assert!(heard.last_error(start).is_none());
        heard.partition_is_well(1);
        assert_eq!(told(1, start), None);
    }

    #[test]
    fn what_went_wrong_before_the_last_metadata_is_over() {
        let (heard, start) = (LastHeard::default(), Instant::now());
        let told = |since: Instant| {
            let (error, waited_for) = heard.why_no_metadata(since);
            (error.map(|error| error.to_string()), waited_for)
        };
        heard.metadata_waits_for(Some("connecting".to_owned()));
        assert_eq!(told(start), (None, Some("connecting".to_owned())));
        heard.no_metadata(wrong("refused"), start + MS);
        assert_eq!(told(start), (Some("refused".to_owned()), None));
        heard.metadata(start + MS * 2);
        assert_eq!(told(start), (None, None));
        heard.error(wrong("it names no leader"), start + MS * 2);
        assert_eq!(told(start), (Some("it names no leader".to_owned()), None));
        heard.metadata_waits_for(Some("an answer".to_owned()));
        assert_eq!(told(start).1, None, "metadata came while it was waited for");
        assert_eq!(told(start + MS * 3), (None, Some("an answer".to_owned())));
    }

    #[test]
    fn callbacks_that_follow_one_another_are_one_hold_up() {
        let (heard, start) = (LastHeard::default(), Instant::now());
        let at = |ms| start + MS * ms;
        heard.held_up_by_user(at(0), at(99));
        assert_eq!(heard.held_up(start, at(100)), None);
        heard.held_up_by_user(at(100), at(300));
        heard.held_up_by_user(at(300), at(400));
        assert_eq!(heard.held_up(start, at(400)), Some(MS * 300));
        assert_eq!(heard.held_up(at(350), at(400)), None, "that is not long");
        assert_eq!(heard.held_up(start, at(601)), None, "not most of its time");
    }
}
