//! Faults: what shall go wrong, with which requests, how often.
//!
//! Owns: the list of faults and who is next. Must not know: how an answer looks.

use std::time::Duration;

use super::api::Api;
use super::broker_error::BrokerError;

/// Something that goes wrong with requests of one kind.
///
/// Once unless told otherwise. Of several faults of one kind (say, two errors) that fit a request, the one
/// injected first acts, so that faults injected one after the other act one after the other. Faults of
/// different kinds act together: an answer may be an error *and* late.
///
/// ```
/// use kafka_embedded::{Api, BrokerError, Fault};
///
/// // The third and fourth Produce request to partition 0 find that the leader is elsewhere.
/// let elsewhere = BrokerError::NOT_LEADER_OR_FOLLOWER;
/// let fault =
///     Fault::fail(Api::Produce, elsewhere).on_partition("orders", 0).skip(2).times(2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    api: Api,
    broker: Option<i32>,
    topic: Option<String>,
    partition: Option<i32>,
    effect: Effect,
    skip: u32,
    /// `None`: for ever.
    times: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Fail(BrokerError),
    FailAfter(BrokerError),
    Delay(Duration),
    Throttle(Duration),
    DropAnswer,
    CutBefore,
    CutAfter,
    WrongChallenge,
    BadSignature,
    Session { told: Duration, real: Duration },
}

impl Fault {
    /// The request is answered with this error, by name or by number, and nothing else happens. In requests about
    /// partitions it stands at each partition (in Metadata, at each topic; in FindCoordinator, at each key) that the fault is about.
    /// [`REBOOTSTRAP_REQUIRED`](BrokerError::REBOOTSTRAP_REQUIRED) in Metadata is the whole answer.
    #[must_use]
    pub fn fail(api: Api, error: impl Into<BrokerError>) -> Self {
        Self::new(api, Effect::Fail(error.into()))
    }

    /// The request is carried out, then answered with this error: a write that happened and is said not
    /// to have happened. The answer to Produce keeps the offset of the append, as Kafka's does where replicas are awaited.
    #[must_use]
    pub fn fail_after(api: Api, error: impl Into<BrokerError>) -> Self {
        Self::new(api, Effect::FailAfter(error.into()))
    }

    /// The answer comes later than it would; answers behind it on the same connection wait for it.
    #[must_use]
    pub fn delay(api: Api, by: Duration) -> Self {
        Self::new(api, Effect::Delay(by))
    }

    /// The answer tells the client to be quiet for this long (`throttle_time_ms`). The broker itself goes on.
    #[must_use]
    pub fn throttle(api: Api, time: Duration) -> Self {
        Self::new(api, Effect::Throttle(time))
    }

    /// The request is carried out, and its answer never comes. The connection stays: what is sent on it is
    /// still carried out, but nothing more comes back on it, as when the way back is dead.
    #[must_use]
    pub fn drop_answer(api: Api) -> Self {
        Self::new(api, Effect::DropAnswer)
    }

    /// The connection is cut when the request arrives, before it is carried out.
    #[must_use]
    pub fn cut_before(api: Api) -> Self {
        Self::new(api, Effect::CutBefore)
    }

    /// The request is carried out, then the connection is cut without an answer.
    #[must_use]
    pub fn cut_after(api: Api) -> Self {
        Self::new(api, Effect::CutAfter)
    }

    /// The next token of SASL is answered with a challenge that has nothing to do with it.
    #[must_use]
    pub fn wrong_challenge() -> Self {
        Self::new(Api::SaslAuthenticate, Effect::WrongChallenge)
    }

    /// The next login that the broker believes ends with a signature that is none (SCRAM): as if the broker did not know
    /// the password.
    #[must_use]
    pub fn bad_server_signature() -> Self {
        Self::new(Api::SaslAuthenticate, Effect::BadSignature)
    }

    /// The next login that the broker believes counts for `real`, while the client is told that it counts for `told`; zero:
    /// for ever.
    #[must_use]
    pub fn session(told: Duration, real: Duration) -> Self {
        Self::new(Api::SaslAuthenticate, Effect::Session { told, real })
    }

    /// Only requests to this broker.
    #[must_use]
    pub fn on_broker(mut self, broker: i32) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Only requests that name this topic.
    #[must_use]
    pub fn on_topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Only requests that name this partition (Metadata requests name whole topics).
    #[must_use]
    pub fn on_partition(mut self, topic: impl Into<String>, partition: i32) -> Self {
        self.topic = Some(topic.into());
        self.partition = Some(partition);
        self
    }

    /// How many requests pass before it acts.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// On how many requests it acts; 1 if not said.
    #[must_use]
    pub fn times(mut self, requests: u32) -> Self {
        self.times = Some(requests);
        self
    }

    /// Acts until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn new(api: Api, effect: Effect) -> Self {
        Self { api, broker: None, topic: None, partition: None, effect, skip: 0, times: Some(1) }
    }

    /// Whether both would do the same kind of thing to the same part of a request.
    fn rivals(&self, other: &Self) -> bool {
        let same_place = self.topic == other.topic && self.partition == other.partition;
        let same_kind = match (self.effect, other.effect) {
            (Effect::Fail(_) | Effect::FailAfter(_), Effect::Fail(_) | Effect::FailAfter(_)) => same_place,
            (Effect::Delay(_), Effect::Delay(_)) | (Effect::Throttle(_), Effect::Throttle(_)) => true,
            (Effect::Session { .. }, Effect::Session { .. }) => true,
            (first, second) if first.is_of_a_token() => first == second,
            (first, second) => first.loses_answer() && second.loses_answer(),
        };
        same_kind && self.api == other.api
    }

    fn matches_partition(&self, topic: &str, partition: Option<i32>) -> bool {
        let other_partition =
            matches!((self.partition, partition), (Some(mine), Some(theirs)) if mine != theirs);
        self.topic.as_ref().is_none_or(|mine| mine == topic) && !other_partition
    }
}

impl Effect {
    fn name(self) -> &'static str {
        match self {
            Self::Fail(_) => "fail",
            Self::FailAfter(_) => "fail_after",
            Self::Delay(_) => "delay",
            Self::Throttle(_) => "throttle",
            Self::DropAnswer => "drop_answer",
            Self::CutBefore => "cut_before",
            Self::CutAfter => "cut_after",
            Self::WrongChallenge => "wrong_challenge",
            Self::BadSignature => "bad_server_signature",
            Self::Session { .. } => "session",
        }
    }

    fn is_of_a_token(self) -> bool {
        matches!(self, Self::WrongChallenge | Self::BadSignature)
    }

    fn loses_answer(self) -> bool {
        matches!(self, Self::DropAnswer | Self::CutBefore | Self::CutAfter)
    }
}

/// The faults that are still to act.
#[derive(Debug, Default)]
pub(super) struct FaultList {
    waiting: Vec<Fault>,
}

impl FaultList {
    pub(super) fn inject(&mut self, fault: Fault) {
        if fault.times != Some(0) {
            self.waiting.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Takes what acts on a request that has just come. `names` tells whether the request names a topic and,
    /// if one is given, a partition.
    pub(super) fn plan(
        &mut self,
        api: Api,
        broker: i32,
        names: impl Fn(&str, Option<i32>) -> bool,
    ) -> FaultPlan {
        self.plan_where(api, broker, |fault| {
            fault.topic.as_ref().is_none_or(|topic| names(topic, fault.partition))
        })
    }

    /// Takes what acts on a token of SASL; `is_last`: a login ends with it, if all is well.
    pub(super) fn plan_login(&mut self, broker: i32, is_last: bool) -> FaultPlan {
        self.plan_where(Api::SaslAuthenticate, broker, |fault| {
            is_last || !matches!(fault.effect, Effect::BadSignature | Effect::Session { .. })
        })
    }

    fn plan_where(&mut self, api: Api, broker: i32, fits: impl Fn(&Fault) -> bool) -> FaultPlan {
        let mut acting: Vec<Fault> = Vec::new();
        for fault in &mut self.waiting {
            let is_here = fault.api == api && fault.broker.is_none_or(|id| id == broker);
            if !is_here || !fits(fault) || acting.iter().any(|other| other.rivals(fault)) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|left| left.saturating_sub(1));
            acting.push(fault.clone());
        }
        if !acting.is_empty() {
            self.waiting.retain(|fault| fault.times != Some(0));
        }
        FaultPlan { acting }
    }
}

/// What goes wrong with one request.
#[derive(Debug, Default, Clone)]
pub(super) struct FaultPlan {
    acting: Vec<Fault>,
}

impl FaultPlan {
    /// The error to answer for the whole request.
    pub(super) fn failure(&self) -> Option<InjectedError> {
        self.acting.iter().find_map(InjectedError::of)
    }

    /// The error to answer for a partition, or a whole topic.
    pub(super) fn failure_of(&self, topic: &str, partition: Option<i32>) -> Option<InjectedError> {
        let mut fitting = self.acting.iter().filter(|fault| fault.matches_partition(topic, partition));
        fitting.find_map(InjectedError::of)
    }

    /// A token of the broker as it leaves.
    pub(super) fn spoiled(&self, token: Vec<u8>) -> Vec<u8> {
        if self.has(Effect::BadSignature) {
            // As long as that of SCRAM-SHA-256, and of nobody.
            return format!("v={}=", "A".repeat(43)).into_bytes();
        }
        if self.has(Effect::WrongChallenge) { b"r=another,s=AAAA,i=4096".to_vec() } else { token }
    }

    /// For how long a login is said to count, and does; none: as it would.
    pub(super) fn session(&self) -> Option<(Duration, Duration)> {
        self.acting.iter().find_map(|fault| match fault.effect {
            Effect::Session { told, real } => Some((told, real)),
            _ => None,
        })
    }

    pub(super) fn delay(&self) -> Duration {
        let delay = |fault: &Fault| if let Effect::Delay(by) = fault.effect { Some(by) } else { None };
        self.acting.iter().find_map(delay).unwrap_or_default()
    }

    pub(super) fn throttle_ms(&self) -> i32 {
        let throttle =
            |fault: &Fault| if let Effect::Throttle(time) = fault.effect { Some(time) } else { None };
        let time = self.acting.iter().find_map(throttle).unwrap_or_default();
        i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
    }

    pub(super) fn drops_answer(&self) -> bool {
        self.has(Effect::DropAnswer)
    }

    pub(super) fn cuts_before(&self) -> bool {
        self.has(Effect::CutBefore)
    }

    pub(super) fn cuts_after(&self) -> bool {
        self.has(Effect::CutAfter)
    }

    /// What each of them does to the request: an answer that is lost is neither late nor wrong, and one that nobody waits
    /// for (`acks=0`) cannot be lost.
    pub(super) fn effects(&self, is_answered: bool) -> impl Iterator<Item = (Api, &'static str)> {
        let is_lost = self.acting.iter().any(|fault| fault.effect.loses_answer());
        let takes_effect = move |fault: &&Fault| match fault.effect {
            Effect::CutBefore | Effect::CutAfter => true,
            Effect::DropAnswer => is_answered,
            _ => is_answered && !is_lost,
        };
        self.acting.iter().filter(takes_effect).map(|fault| (fault.api, fault.effect.name()))
    }

    fn has(&self, effect: Effect) -> bool {
        self.acting.iter().any(|fault| fault.effect == effect)
    }
}

/// An error that a fault puts into an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InjectedError {
    pub(super) error: BrokerError,
    /// Whether the request is carried out all the same.
    pub(super) carried_out: bool,
}

impl InjectedError {
    fn of(fault: &Fault) -> Option<Self> {
        match fault.effect {
            Effect::Fail(error) => Some(Self { error, carried_out: false }),
            Effect::FailAfter(error) => Some(Self { error, carried_out: true }),
            _ => None,
        }
    }
}
