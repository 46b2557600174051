//! What this crate logs: `error!`, `warn!`, `info!`, `debug!` and `trace!`, as those of the crate `log`.
//!
//! Owns: the one way to the program's logger. Must not know: what is said.
//! Threads: any. Locks: a logger is the user's code, so none may be held.
//! Holds: no panic comes out of here, neither the logger's nor one of what is formatted: whoever logs goes on with his
//! work. What nobody wants to read is not formatted. `tests/house.rs` lets nobody else call `log`'s macros.

use std::fmt;

use log::{Level, Record};

use crate::catch_panic::catch_panic;
use crate::log_labels::LogLabels;

macro_rules! error_ {
    ($($text:tt)+) => { $crate::logging::line!(Error, $($text)+) };
}

macro_rules! warn_ {
    ($($text:tt)+) => { $crate::logging::line!(Warn, $($text)+) };
}

macro_rules! info_ {
    ($($text:tt)+) => { $crate::logging::line!(Info, $($text)+) };
}

macro_rules! debug_ {
    ($($text:tt)+) => { $crate::logging::line!(Debug, $($text)+) };
}

macro_rules! trace_ {
    ($($text:tt)+) => { $crate::logging::line!(Trace, $($text)+) };
}

/// A line of this level, under the name of the module that says it; what it is about may come first: `labels: …,`.
macro_rules! line {
    ($level:ident, labels: $labels:expr, $($text:tt)+) => {
        if $crate::logging::is_wanted(::log::Level::$level) {
            $crate::logging::write(::log::Level::$level, module_path!(), $labels, format_args!($($text)+));
        }
    };
    ($level:ident, $($text:tt)+) => {
        $crate::logging::line!($level, labels: $crate::log_labels::LogLabels::NONE, $($text)+)
    };
}

pub(crate) use {debug_ as debug, error_ as error, info_ as info, line, trace_ as trace, warn_ as warn};

/// Whether lines of this level go anywhere.
#[inline]
pub(crate) fn is_wanted(level: Level) -> bool {
    level <= log::STATIC_MAX_LEVEL && level <= log::max_level()
}

/// Hands a line to the program's logger. Where that panics the line is lost, and nothing else.
#[cold]
pub(crate) fn write(level: Level, module: &str, labels: LogLabels<'_>, text: fmt::Arguments<'_>) {
    let log = || {
        let mut record = Record::builder();
        #[cfg(feature = "log-kv")]
        record.key_values(&labels);
        #[cfg(not(feature = "log-kv"))]
        let _ = labels;
        record.level(level).target(module).module_path(Some(module)).args(text);
        log::logger().log(&record.build());
    };
    // There is nobody left to whom this could be told.
    let _ = catch_panic(log);
}

/// What is known of it, as numbers where it is one.
#[cfg(feature = "log-kv")]
impl log::kv::Source for LogLabels<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn log::kv::VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        let numbers =
            [("partition", self.partition), ("node", self.node), ("code", self.code.map(i32::from))];
        if let Some(topic) = self.topic {
            visitor.visit_pair("topic".into(), topic.into())?;
        }
        for (key, number) in numbers.into_iter().filter_map(|(key, number)| Some((key, number?))) {
            visitor.visit_pair(key.into(), number.into())?;
        }
        Ok(())
    }
}
