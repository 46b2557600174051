//! `Explanation`: what a record waited for in vain, in the words of its error.
//!
//! Owns: which of the things that are known is told, and how. Must not know: where they are known from.
//! Holds: nothing contradicts what else the error says.

use std::time::Duration;

use crate::cluster::NoLeader;
use crate::error::Error;

/// What is known of a record's way when it is given up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Explanation {
    /// What last went wrong.
    pub(crate) last: Option<Error>,
    /// For how long its partition has had no leader, and what brokers say of it.
    pub(crate) leaderless: Option<(Duration, NoLeader)>,
    /// How long the leader asks to be left alone.
    pub(crate) throttled: Option<String>,
    /// For how long the user's code kept the sender thread from everything, where that was most of the time.
    pub(crate) held_up: Option<Duration>,
    /// What is waited for from the leader, and kept the record: a connection, or an answer to what carries it.
    pub(crate) waited_for: Option<String>,
    /// The broker that answered anything last since the record is there, and how long ago.
    pub(crate) answered: Option<(i32, Duration)>,
}

impl Explanation {
    /// Puts it into an error. One that quotes a broker itself says enough.
    pub(crate) fn explain(self, error: Error) -> Error {
        if error.code().is_some() || error.is_fatal() {
            return error;
        }
        let leaderless = self.leaderless.map(in_words);
        let now = leaderless.as_ref().or(self.throttled.as_ref()).cloned();
        let error = match (&self.last, self.leaderless.and_then(|(_, why)| why.code())) {
            (Some(last), _) => error.with_last(last),
            (None, Some(code)) => error.with_code(code),
            (None, None) => error,
        };
        let held_up = self.held_up.map(|time| {
            format!(
                "callbacks, interceptors or the logger held up the sender thread for {} ms",
                time.as_millis()
            )
        });
        match (now.or(held_up).or(self.waited_for), self.last, self.answered) {
            (Some(reason), ..) => error.with_remark(&reason),
            (None, Some(_), _) => error,
            (None, None, Some((node, ago))) => {
                error.with_remark(&format!("broker {node} answered last, {} ms ago", ago.as_millis()))
            }
            (None, None, None) => error.with_remark("nothing was heard from a broker"),
        }
    }
}

fn in_words((time, why): (Duration, NoLeader)) -> String {
    let time = time.as_millis();
    match why {
        NoLeader::Topic(code) => format!("the brokers answer {code} for its topic"),
        NoLeader::NotNamed => "the brokers do not name its partition".to_owned(),
        NoLeader::Nobody(Some(code)) => format!("its partition has had no leader for {time} ms ({code})"),
        NoLeader::Nobody(None) => format!("its partition has had no leader for {time} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::error_code::ErrorCode;

    /// Fault C1.
    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn an_error_says_what_was_heard_and_contradicts_nothing() {
        let late = || Error::new(ErrorKind::Timeout, "late");
        let last = Some(Error::from_code(ErrorCode::NOT_ENOUGH_REPLICAS, None).with_node(1));
        let time = Duration::from_secs(3);
        let unavailable = NoLeader::Nobody(Some(ErrorCode::LEADER_NOT_AVAILABLE));
        let leaderless = Some((time, unavailable));
        let throttled = Some("broker 1 asks to be left alone".to_owned());
        let waited_for = Some("connecting to broker 1".to_owned());
        let answered = Some((1, Duration::from_millis(20)));
        let nothing = Explanation::default;
        let quoted = "the last error was: the broker answered 19 NOT_ENOUGH_REPLICAS (broker 1)";
        let no_leader = "its partition has had no leader for 3000 ms (5 LEADER_NOT_AVAILABLE)";
        let rows = [
            (nothing(), late(), "late; nothing was heard from a broker".to_owned()),
            (
                Explanation { answered, ..nothing() },
                late(),
                "late; broker 1 answered last, 20 ms ago".to_owned(),
            ),
            (
                Explanation { waited_for: waited_for.clone(), answered, ..nothing() },
                late(),
                "late; connecting to broker 1".to_owned(),
            ),
            (
                Explanation { throttled: throttled.clone(), waited_for: waited_for.clone(), ..nothing() },
                late(),
                "late; broker 1 asks to be left alone".to_owned(),
            ),
            (
                Explanation { held_up: Some(time), waited_for: waited_for.clone(), answered, ..nothing() },
                late(),
                "late; callbacks, interceptors or the logger held up the sender thread for 3000 ms"
                    .to_owned(),
            ),
            (Explanation { leaderless, answered, ..nothing() }, late(), format!("late; {no_leader}")),
            (
                Explanation { leaderless: Some((time, NoLeader::Nobody(None))), answered, ..nothing() },
                late(),
                "late; its partition has had no leader for 3000 ms".to_owned(),
            ),
            (
                Explanation { leaderless: Some((time, NoLeader::NotNamed)), answered, ..nothing() },
                late(),
                "late; the brokers do not name its partition".to_owned(),
            ),
            (
                Explanation {
                    leaderless: Some((time, NoLeader::Topic(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))),
                    answered,
                    ..nothing()
                },
                late(),
                "late; the brokers answer 3 UNKNOWN_TOPIC_OR_PARTITION for its topic".to_owned(),
            ),
            (
                Explanation { last: last.clone(), waited_for, answered, ..nothing() },
                late(),
                format!("late; {quoted}; connecting to broker 1"),
            ),
            (
                Explanation { last: last.clone(), held_up: Some(time), answered, ..nothing() },
                late(),
                format!(
                    "late; {quoted}; callbacks, interceptors or the logger held up the sender thread for 3000 ms"
                ),
            ),
            (Explanation { last: last.clone(), answered, ..nothing() }, late(), format!("late; {quoted}")),
            (
                Explanation { last: last.clone(), throttled, ..nothing() },
                late(),
                format!("late; {quoted}; broker 1 asks to be left alone"),
            ),
            (
                Explanation { last: last.clone(), leaderless, ..nothing() },
                late(),
                format!("late; {quoted}; {no_leader}"),
            ),
            (nothing(), late().with_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED), "late".to_owned()),
            (Explanation { last, ..nothing() }, late().with_fatal(), "late".to_owned()),
        ];
        for (explanation, error, expected) in rows {
            assert_eq!(explanation.clone().explain(error).to_string(), expected, "{explanation:?}");
        }
    }
}
