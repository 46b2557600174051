//! `RequestBounds`: how many requests of a kind there may be within a second.
//!
//! Owns: the arithmetic. Must not know: how they came about.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_embedded::Api;

use crate::config::Settings;
use crate::simulation::history::Violation;
use crate::simulation::network::SimulatedNetwork;

/// What the number of requests depends on.
pub(super) struct RequestBounds<'a> {
    pub(super) settings: &'a Settings,
    /// How many requests begin the connections to one broker, of which one is for records.
    pub(super) handshake_requests: u32,
    /// Nothing goes wrong, and nothing is too large: each batch goes once.
    pub(super) is_calm: bool,
}

impl RequestBounds<'_> {
    /// No more requests of a kind within a second than there is reason for.
    pub(super) fn check(&self, network: &mut SimulatedNetwork) {
        let mut found = self.too_many_requests(network);
        let repeated = self.repeated_batches(network, &mut found);
        found.extend(self.too_many_refusals(network));
        network.remarks.extend(found.into_iter().map(Violation::TooManyRequests));
        network.remarks.extend(repeated);
    }

    /// What is not about batches.
    fn too_many_requests(&self, network: &SimulatedNetwork) -> Vec<String> {
        let settings = self.settings;
        let (retries, reconnects) =
            (per_second(settings.retry_backoff), per_second(settings.reconnect_backoff));
        // What only waits for the end of the transaction before goes again after 20 ms.
        let soon = per_second(settings.retry_backoff.min(Duration::from_millis(20)));
        let bounds = BTreeMap::from([
            (Api::Metadata, 12.0 + retries),
            (Api::InitProducerId, 6.0 + retries + self.renewals()),
            (Api::ApiVersions, f64::from(self.handshake_requests) * (12.0 + 6.0 * reconnects)),
            // Of two coordinators; a lost connection is one more reason to look them up.
            (Api::FindCoordinator, 2.0 * (12.0 + retries)),
            (Api::AddPartitionsToTxn, MOST_TRANSACTIONS * MOST_PARTITIONS + soon),
            (Api::AddOffsetsToTxn, MOST_TRANSACTIONS * MOST_GROUPS + soon),
            (Api::TxnOffsetCommit, MOST_TRANSACTIONS * MOST_GROUPS + soon),
            (Api::EndTxn, 2.0 * MOST_TRANSACTIONS + retries),
            // Every 100 ms at most, and at once where what is pushed is not wanted any more.
            (Api::GetTelemetrySubscriptions, 25.0),
            (Api::PushTelemetry, 25.0),
            // No connection is authenticated again more often than once a second.
            (Api::SaslHandshake, 12.0 + 6.0 * reconnects + MOST_PEERS),
            (Api::SaslAuthenticate, 2.0 * (12.0 + 6.0 * reconnects + MOST_PEERS)),
        ]);
        let requests = &network.observer.requests;
        // Each connection to a broker may raise the question which cluster it belongs to by now.
        let connections = |api: Api, second: u64| match api {
            Api::Metadata => requests.get(&(Api::ApiVersions, second)).map_or(0.0, |count| f64::from(*count)),
            _ => 0.0,
        };
        let is_too_many = |((api, second), count): &(&(Api, u64), &u32)| {
            bounds.get(api).is_some_and(|bound| f64::from(**count) > *bound + connections(*api, *second))
        };
        let found = requests.iter().filter(is_too_many);
        found.map(|((api, second), count)| format!("{count} x {api:?} in second {second}")).collect()
    }

    /// After each transaction that was prepared a newer epoch may have to be asked for.
    fn renewals(&self) -> f64 {
        if self.settings.transaction_two_phase_commit_enable { MOST_TRANSACTIONS } else { 0.0 }
    }

    /// Batches that went more than once where nothing went wrong; into `found`, those that went too often.
    fn repeated_batches(&self, network: &SimulatedNetwork, found: &mut Vec<String>) -> Vec<Violation> {
        let mut repeated = Vec::new();
        let often = 6.0 + per_second(self.settings.retry_backoff) + f64::from(network.brokers.leader_changes);
        for (batch, times) in &network.observer.sent {
            if times.len() > 1 && self.is_calm {
                let text = format!("batch {batch:?} went {} times", times.len());
                repeated.push(Violation::Repeated(text));
            }
            let most = (0..times.len()).map(|at| {
                let within =
                    times[at..].iter().take_while(|time| **time < times[at] + Duration::from_secs(1));
                within.count()
            });
            let most = most.max().unwrap_or(0);
            if most as f64 > often {
                found.push(format!("{most} x batch {batch:?} in a second"));
            }
        }
        // Several batches of a partition go again, each in its own request; the most that was seen of 10,000 seeds is half
        // of this.
        for (second, (count, places)) in &network.wire.repeats {
            if f64::from(*count) > places.len() as f64 * 3.0 * often {
                found.push(format!("{count} x Produce with nothing new in second {second}"));
            }
        }
        repeated
    }

    /// A broker that refuses us, or ends TLS within its handshake, is asked again at growing distances.
    fn too_many_refusals(&self, network: &SimulatedNetwork) -> Vec<String> {
        let (least, most) = (self.settings.reconnect_backoff, self.settings.reconnect_backoff_max);
        let growing = (most.as_secs_f64() / least.as_secs_f64().max(0.001)).log2().max(0.0);
        // Each program begins anew.
        let programs = 1 + network.steps.get("Crash").copied().unwrap_or(0);
        let bound = (3.0 + growing + 1.25 / most.as_secs_f64().max(0.001)) * programs as f64;
        let refusals = network.wire.logins.refusals.iter();
        let found = refusals.filter(|(_, count)| f64::from(**count) > bound);
        let told = |((peer, second), count): (&(i32, u64), &u32)| {
            format!("{count} x refused by {peer} in second {second}, {bound:.1} are allowed")
        };
        found.map(told).collect()
    }
}

/// How often something happens that pauses between two times.
fn per_second(pause: Duration) -> f64 {
    1.25 / pause.as_secs_f64().max(0.001)
}

/// Three brokers, twice each, and one more.
const MOST_PEERS: f64 = 8.0;

/// What a program of a scenario with transactions does at most, in its whole run.
const MOST_TRANSACTIONS: f64 = 10.0;
const MOST_PARTITIONS: f64 = 8.0;
const MOST_GROUPS: f64 = 2.0;
