//! `LookedUp`: what is not measured but looked up when metrics are read.
//!
//! Owns: their names, units, descriptions. Must not know: where the numbers are from.
//! Source: Kafka's `RecordAccumulator`, `SenderMetricsRegistry`, `Selector.SelectorMetrics`, `AppInfoParser`.

use std::time::Duration;

/// What there is at this moment.
pub(crate) struct LookedUp {
    pub(crate) waiting_threads: usize,
    pub(crate) buffer_total_bytes: usize,
    pub(crate) buffer_available_bytes: usize,
    /// None before the first metadata.
    pub(crate) metadata_age: Option<Duration>,
    pub(crate) requests_in_flight: usize,
    pub(crate) connection_count: f64,
}

/// A metric that is looked up.
pub(crate) struct LookedUpRow {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) number: fn(&LookedUp) -> f64,
}

const fn row(
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    number: fn(&LookedUp) -> f64,
) -> LookedUpRow {
    LookedUpRow { name, unit, description, number }
}

impl LookedUp {
    pub(crate) const ROWS: &'static [LookedUpRow] = &[
        row("waiting-threads", "threads", "Threads whose `send` waits for memory.", |now| {
            now.waiting_threads as f64
        }),
        row("buffer-total-bytes", "bytes", "`buffer.memory`.", |now| now.buffer_total_bytes as f64),
        row("buffer-available-bytes", "bytes", "What of `buffer.memory` no batch has reserved.", |now| {
            now.buffer_available_bytes as f64
        }),
        row("metadata-age", "s", "Seconds since metadata was last fetched.", |now| {
            now.metadata_age.map_or(f64::NAN, |age| age.as_secs_f64())
        }),
        row("requests-in-flight", "requests", "Requests that wait for their answers.", |now| {
            now.requests_in_flight as f64
        }),
        row("connection-count", "connections", "Connections that stand.", |now| now.connection_count),
    ];
}
