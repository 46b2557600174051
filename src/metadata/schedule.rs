//! `Schedule`: when metadata is asked for, and of which topics.
//!
//! Owns: what is new, what was asked for in vain, whether the whole is out of date, the backoff. Must not know: what
//! answers say, who waits for them.
//! Holds: one request is under way at a time; what nobody has asked for yet goes at once and costs a request of its
//! own size; everything else waits for `retry.backoff.ms`, and longer as long as answers bring nothing new.
//! Source: Kafka's `Metadata.timeToNextUpdate` and `newPartialRequest`. Java asks for all topics again where one is
//! lacking, and forgets how long it has asked in vain at the first change of anything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::backoff::ExponentialBackoff;
use crate::planted::{Defect, planted};
use crate::record::TopicName;

#[derive(Debug)]
pub(super) struct Schedule {
    max_age: Duration,
    backoff: ExponentialBackoff,
    /// Wanted, and never asked for.
    fresh: BTreeSet<TopicName>,
    /// MetadataQuery for, and not yet as somebody needs it.
    lacking: BTreeSet<TopicName>,
    /// All that is known may be out of date.
    stale: bool,
    /// Records wait until the whole shows which cluster it is.
    doubted: bool,
    /// The last request came to nothing.
    failed: bool,
    under_way: Option<MetadataQuery>,
    /// When the whole was told last; none before that, and after a new beginning.
    refreshed: Option<Instant>,
    /// How many tries in a row have brought nothing new.
    in_vain: u32,
    /// Nothing is asked for again before this time.
    not_before: Option<Instant>,
    /// What `not_before` would be had nothing been in vain.
    soonest: Option<Instant>,
}

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MetadataQuery {
    /// All topics that are wanted, so that the answer shows the whole cluster.
    pub(super) whole: bool,
    pub(super) topics: BTreeSet<TopicName>,
    /// Those of them that nobody had asked for before.
    pub(super) fresh: BTreeSet<TopicName>,
    /// Something of it was asked for before, in vain.
    pub(super) again: bool,
    /// It went before the backoff was over, and has no part in it.
    pub(super) early: bool,
}

impl Schedule {
    pub(super) fn new(max_age: Duration, backoff: ExponentialBackoff) -> Schedule {
        Schedule {
            max_age,
            backoff,
            fresh: BTreeSet::new(),
            lacking: BTreeSet::new(),
            stale: false,
            doubted: false,
            failed: false,
            under_way: None,
            refreshed: None,
            in_vain: 0,
            not_before: None,
            soonest: None,
        }
    }

    /// When all of it last came.
    pub(super) fn refreshed(&self) -> Option<Instant> {
        self.refreshed
    }

    /// A topic that was not wanted before.
    pub(super) fn add(&mut self, topic: &TopicName) {
        self.fresh.insert(topic.clone());
    }

    /// More is needed of a topic than is known.
    pub(super) fn need(&mut self, topic: &TopicName) {
        if !self.fresh.contains(topic) && !self.lacking.contains(topic) {
            self.lacking.insert(topic.clone());
        }
    }

    /// Somebody new needs something: that others have waited in vain does not hold it up.
    pub(super) fn reset_backoff(&mut self) {
        self.in_vain = 0;
        self.not_before = self.not_before.min(self.soonest);
    }

    pub(super) fn forget(&mut self, topic: &TopicName) {
        self.fresh.remove(topic);
        self.lacking.remove(topic);
    }

    /// Something shows that what is known is out of date.
    pub(super) fn request_update(&mut self) {
        self.stale = true;
    }

    /// A broker was connected anew, and gets nothing until the whole shows that it is of the same cluster: that is asked
    /// for at once, unless the last request has failed. There is one doubt to a connection.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Nothing is known any more.
    pub(super) fn begin_again(&mut self) {
        self.refreshed = None;
    }

    /// When the next request has to go; none while one is under way.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let earliest = self.not_before.unwrap_or(now);
        let Some(refreshed) = self.refreshed else { return Some(earliest) };
        if !self.fresh.is_empty() || self.asks_early() {
            return Some(now);
        }
        if self.stale || self.doubted || !self.lacking.is_empty() {
            return Some(earliest);
        }
        refreshed.checked_add(self.max_age).map(|aged| aged.max(earliest))
    }

    /// Whether a request that goes now asks for everything.
    pub(super) fn is_whole(&self, now: Instant) -> bool {
        let Some(refreshed) = self.refreshed else { return true };
        let aged = refreshed.checked_add(self.max_age).is_some_and(|aged| aged <= now);
        self.asks_early() || self.may_ask_again(now) && (self.stale || self.doubted || aged)
    }

    /// The topics that were asked for in vain.
    pub(super) fn lacking(&self) -> impl Iterator<Item = &TopicName> {
        self.lacking.iter()
    }

    /// A request goes; `wanted` are all topics. It counts as under way until `failed` or `answered`.
    pub(super) fn begin<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a TopicName>,
        now: Instant,
    ) -> &BTreeSet<TopicName> {
        let (whole, again) = (self.is_whole(now), self.may_ask_again(now));
        let fresh = std::mem::take(&mut self.fresh);
        let topics = match (whole, again) {
            (true, _) => wanted.cloned().collect(),
            (false, true) => fresh.union(&self.lacking).cloned().collect(),
            (false, false) => fresh.clone(),
        };
        let (early, again) = (!again, again && (self.stale || !self.lacking.is_empty()));
        self.stale &= !whole;
        self.doubted &= !whole;
        &self.under_way.insert(MetadataQuery { whole, topics, fresh, again, early }).topics
    }

    /// What the request asks for that is under way.
    pub(super) fn under_way(&self) -> MetadataQuery {
        self.under_way.clone().unwrap_or_default()
    }

    /// Whether that asks for everything.
    pub(super) fn asks_for_all(&self) -> bool {
        self.under_way.as_ref().is_some_and(|asked| asked.whole)
    }

    /// Whether the last request brought nothing, or not all that is wanted.
    pub(super) fn seeks_again(&self) -> bool {
        self.failed || self.in_vain > 0 || !self.lacking.is_empty()
    }

    /// The request came to nothing.
    pub(super) fn failed(&mut self, now: Instant, random: &mut fastrand::Rng) {
        let Some(asked) = self.under_way.take() else { return };
        self.failed = true;
        if asked.whole {
            self.stale = true;
        } else {
            self.lacking.extend(asked.topics);
        }
        self.in_vain = self.in_vain.saturating_add(1);
        self.back_off(now, random);
    }

    /// The answer is there. `lacking`: the topics that are not as they should be; `changed`: it brought something new.
    pub(super) fn answered(
        &mut self,
        lacking: Vec<TopicName>,
        changed: bool,
        now: Instant,
        random: &mut fastrand::Rng,
    ) {
        let asked = self.under_way.take().unwrap_or_default();
        self.failed = false;
        if asked.whole {
            self.refreshed = Some(now);
            self.lacking.clear();
        }
        self.lacking.retain(|topic| !asked.topics.contains(topic));
        let lacks_new_one = lacking.iter().any(|topic| asked.fresh.contains(topic));
        self.lacking.extend(lacking);
        if asked.again || (asked.whole && !asked.early) {
            self.in_vain = if asked.again && !changed { self.in_vain.saturating_add(1) } else { 0 };
            self.back_off(now, random);
        } else if lacks_new_one {
            self.in_vain = 0;
            let soonest = now.checked_add(self.backoff.after(0, random));
            let waits = self.not_before.filter(|time| *time > now);
            self.not_before = waits.map_or(soonest, |time| soonest.map(|soonest| soonest.min(time)));
            self.soonest = self.not_before;
        }
    }

    fn asks_early(&self) -> bool {
        self.doubted && !self.failed
    }

    fn may_ask_again(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| time <= now)
    }

    fn back_off(&mut self, now: Instant, random: &mut fastrand::Rng) {
        if planted(Defect::MetadataAtOnce) {
            return;
        }
        self.soonest = now.checked_add(self.backoff.after(0, random));
        self.not_before = now.checked_add(self.backoff.after(self.in_vain.saturating_sub(1), random));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock, a schedule without jitter to speak of, and the topics that are wanted.
    struct World {
        schedule: Schedule,
        wanted: BTreeSet<TopicName>,
        random: fastrand::Rng,
        now: Instant,
    }

    const MS: Duration = Duration::from_millis(1);

    impl World {
        fn new(max_age: Duration) -> World {
            let backoff = ExponentialBackoff::new(MS * 100, MS * 1000);
            World {
                schedule: Schedule::new(max_age, backoff),
                wanted: BTreeSet::new(),
                random: fastrand::Rng::with_seed(1),
                now: Instant::now(),
            }
        }

        fn want(&mut self, topic: &'static str) {
            if self.wanted.insert(topic.into()) {
                self.schedule.add(&topic.into());
            } else {
                self.schedule.need(&topic.into());
            }
        }

        fn due_in(&self) -> Option<Duration> {
            self.schedule.due(self.now).map(|due| due.saturating_duration_since(self.now))
        }

        /// Sends a request, which must be due, and names what it asks for.
        fn ask(&mut self) -> Vec<String> {
            assert_eq!(self.due_in(), Some(Duration::ZERO));
            let asked = self.schedule.begin(self.wanted.iter(), self.now);
            let asked = asked.iter().map(ToString::to_string).collect();
            assert_eq!(self.due_in(), None, "one request at a time");
            asked
        }

        fn answer(&mut self, lacking: &[&'static str], changed: bool) {
            let lacking = lacking.iter().map(|topic| TopicName::from(*topic)).collect();
            self.schedule.answered(lacking, changed, self.now, &mut self.random);
        }

        /// Lets time pass until a request is due; at most this long.
        fn pass(&mut self, at_most: Duration) -> Duration {
            let wait = self.due_in().unwrap_or(at_most).min(at_most);
            self.now += wait;
            wait
        }

        /// The first answer, which tells everything.
        fn begun(max_age: Duration) -> World {
            let mut world = World::new(max_age);
            world.ask();
            world.answer(&[], true);
            world
        }
    }

    const AGES: Duration = Duration::from_secs(300);

    /// Fault B9.
    #[test]
    fn a_new_topic_is_asked_for_at_once_and_alone() {
        let mut world = World::begun(AGES);
        for topic in ["a", "b", "c"] {
            world.want(topic);
            assert_eq!(world.ask(), [topic]);
            world.answer(&[], true);
        }
        world.want("d");
        world.want("e");
        assert_eq!(world.ask(), ["d", "e"]);
        world.want("f");
        world.answer(&[], true);
        assert_eq!(world.ask(), ["f"], "what came while a request was under way");
        world.answer(&[], true);
        assert_eq!(world.pass(AGES), AGES);
        assert_eq!(world.ask(), ["a", "b", "c", "d", "e", "f"], "the whole, when its time has come");
    }

    /// Fault B9.
    #[test]
    fn a_topic_that_is_not_there_is_asked_for_again_without_the_others() {
        let mut world = World::begun(AGES);
        world.want("a");
        world.ask();
        world.answer(&[], true);
        world.want("slow");
        world.ask();
        world.answer(&["slow"], true);
        assert!(world.pass(AGES) >= MS * 80);
        world.want("b");
        assert_eq!(world.ask(), ["b", "slow"]);
        world.answer(&[], true);
        world.schedule.request_update();
        world.pass(AGES);
        assert_eq!(world.ask(), ["a", "b", "slow"], "what is stale is the whole");
    }

    /// Fault B8.
    #[test]
    fn an_age_of_nothing_is_no_reason_to_ask_all_the_time() {
        for max_age in [0, 1, 10] {
            let mut world = World::begun(MS * max_age);
            let start = world.now;
            let mut requests = 0;
            while world.now < start + MS * 3000 {
                world.pass(AGES);
                world.ask();
                world.answer(&[], false);
                requests += 1;
            }
            assert!((25..=38).contains(&requests), "{requests} in 3 s with {max_age} ms");
        }
    }

    /// Fault B10.
    #[test]
    fn what_does_not_come_is_asked_for_less_and_less_often() {
        for fails in [false, true] {
            let mut world = World::begun(AGES);
            world.want("t");
            let mut waits = Vec::new();
            for _ in 0..9 {
                waits.push(world.pass(AGES).as_millis());
                world.ask();
                if fails {
                    world.schedule.failed(world.now, &mut world.random);
                } else {
                    world.answer(&["t"], false);
                }
            }
            assert_eq!(waits[0], 0, "a new topic");
            let grows = waits.windows(2).skip(2).all(|pair| pair[1] > pair[0] || pair[1] >= 1000);
            assert!(grows && waits[8] == 1000, "{waits:?}");
            // A new topic does not wait, and is no reason to ask for the other one.
            world.want("new");
            assert_eq!((world.due_in(), world.ask()), (Some(Duration::ZERO), vec!["new".to_owned()]));
            world.answer(&[], true);
            assert!(world.due_in() > Some(MS * 800), "{:?}", world.due_in());
            // Somebody new who waits for something of an old topic does not wait long.
            world.want("new");
            world.schedule.reset_backoff();
            assert!(world.due_in() <= Some(MS * 120), "{:?}", world.due_in());
        }
    }

    #[test]
    fn an_answer_that_brings_something_new_begins_the_backoff_anew() {
        let mut world = World::begun(AGES);
        world.want("t");
        for _ in 0..9 {
            world.pass(AGES);
            world.ask();
            world.answer(&["t"], false);
        }
        world.pass(AGES);
        world.ask();
        world.answer(&["t"], true);
        assert!(world.pass(AGES) <= MS * 120);
    }

    #[test]
    fn a_doubt_is_settled_at_once_and_changes_no_backoff() {
        let mut world = World::new(300 * 1000 * MS);
        world.want("a");
        world.ask();
        world.answer(&["a"], true);
        world.schedule.doubt();
        assert_eq!(world.ask(), ["a"]);
        assert!(world.schedule.asks_for_all());
        world.schedule.doubt();
        world.answer(&["a"], false);
        assert_eq!(world.ask(), ["a"], "a doubt that came meanwhile is settled by the next answer");
        world.answer(&["a"], false);
        let rest = world.due_in().expect("a topic is lacking");
        assert!(rest > MS * 50 && rest <= MS * 120, "{rest:?}");
        world.schedule.doubt();
        world.ask();
        world.schedule.failed(world.now, &mut world.random);
        world.schedule.doubt();
        assert!(world.due_in() > Some(MS * 50), "the last request has failed");
    }

    #[test]
    fn nothing_is_known_before_the_first_answer_and_after_a_new_beginning() {
        let mut world = World::new(AGES);
        world.want("a");
        assert_eq!(world.ask(), ["a"]);
        world.schedule.failed(world.now, &mut world.random);
        world.want("b");
        assert!(world.pass(AGES) >= MS * 80, "nobody may be there");
        assert_eq!(world.ask(), ["a", "b"]);
        world.answer(&[], true);
        world.schedule.begin_again();
        world.pass(AGES);
        assert_eq!(world.ask(), ["a", "b"]);
    }
}
