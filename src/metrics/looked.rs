//! `Looked`: what is not measured but looked up when metrics are read.
//!
//! Owns: their names, units, descriptions. Must not know: where the numbers are from.
//! Source: Kafka's `RecordAccumulator`, `SenderMetricsRegistry`, `Selector.SelectorMetrics`, `AppInfoParser`.

use std::time::Duration;

/// What there is at this moment.
pub(crate) struct Looked {
    pub(crate) waiting_threads: usize,
    pub(crate) buffer_total_bytes: usize,
    pub(crate) buffer_available_bytes: usize,
    /// None before the first metadata.
    pub(crate) metadata_age: Option<Duration>,
    pub(crate) requests_in_flight: usize,
    pub(crate) connection_count: usize,
}

/// A metric that is looked up.
pub(crate) struct LookedRow {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) number: fn(&Looked) -> f64,
}

impl Looked {
    pub(crate) const ROWS: &'static [LookedRow] = &[
        LookedRow {
            name: "waiting-threads",
            unit: "threads",
            description: "Threads whose `send` waits for memory.",
            number: |now| now.waiting_threads as f64,
        },
        LookedRow {
            name: "buffer-total-bytes",
            unit: "bytes",
            description: "`buffer.memory`.",
            number: |now| now.buffer_total_bytes as f64,
        },
        LookedRow {
            name: "buffer-available-bytes",
            unit: "bytes",
            description: "What of `buffer.memory` no batch has reserved.",
            number: |now| now.buffer_available_bytes as f64,
        },
        LookedRow {
            name: "metadata-age",
            unit: "s",
            description: "Seconds since metadata was last fetched.",
            number: |now| now.metadata_age.map_or(f64::NAN, |age| age.as_secs_f64()),
        },
        LookedRow {
            name: "requests-in-flight",
            unit: "requests",
            description: "Requests that wait for their answers.",
            number: |now| now.requests_in_flight as f64,
        },
        LookedRow {
            name: "connection-count",
            unit: "connections",
            description: "Connections that stand.",
            number: |now| now.connection_count as f64,
        },
    ];
}
