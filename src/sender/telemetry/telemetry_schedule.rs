//! `TelemetrySchedule`: what is to be done next for telemetry, and when: a state machine without clock, sockets or chance.
//!
//! Owns: the phases, the intervals, what each of a broker's codes means. Must not know: which broker, which metrics.
//! Threads: the sender thread. Time and chance come in as arguments.
//! Holds: never more than one request at a time, but for the last push, which waits for none; nothing follows the last push.
//! Source: KIP-714; Kafka's `ClientTelemetryState`, `ClientTelemetryReporter.DefaultClientTelemetrySender`,
//! `ClientTelemetryUtils.maybeFetchErrorIntervalMs`.

use std::time::{Duration, Instant};

use super::subscription::{DEFAULT_INTERVAL, LEAST_INTERVAL, Subscription};
use crate::error_code::ErrorCode;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TelemetryPhase {
    SubscriptionNeeded,
    SubscriptionInProgress,
    PushNeeded,
    PushInProgress,
    /// The producer is being closed.
    TerminatingPushNeeded,
    TerminatingPushInProgress,
    /// Nothing any more: it was closed, or a broker's answer leaves nothing to try.
    Terminated,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TelemetryVerdict {
    /// The subscription is asked for again after this time.
    AskAgain(Duration),
    /// No request of ours will do: nothing is asked or pushed any more.
    GiveUp,
}

#[derive(Debug)]
pub(super) struct TelemetrySchedule {
    phase: TelemetryPhase,
    /// The last one; stays when it is asked for anew, since the id is the client's for ever.
    subscription: Option<Subscription>,
    /// None: at once.
    not_before: Option<Instant>,
    /// The last push is not waited for any longer.
    last_push_until: Option<Instant>,
}

impl TelemetrySchedule {
    pub(super) fn new() -> TelemetrySchedule {
        let phase = TelemetryPhase::SubscriptionNeeded;
        TelemetrySchedule { phase, subscription: None, not_before: None, last_push_until: None }
    }

    pub(super) fn phase(&self) -> TelemetryPhase {
        self.phase
    }

    pub(super) fn subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref()
    }

    /// When the next request is due; none while one is on its way, and when none follows.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            TelemetryPhase::SubscriptionNeeded | TelemetryPhase::PushNeeded => {
                Some(self.not_before.unwrap_or(now))
            }
            TelemetryPhase::TerminatingPushNeeded => Some(now),
            TelemetryPhase::SubscriptionInProgress
            | TelemetryPhase::PushInProgress
            | TelemetryPhase::TerminatingPushInProgress
            | TelemetryPhase::Terminated => None,
        }
    }

    /// What is due goes out now.
    pub(super) fn requested(&mut self) {
        self.phase = match self.phase {
            TelemetryPhase::SubscriptionNeeded => TelemetryPhase::SubscriptionInProgress,
            TelemetryPhase::PushNeeded => TelemetryPhase::PushInProgress,
            TelemetryPhase::TerminatingPushNeeded => TelemetryPhase::TerminatingPushInProgress,
            other => other,
        };
    }

    /// A broker has told what it wants. `chance`, from 0 to 1, spreads the first push over half the interval to one and a half
    /// of it, so that clients that were started together do not push together.
    pub(super) fn subscribed(&mut self, subscription: Subscription, chance: f64, now: Instant) {
        if self.phase != TelemetryPhase::SubscriptionInProgress {
            return;
        }
        let interval = subscription.push_interval;
        let wait = if subscription.is_empty() {
            self.phase = TelemetryPhase::SubscriptionNeeded;
            interval
        } else {
            self.phase = TelemetryPhase::PushNeeded;
            interval.mul_f64(0.5 + chance.clamp(0.0, 1.0))
        };
        self.not_before = now.checked_add(wait);
        self.subscription = Some(subscription);
    }

    /// A push has arrived.
    pub(super) fn pushed(&mut self, now: Instant) {
        match self.phase {
            TelemetryPhase::PushInProgress => {
                self.phase = TelemetryPhase::PushNeeded;
                self.not_before = now.checked_add(self.interval());
            }
            TelemetryPhase::TerminatingPushInProgress => self.phase = TelemetryPhase::Terminated,
            _ => {}
        }
    }

    /// A broker has refused what was asked or pushed; what that means, where it still matters.
    pub(super) fn refused(&mut self, code: ErrorCode, now: Instant) -> Option<TelemetryVerdict> {
        let verdict = match code {
            ErrorCode::UNKNOWN_SUBSCRIPTION_ID | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE => {
                // Java asks again at once, and so for ever where the answer to that is the same.
                let is_asked = self.phase == TelemetryPhase::SubscriptionInProgress;
                TelemetryVerdict::AskAgain(if is_asked { LEAST_INTERVAL } else { Duration::ZERO })
            }
            ErrorCode::TELEMETRY_TOO_LARGE | ErrorCode::THROTTLING_QUOTA_EXCEEDED => {
                TelemetryVerdict::AskAgain(self.interval())
            }
            _ => TelemetryVerdict::GiveUp,
        };
        self.conclude(verdict, now)
    }

    /// There was no answer: the connection was lost, or could not be made, or it took too long. Another broker may do.
    pub(super) fn unanswered(&mut self, now: Instant) {
        self.conclude(TelemetryVerdict::AskAgain(DEFAULT_INTERVAL), now);
    }

    fn conclude(&mut self, verdict: TelemetryVerdict, now: Instant) -> Option<TelemetryVerdict> {
        match self.phase {
            TelemetryPhase::TerminatingPushNeeded | TelemetryPhase::TerminatingPushInProgress => {
                self.phase = TelemetryPhase::Terminated;
                return None;
            }
            TelemetryPhase::Terminated => return None,
            _ => {}
        }
        match verdict {
            TelemetryVerdict::GiveUp => self.phase = TelemetryPhase::Terminated,
            TelemetryVerdict::AskAgain(wait) => {
                self.phase = TelemetryPhase::SubscriptionNeeded;
                self.not_before = now.checked_add(wait);
            }
        }
        Some(verdict)
    }

    /// The producer is being closed, and all else is done. `can_push`: a broker could be told now. The last push is waited for no
    /// longer than `patience`.
    pub(super) fn close(&mut self, can_push: bool, patience: Duration, now: Instant) {
        match self.phase {
            TelemetryPhase::TerminatingPushNeeded | TelemetryPhase::TerminatingPushInProgress => {
                if self.last_push_until.is_none_or(|until| now >= until) {
                    self.phase = TelemetryPhase::Terminated;
                }
            }
            // What nobody has subscribed to cannot be pushed.
            TelemetryPhase::PushNeeded | TelemetryPhase::PushInProgress if can_push => {
                self.phase = TelemetryPhase::TerminatingPushNeeded;
                self.last_push_until = now.checked_add(patience);
            }
            _ => self.phase = TelemetryPhase::Terminated,
        }
    }

    /// Until when the last push is waited for; none where it is not, or no longer.
    pub(super) fn last_push_until(&self) -> Option<Instant> {
        let is_on_its_way = matches!(
            self.phase,
            TelemetryPhase::TerminatingPushNeeded | TelemetryPhase::TerminatingPushInProgress
        );
        self.last_push_until.filter(|_| is_on_its_way)
    }

    fn interval(&self) -> Duration {
        self.subscription.as_ref().map_or(DEFAULT_INTERVAL, |subscription| subscription.push_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::subscription;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);
    const TEN: Duration = Duration::from_secs(10);

    fn asking() -> (TelemetrySchedule, Instant) {
        let (mut schedule, now) = (TelemetrySchedule::new(), Instant::now());
        schedule.requested();
        (schedule, now)
    }

    fn subscribed() -> (TelemetrySchedule, Instant) {
        let (mut schedule, now) = asking();
        schedule.subscribed(subscription(&["*"]), 0.5, now);
        (schedule, now)
    }

    fn pushing() -> (TelemetrySchedule, Instant) {
        let (mut schedule, now) = subscribed();
        schedule.requested();
        (schedule, now)
    }

    #[test]
    fn a_subscription_is_asked_for_at_once_and_nothing_else_while_that_is_on_its_way() {
        let (mut schedule, now) = (TelemetrySchedule::new(), Instant::now());
        assert_eq!(schedule.due(now), Some(now));
        schedule.requested();
        assert_eq!((schedule.phase(), schedule.due(now)), (TelemetryPhase::SubscriptionInProgress, None));
    }

    #[test]
    fn the_first_push_comes_after_half_the_interval_to_one_and_a_half_and_the_others_after_one() {
        for (chance, wait) in [(0.0, 5), (0.5, 10), (1.0, 15), (7.0, 15)] {
            let (mut schedule, now) = asking();
            schedule.subscribed(subscription(&["*"]), chance, now);
            assert_eq!(schedule.phase(), TelemetryPhase::PushNeeded);
            assert_eq!(schedule.due(now), Some(now + Duration::from_secs(wait)));
            schedule.requested();
            assert_eq!((schedule.phase(), schedule.due(now)), (TelemetryPhase::PushInProgress, None));
            schedule.pushed(now);
            assert_eq!((schedule.phase(), schedule.due(now)), (TelemetryPhase::PushNeeded, Some(now + TEN)));
        }
    }

    #[test]
    fn where_nothing_is_wanted_it_is_asked_again_after_the_interval() {
        let (mut schedule, now) = asking();
        schedule.subscribed(subscription(&[]), 1.0, now);
        assert_eq!(
            (schedule.phase(), schedule.due(now)),
            (TelemetryPhase::SubscriptionNeeded, Some(now + TEN))
        );
        assert!(schedule.subscription().is_some(), "the id is known all the same");
    }

    /// The table of Java's `maybeFetchErrorIntervalMs`, but that a refusal of the question is never asked again at once.
    #[test]
    fn each_code_is_answered_as_java_does() {
        let again = |seconds| Some(TelemetryVerdict::AskAgain(Duration::from_secs(seconds)));
        let shortly = Some(TelemetryVerdict::AskAgain(LEAST_INTERVAL));
        let give_up = Some(TelemetryVerdict::GiveUp);
        for (code, of_first_question, of_push) in [
            (ErrorCode::UNKNOWN_SUBSCRIPTION_ID, shortly, again(0)),
            (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, shortly, again(0)),
            (ErrorCode::TELEMETRY_TOO_LARGE, again(300), again(10)),
            (ErrorCode::THROTTLING_QUOTA_EXCEEDED, again(300), again(10)),
            (ErrorCode::INVALID_REQUEST, give_up, give_up),
            (ErrorCode::INVALID_RECORD, give_up, give_up),
            (ErrorCode::UNSUPPORTED_VERSION, give_up, give_up),
            (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, give_up, give_up),
            (ErrorCode(-1), give_up, give_up),
        ] {
            for ((mut schedule, now), expected) in [(asking(), of_first_question), (pushing(), of_push)] {
                assert_eq!(schedule.refused(code, now), expected, "{code}");
                match expected {
                    Some(TelemetryVerdict::AskAgain(wait)) => {
                        assert_eq!(schedule.phase(), TelemetryPhase::SubscriptionNeeded);
                        assert_eq!(schedule.due(now), Some(now + wait));
                    }
                    _ => {
                        assert_eq!((schedule.phase(), schedule.due(now)), (TelemetryPhase::Terminated, None))
                    }
                }
            }
        }
    }

    #[test]
    fn without_an_answer_it_is_asked_again_after_five_minutes() {
        for (mut schedule, now) in [asking(), pushing()] {
            schedule.unanswered(now);
            assert_eq!(schedule.phase(), TelemetryPhase::SubscriptionNeeded);
            assert_eq!(schedule.due(now), Some(now + DEFAULT_INTERVAL));
        }
    }

    #[test]
    fn who_has_subscribed_gets_a_last_push_and_nothing_after_it() {
        for (mut schedule, now) in [subscribed(), pushing()] {
            schedule.close(true, PATIENCE, now);
            assert_eq!(
                (schedule.phase(), schedule.due(now)),
                (TelemetryPhase::TerminatingPushNeeded, Some(now))
            );
            schedule.requested();
            schedule.close(true, PATIENCE, now);
            assert_eq!(schedule.last_push_until(), Some(now + PATIENCE));
            schedule.pushed(now);
            assert_eq!((schedule.phase(), schedule.last_push_until()), (TelemetryPhase::Terminated, None));
            schedule.subscribed(subscription(&["*"]), 0.5, now);
            schedule.pushed(now);
            schedule.unanswered(now);
            assert_eq!((schedule.phase(), schedule.due(now)), (TelemetryPhase::Terminated, None));
        }
    }

    #[test]
    fn a_last_push_is_waited_for_no_longer_than_there_is_patience() {
        let (mut schedule, now) = subscribed();
        schedule.close(true, PATIENCE, now);
        schedule.requested();
        schedule.close(true, PATIENCE, now + PATIENCE / 2);
        assert_eq!(schedule.last_push_until(), Some(now + PATIENCE));
        schedule.close(true, PATIENCE, now + PATIENCE);
        assert_eq!(schedule.phase(), TelemetryPhase::Terminated);
        for outcome in [TelemetrySchedule::unanswered, |it: &mut TelemetrySchedule, now| {
            assert_eq!(it.refused(ErrorCode::UNKNOWN_SUBSCRIPTION_ID, now), None);
        }] {
            let (mut schedule, now) = subscribed();
            schedule.close(true, PATIENCE, now);
            schedule.requested();
            outcome(&mut schedule, now);
            assert_eq!(schedule.phase(), TelemetryPhase::Terminated);
        }
    }

    #[test]
    fn there_is_no_last_push_where_nobody_has_subscribed_or_can_be_told() {
        let mut idle = asking();
        idle.0.subscribed(subscription(&[]), 0.5, idle.1);
        for ((mut schedule, now), can_push) in [(asking(), true), (idle, true), (subscribed(), false)] {
            schedule.close(can_push, PATIENCE, now);
            assert_eq!((schedule.phase(), schedule.last_push_until()), (TelemetryPhase::Terminated, None));
        }
    }
}
