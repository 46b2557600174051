//! `Plan`: what the application does and what goes wrong, and when.
//!
//! Owns: the order of steps. Must not know: how they are carried out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafka_embedded::Fault;

use crate::simulation::link_quality::LinkQuality;
use crate::simulation::player::{Act, How};
use crate::simulation::security_step::SecurityStep;

/// Something that happens at a time of its own. Topics and threads go by their number.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A thread does something, after what it has to do already.
    Act(usize, Act),
    /// The thread is interrupted.
    Interrupt(usize),
    Fault(Fault),
    Stop(i32),
    Start(i32),
    MoveLeader(usize, i32, i32),
    /// Nothing passes between this broker and the client for this long.
    Stall(i32, Duration),
    /// From now on the existing connections to this broker are slower by this much; new ones are quick.
    Detain(i32, Duration),
    /// All connections to this broker break.
    Cut(i32),
    /// Something between forgets all connections to this broker: what is sent on them is lost, and nobody is told.
    Silence(i32),
    /// The lines become better or worse.
    Links(LinkQuality),
    /// The topic grows to this many partitions, if it has fewer.
    Grow(usize, i32),
    /// This broker's metadata stays as it is, or catches up.
    Freeze(i32),
    Thaw(i32),
    /// This broker (all, where none is named) lies in its answers, until it is honest again.
    Lie(Option<i32>, Lie),
    Honest,
    Delete(usize),
    /// Creates it with this many partitions; where it is there already it is deleted before, in the same moment. The
    /// leaders go round from the broker given.
    Create(usize, i32, i32),
    /// Producers are forgotten in one partition, on one broker, everywhere.
    Forget(Forgotten),
    /// Another cluster takes this one's place, and all connections break; the topics may be there again, and empty.
    Wipe {
        keep_topics: bool,
    },
    /// Another producer asks for an id and writes to all partitions.
    Other,
    /// This broker was shut down and is there again: of each producer it knows the last batch only. Its connections break.
    Restart(i32),
    /// This broker moves to another address; its connections break.
    Move(i32),
    /// The wall clock is set forward or back by this many milliseconds.
    Jump(i64),
    /// The program crashes, and is started again.
    Crash,
    /// Another program begins with the same `transactional.id`.
    Rival,
    /// Something that the program of before has sent is sent again by it: it goes on somewhere.
    Zombie,
    /// This broker coordinates the transactions from now on, or all groups.
    MoveCoordinator(i32),
    MoveGroups(i32),
    /// The cluster's `transaction.version` is another one.
    TransactionVersion(i16),
    /// Something goes wrong with TLS or SASL.
    Secure(SecurityStep),
    /// From now on nothing goes wrong any more.
    Calm,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Forgotten {
    Partition(usize, i32),
    Broker(i32),
    All,
}

/// What a broker says that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Metadata: half of the partitions.
    FewerPartitions,
    /// Metadata: leader epochs that were.
    OldEpochs,
    /// Metadata: each leader is a broker that there is not.
    StrangeLeaders,
    /// Metadata: no partition has a leader.
    NoLeaders,
    /// Metadata: one partition in the middle is not mentioned.
    Gap,
    /// Metadata: one partition is mentioned twice.
    Repeated,
    /// Metadata: no topic exists.
    NoTopics,
    /// Metadata: the topics have no partitions.
    NoPartitions,
    /// Metadata: no brokers.
    NoBrokers,
    /// Metadata: one broker is left out.
    OneBrokerLess,
    /// Leader hints (KIP-951) that name the wrong leader, with an epoch that will never be.
    WrongHints,
    /// Leader hints that name another leader each time, with an ever higher epoch.
    ContraryHints,
    /// Leader hints of an epoch that was.
    LateHints,
    /// Leader hints with an address where nobody is.
    HintsElsewhere,
    /// Answers to Produce say nothing of the partitions that were asked for.
    NoAnswers,
    /// Leader hints without an address.
    HintsAlone,
    /// Answers to Produce tell where the log starts also beside an error, as Kafka's do.
    LogStarts,
    /// Metadata: the topics are not mentioned.
    NotMentioned,
    /// Metadata: the partitions stand the wrong way round.
    Backwards,
    /// Metadata: a partition more with a number that cannot be, and one that is named again under a newer epoch.
    OddNumbers,
    /// Metadata: brokers at ports that are none.
    OddPorts,
    /// ApiVersions: no version of Metadata that anybody speaks.
    NoMetadata,
    /// InitProducerId: epochs that are nearly used up.
    LateEpochs,
}

impl Lie {
    pub(super) const ALL: [Lie; 23] = [
        Lie::FewerPartitions,
        Lie::OldEpochs,
        Lie::StrangeLeaders,
        Lie::NoLeaders,
        Lie::Gap,
        Lie::Repeated,
        Lie::NoTopics,
        Lie::NoPartitions,
        Lie::NoBrokers,
        Lie::OneBrokerLess,
        Lie::WrongHints,
        Lie::ContraryHints,
        Lie::LateHints,
        Lie::HintsElsewhere,
        Lie::NoAnswers,
        Lie::HintsAlone,
        Lie::LogStarts,
        Lie::NotMentioned,
        Lie::Backwards,
        Lie::OddNumbers,
        Lie::OddPorts,
        Lie::NoMetadata,
        Lie::LateEpochs,
    ];
}

impl Step {
    /// For counting.
    pub(super) fn name(&self) -> String {
        match self {
            Step::Lie(_, lie) => format!("Lie {lie:?}"),
            Step::Act(_, Act::Send { how: How::Callback(then), .. }) => {
                format!("Send with {}", first_word(then))
            }
            Step::Act(_, Act::Send { how, .. }) => first_word(how),
            Step::Act(_, act) => first_word(act),
            Step::Secure(step) => first_word(step),
            Step::Forget(what) => format!("Forget {}", first_word(what)),
            other => first_word(other),
        }
    }
}

fn first_word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

#[derive(Default)]
pub(super) struct Plan {
    steps: VecDeque<(Instant, Step)>,
}

impl Plan {
    pub(super) fn next(&self) -> Option<Instant> {
        self.steps.front().map(|(time, _)| *time)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Step> {
        let is_due = self.steps.front().is_some_and(|(time, _)| *time <= now);
        if is_due { self.steps.pop_front().map(|(_, step)| step) } else { None }
    }

    /// Adds a step, after those of the same time.
    pub(super) fn push(&mut self, at: Instant, step: Step) {
        let place = self.steps.partition_point(|(time, _)| *time <= at);
        self.steps.insert(place, (at, step));
    }

    /// Adds steps, at times after `start`, in any order; those at one time happen in the order given.
    pub(super) fn extend(&mut self, start: Instant, mut steps: Vec<(Duration, Step)>) {
        steps.sort_by_key(|(time, _)| *time);
        self.steps.extend(steps.into_iter().map(|(time, step)| (start + time, step)));
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }
}
