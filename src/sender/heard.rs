//! What a record waited for in vain, in the words of its error.
//!
//! Owns: which of the things that are known is told, and how. Must not know: where they are known from.
//! Holds: nothing contradicts what else the error says.

use std::time::Duration;

use crate::error::Error;
use crate::error_code::ErrorCode;

/// What is known of a record's way when it is given up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// What last went wrong.
    pub(crate) last: Option<Error>,
    /// For how long its partition has had no leader.
    pub(crate) leaderless: Option<Duration>,
    /// How long the leader asks to be left alone.
    pub(crate) throttled: Option<String>,
    /// For how long the user's code kept the sender thread from everything, where that was most of the time.
    pub(crate) held_up: Option<Duration>,
    /// What is waited for from the leader.
    pub(crate) waited_for: Option<String>,
    /// The broker that answered anything last since the record is there, and how long ago.
    pub(crate) answered: Option<(i32, Duration)>,
}

impl Heard {
    /// Puts it into an error. One that quotes a broker itself says enough.
    pub(crate) fn explain(self, error: Error) -> Error {
        if error.code().is_some() || error.is_fatal() {
            return error;
        }
        let leaderless = self.leaderless.map(|time| {
            let code = ErrorCode::LEADER_NOT_AVAILABLE;
            format!("its partition has had no leader for {} ms ({code})", time.as_millis())
        });
        let now = leaderless.as_ref().or(self.throttled.as_ref()).cloned();
        let error = match (&self.last, leaderless) {
            (Some(last), _) => error.with_last(last),
            (None, Some(_)) => error.with_code(ErrorCode::LEADER_NOT_AVAILABLE),
            (None, None) => error,
        };
        let held_up = self
            .held_up
            .map(|time| format!("callbacks held up the sender thread for {} ms", time.as_millis()));
        match (now, self.last, held_up.or(self.waited_for), self.answered) {
            (Some(now), ..) => error.with_remark(&now),
            (None, Some(_), ..) => error,
            (None, None, Some(reason), _) => error.with_remark(&reason),
            (None, None, None, Some((node, ago))) => {
                error.with_remark(&format!("broker {node} answered last, {} ms ago", ago.as_millis()))
            }
            (None, None, None, None) => error.with_remark("nothing was heard from a broker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Fault C1.
    #[test]
    fn an_error_says_what_was_heard_and_contradicts_nothing() {
        let late = || Error::new(ErrorKind::Timeout, "late");
        let last = Some(Error::from_code(ErrorCode::NOT_ENOUGH_REPLICAS, None).with_node(1));
        let leaderless = Some(Duration::from_secs(3));
        let throttled = Some("broker 1 asks to be left alone".to_owned());
        let waited_for = Some("connecting to broker 1".to_owned());
        let answered = Some((1, Duration::from_millis(20)));
        let heard = Heard::default;
        let quoted = "the last error was: the broker answered 19 NOT_ENOUGH_REPLICAS (broker 1)";
        let no_leader = "its partition has had no leader for 3000 ms (5 LEADER_NOT_AVAILABLE)";
        let rows = [
            (heard(), late(), "late; nothing was heard from a broker".to_owned()),
            (Heard { answered, ..heard() }, late(), "late; broker 1 answered last, 20 ms ago".to_owned()),
            (
                Heard { waited_for: waited_for.clone(), answered, ..heard() },
                late(),
                "late; connecting to broker 1".to_owned(),
            ),
            (
                Heard { throttled: throttled.clone(), waited_for: waited_for.clone(), ..heard() },
                late(),
                "late; broker 1 asks to be left alone".to_owned(),
            ),
            (
                Heard { held_up: leaderless, waited_for: waited_for.clone(), answered, ..heard() },
                late(),
                "late; callbacks held up the sender thread for 3000 ms".to_owned(),
            ),
            (Heard { leaderless, answered, ..heard() }, late(), format!("late; {no_leader}")),
            (
                Heard { last: last.clone(), waited_for, answered, ..heard() },
                late(),
                format!("late; {quoted}"),
            ),
            (
                Heard { last: last.clone(), throttled, ..heard() },
                late(),
                format!("late; {quoted}; broker 1 asks to be left alone"),
            ),
            (
                Heard { last: last.clone(), leaderless, ..heard() },
                late(),
                format!("late; {quoted}; {no_leader}"),
            ),
            (heard(), late().with_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED), "late".to_owned()),
            (Heard { last, ..heard() }, late().with_fatal(), "late".to_owned()),
        ];
        for (heard, error, expected) in rows {
            assert_eq!(heard.clone().explain(error).to_string(), expected, "{heard:?}");
        }
    }
}
