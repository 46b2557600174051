//! `CloseReport`: what a close with a time-out came to.
//!
//! Owns: the counts, their words for people and for the log. Must not know: how a producer closes.

use std::fmt;
use std::time::Duration;

use crate::counted::Counted;
use crate::logging;
use crate::sender::Counts;

/// What became of the records that had no outcome yet when [`close_timeout`](crate::KafkaProducer::close_timeout) was called.
/// Prints as a sentence.
///
/// ```
/// use std::time::Duration;
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, ProducerRecord};
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
/// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
/// producer.send(ProducerRecord::new("orders", "two apples"))?;
/// let report = producer.close_timeout(Duration::from_secs(30))?;
/// if report.failed + report.abandoned + report.unanswered > 0 {
///     eprintln!("records were lost: {report}");
/// }
/// # assert_eq!(report.abandoned, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// How many were acknowledged meanwhile.
    pub delivered: u64,
    /// How many failed with an error of their own.
    pub failed: u64,
    /// How many were given up because the time was over; some of them may have been written.
    pub abandoned: u64,
    /// How many have no outcome yet although the time is over: they wait behind a callback that is still running, and get
    /// their outcome when it has returned. The records of that callback's own batch are among them, since `get` returns an
    /// outcome only when all callbacks of its batch have returned.
    pub unanswered: u64,
    /// A callback, an interceptor or the `close` of a serializer or partitioner is still running. The producer's thread
    /// ends by itself when that has returned.
    pub callback_running: bool,
}

impl CloseReport {
    pub(super) fn between(before: Counts, after: Counts) -> CloseReport {
        CloseReport {
            delivered: after.delivered - before.delivered,
            failed: after.failed - before.failed,
            abandoned: after.abandoned - before.abandoned,
            ..CloseReport::default()
        }
    }

    /// Says in the log what was left when the time was over.
    pub(super) fn tell(&self, limit: Duration) {
        let (abandoned, unanswered) = (self.abandoned, self.unanswered);
        let within = limit.as_millis();
        if abandoned > 0 {
            let abandoned = Counted(abandoned, "record");
            logging::warn!("close: {abandoned} given up, not acknowledged within {within} ms");
        }
        if unanswered > 0 {
            let unanswered = Counted(unanswered, "record");
            let behind = if self.callback_running { ", behind a callback that is still running" } else { "" };
            logging::warn!("close: {unanswered} not answered within {within} ms{behind}");
        }
    }
}

/// For people: `3 records delivered meanwhile, 1 record given up`.
impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.delivered, "delivered meanwhile"),
            (self.failed, "failed"),
            (self.abandoned, "given up"),
            (self.unanswered, "not answered yet"),
        ];
        let mut before = "";
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{before}{} {what}", Counted(count, "record"))?;
            before = ", ";
        }
        if self.callback_running {
            write!(f, "{before}a callback is still running")?;
            before = ", ";
        }
        if before.is_empty() { f.write_str("nothing was left to answer") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_became_of_whom() {
        let nothing = CloseReport::default();
        let all =
            CloseReport { delivered: 3, failed: 1, abandoned: 2, unanswered: 1, callback_running: true };
        assert_eq!(nothing.to_string(), "nothing was left to answer");
        assert_eq!(
            all.to_string(),
            "3 records delivered meanwhile, 1 record failed, 2 records given up, 1 record not answered yet, a callback is \
             still running"
        );
        let one = CloseReport { delivered: 1, ..nothing };
        assert_eq!(one.to_string(), "1 record delivered meanwhile");
    }
}
