//! `Subscription`: what a cluster wants to know of this client, as it has told.
//!
//! Owns: what the fields of the answer mean: which metrics are wanted, how often, how compressed. Must not know: when anything is
//! asked or pushed.
//! Source: KIP-714; Kafka's `ClientTelemetryUtils`, `ClientTelemetrySubscription`.

use std::time::Duration;

use crate::protocol::GetTelemetrySubscriptionsResponse;
use crate::record_batch::Codec;
use crate::uuid::Uuid;

/// What the cluster wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) client_instance_id: Uuid,
    pub(super) id: i32,
    pub(super) push_interval: Duration,
    /// Those that are in this build, the one that brokers like best first.
    pub(super) codecs: Vec<Codec>,
    /// The most bytes of a push; none where the broker names no limit.
    pub(super) max_bytes: Option<usize>,
    pub(super) delta_temporality: bool,
    /// Beginnings of names, in order; none is the beginning of another.
    requested: Vec<String>,
}

impl Subscription {
    /// None where the answer gives no id.
    pub(super) fn read(response: GetTelemetrySubscriptionsResponse) -> Option<Subscription> {
        let told = u64::try_from(response.push_interval_ms).ok().filter(|told| *told > 0);
        Some(response.client_instance_id).filter(|id| !id.is_zero()).map(|client_instance_id| Subscription {
            client_instance_id,
            id: response.subscription_id,
            push_interval: told
                .map_or(DEFAULT_INTERVAL, |told| Duration::from_millis(told).max(LEAST_INTERVAL)),
            codecs: response.accepted_compression_types.into_iter().filter_map(codec).collect(),
            max_bytes: usize::try_from(response.telemetry_max_bytes).ok().filter(|most| *most > 0),
            delta_temporality: response.delta_temporality,
            requested: beginnings(response.requested_metrics),
        })
    }

    /// Whether nothing at all is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.requested.is_empty()
    }

    /// Whether a metric of this name is wanted: one of the texts is the name's beginning; `*` alone wants all.
    pub(super) fn wants(&self, name: &str) -> bool {
        // However many there are: the one before the name, in order, is the only one that can be its beginning.
        let after = self.requested.partition_point(|beginning| **beginning <= *name);
        self.requested[..after].last().is_some_and(|beginning| name.starts_with(&**beginning))
    }
}

/// The texts as beginnings of names, without those that others stand for.
fn beginnings(mut requested: Vec<String>) -> Vec<String> {
    if matches!(&*requested, [all] if all == "*") {
        return vec![String::new()];
    }
    requested.sort_unstable();
    requested.dedup_by(|later, kept| later.starts_with(&**kept));
    requested
}

/// Where a broker tells none, and after a request that came to nothing: as in Java.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// Brokers of Kafka's take no subscription that wants metrics more often; a broker that tells less is not believed.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// The codec with this number, with the level that is its default; none where it is unknown or not in this build.
fn codec(id: i8) -> Option<Codec> {
    match id {
        0 => Some(Codec::None),
        1 if cfg!(feature = "gzip") => Some(Codec::Gzip { level: -1 }),
        2 if cfg!(feature = "snappy") => Some(Codec::Snappy),
        3 if cfg!(feature = "lz4") => Some(Codec::Lz4 { level: 9 }),
        4 if cfg!(feature = "zstd") => Some(Codec::Zstd { level: 3 }),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error_code::ErrorCode;

    /// An answer that wants these, every ten seconds.
    pub(in crate::sender::telemetry) fn response(requested: &[&str]) -> GetTelemetrySubscriptionsResponse {
        GetTelemetrySubscriptionsResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode(0),
            client_instance_id: Uuid([7; 16]),
            subscription_id: 5,
            accepted_compression_types: vec![],
            push_interval_ms: 10_000,
            telemetry_max_bytes: 1_048_576,
            delta_temporality: false,
            requested_metrics: requested.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    pub(in crate::sender::telemetry) fn subscription(requested: &[&str]) -> Subscription {
        Subscription::read(response(requested)).unwrap()
    }

    /// The table of Java's `getSelectorFromRequestedMetrics`.
    #[test]
    fn metrics_are_wanted_by_the_beginning_of_their_names() {
        let name = "org.apache.kafka.producer.request.rate";
        for (requested, wanted) in [
            (&[][..], false),
            (&["*"], true),
            (&[""], true),
            (&["", "*"], true),
            (&["*", "x"], false),
            (&["org.apache.kafka.producer."], true),
            (&["org.apache.kafka.producer.request.rate"], true),
            (&["org.apache.kafka.producer.request.rate.x"], false),
            (&["kafka.producer"], false),
            (&["org.apache.kafka.consumer", "org.apache"], true),
        ] {
            assert_eq!(subscription(requested).wants(name), wanted, "{requested:?}");
            assert_eq!(subscription(requested).is_empty(), requested.is_empty());
        }
    }

    #[test]
    fn an_interval_that_is_none_is_five_minutes_and_none_is_shorter_than_brokers_allow() {
        for (told, interval) in [
            (0, 300_000),
            (-1, 300_000),
            (i32::MIN, 300_000),
            (1, 100),
            (100, 100),
            (i32::MAX, i32::MAX as u64),
        ] {
            let response = GetTelemetrySubscriptionsResponse { push_interval_ms: told, ..response(&[]) };
            assert_eq!(Subscription::read(response).unwrap().push_interval, Duration::from_millis(interval));
        }
    }

    #[test]
    fn codecs_that_nobody_knows_are_left_out_and_the_order_stays() {
        let accepted = vec![9, -1, 4, 0, 1, 2, 3];
        let response =
            GetTelemetrySubscriptionsResponse { accepted_compression_types: accepted, ..response(&[]) };
        let ids: Vec<u16> = Subscription::read(response).unwrap().codecs.into_iter().map(Codec::id).collect();
        let built = [
            (4, cfg!(feature = "zstd")),
            (0, true),
            (1, cfg!(feature = "gzip")),
            (2, cfg!(feature = "snappy")),
            (3, cfg!(feature = "lz4")),
        ];
        let expected: Vec<u16> =
            built.into_iter().filter(|(_, is_built)| *is_built).map(|(id, _)| id).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn an_answer_without_an_id_is_none_and_a_limit_of_nothing_is_no_limit() {
        let zero = GetTelemetrySubscriptionsResponse { client_instance_id: Uuid::ZERO, ..response(&["*"]) };
        assert_eq!(Subscription::read(zero), None);
        for (told, most) in [(0, None), (-1, None), (7, Some(7))] {
            let response = GetTelemetrySubscriptionsResponse { telemetry_max_bytes: told, ..response(&[]) };
            assert_eq!(Subscription::read(response).unwrap().max_bytes, most);
        }
    }
}
