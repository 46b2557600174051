//! KIP-714: what the cluster wants to know of clients, and what they have told.
//!
//! Owns: the subscription, the pushes as they were read. Must not know: requests, bytes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// What the cluster wants to know of its clients: all metrics, every 100 ms, as cumulative sums and uncompressed unless told
/// otherwise.
///
/// ```
/// use std::time::Duration;
/// use kafka_embedded::TelemetryOptions;
///
/// let options = TelemetryOptions::new()
///     .metrics(["org.apache.kafka.producer."])
///     .interval(Duration::from_secs(1))
///     .delta();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryOptions {
    pub(super) metrics: Vec<String>,
    pub(super) interval: Duration,
    pub(super) is_delta: bool,
    pub(super) compression_types: Vec<i8>,
    pub(super) max_bytes: i32,
}

impl TelemetryOptions {
    /// All metrics, every 100 ms.
    #[must_use]
    pub fn new() -> Self {
        Self {
            metrics: vec!["*".to_owned()],
            interval: Duration::from_millis(100),
            is_delta: false,
            compression_types: vec![0],
            max_bytes: 1_048_576,
        }
    }

    /// What the names of the wanted metrics begin with; `*` alone is all of them, no text at all none.
    #[must_use]
    pub fn metrics(mut self, prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.metrics = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// How often clients are to push.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sums are to be told as what they grew by since the last push.
    #[must_use]
    pub fn delta(mut self) -> Self {
        self.is_delta = true;
        self
    }

    /// The codecs that pushes may be compressed with, by their numbers, the best one first: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    /// A push in another is answered with UNSUPPORTED_COMPRESSION_TYPE.
    #[must_use]
    pub fn compression_types(mut self, types: impl IntoIterator<Item = i8>) -> Self {
        self.compression_types = types.into_iter().collect();
        self
    }

    /// A push of more bytes, as they come, is answered with TELEMETRY_TOO_LARGE. 1048576 if not said.
    #[must_use]
    pub fn max_bytes(mut self, bytes: i32) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The id changes with what is wanted, so that who knows an old one has to ask.
    pub(super) fn id(&self) -> i32 {
        let text = format!("{self:?}");
        text.bytes().fold(1, |id: i32, byte| id.wrapping_mul(31).wrapping_add(i32::from(byte)))
    }
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A push that a broker has taken.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SeenPush {
    /// When.
    pub at: Instant,
    /// By which broker.
    pub broker: i32,
    /// The client's id, as the cluster has given it.
    pub client_instance_id: [u8; 16],
    /// Whether the client said that it was the last one.
    pub terminating: bool,
    /// The number of the codec.
    pub compression_type: i8,
    /// Bytes as they came.
    pub bytes: usize,
    /// What it held.
    pub metrics: Vec<ReceivedMetric>,
}

impl SeenPush {
    /// The first metric of this name that has these attributes, and perhaps others.
    #[must_use]
    pub fn metric(&self, name: &str, attributes: &[(&str, &str)]) -> Option<&ReceivedMetric> {
        let has = |metric: &ReceivedMetric, (key, value): &(&str, &str)| {
            metric.attributes.iter().any(|known| (known.0.as_str(), known.1.as_str()) == (*key, *value))
        };
        self.metrics
            .iter()
            .find(|metric| metric.name == name && attributes.iter().all(|wanted| has(metric, wanted)))
    }
}

/// One number with its name, out of a push.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReceivedMetric {
    /// Such as `org.apache.kafka.producer.record.send.total`.
    pub name: String,
    /// What it is about, such as a topic.
    pub attributes: Vec<(String, String)>,
    /// What is told of the client.
    pub resource: Vec<(String, String)>,
    /// The number.
    pub value: ReceivedValue,
    /// Of a sum, whether it is what it grew by since `start_unix_nanos`; `None` for a gauge.
    pub is_delta: Option<bool>,
    /// Whether it only grows.
    pub is_monotonic: bool,
    /// Since when a sum counts; 0 for a gauge.
    pub start_unix_nanos: u64,
    /// When it was read.
    pub unix_nanos: u64,
}

/// A number out of a push.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ReceivedValue {
    /// A number, or none (NaN).
    Double(f64),
    /// A whole number.
    Int(i64),
}

impl ReceivedValue {
    /// Either as a number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody looks at the last bits of a time")]
    pub fn number(self) -> f64 {
        match self {
            Self::Double(number) => number,
            Self::Int(number) => number as f64,
        }
    }
}

/// What is known of clients' telemetry.
#[derive(Debug, Default)]
pub(super) struct TelemetryState {
    /// `None`: brokers have no plugin.
    pub(super) options: Option<TelemetryOptions>,
    pub(super) clients: BTreeSet<Uuid>,
    pub(super) pushes: Vec<SeenPush>,
}

impl TelemetryState {
    pub(super) fn new(options: Option<TelemetryOptions>) -> Self {
        Self { options, ..Self::default() }
    }
}
