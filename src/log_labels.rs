//! `LogLabels`: what a line of the log is about, beside its text.
//!
//! Owns: which labels there are. Must not know: who logs, and where it goes.
//! Holds: with the feature `log-kv` a logger gets them as key-values; without it nobody reads them.

/// Each where it is known.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(feature = "log-kv"), expect(dead_code, reason = "loggers get them by that feature"))]
pub(crate) struct LogLabels<'a> {
    pub(crate) topic: Option<&'a str>,
    pub(crate) partition: Option<i32>,
    /// The id of a broker.
    pub(crate) node: Option<i32>,
    /// What a broker answered.
    pub(crate) code: Option<i16>,
}

impl<'a> LogLabels<'a> {
    pub(crate) const NONE: LogLabels<'static> =
        LogLabels { topic: None, partition: None, node: None, code: None };

    pub(crate) fn of_topic(topic: &'a str) -> LogLabels<'a> {
        LogLabels { topic: Some(topic), ..LogLabels::NONE }
    }

    pub(crate) fn of_partition(topic: &'a str, partition: i32) -> LogLabels<'a> {
        LogLabels { partition: Some(partition), ..LogLabels::of_topic(topic) }
    }

    pub(crate) fn of_node(node: i32) -> LogLabels<'a> {
        LogLabels { node: Some(node), ..LogLabels::NONE }
    }

    /// A code that says that all is well is none.
    pub(crate) fn with_code(self, code: i16) -> LogLabels<'a> {
        LogLabels { code: Some(code).filter(|code| *code != 0), ..self }
    }
}
