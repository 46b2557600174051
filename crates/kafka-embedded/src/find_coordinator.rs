//! FindCoordinator: who coordinates a transactional id or a consumer group.

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_rules::{ClusterRules, Incoming, RequestOutcome};
use super::fault::FaultPlan;
use super::transaction_coordinator::KeyType;

impl ClusterRules {
    pub(super) fn find_coordinator(
        &mut self,
        incoming: &Incoming,
        mut frame: Bytes,
    ) -> Option<(FaultPlan, RequestOutcome)> {
        let version = incoming.version;
        let request = FindCoordinatorRequest::decode(&mut frame, version).ok()?;
        let plan = self.faults.plan(Api::FindCoordinator, incoming.broker, |_, _| false);
        let kind = match request.key_type {
            0 => Some(KeyType::Group),
            1 => Some(KeyType::Transaction),
            _ => None,
        };
        let find = |key: &StrBytes| {
            let failure = plan.failure().map(|failure| failure.error);
            self.coordinator_of(kind, key, failure)
        };
        let mut response = FindCoordinatorResponse::default();
        if version >= 1 {
            response.throttle_time_ms = plan.throttle_ms();
        }
        if version >= BATCHED {
            response.coordinators = request.coordinator_keys.iter().map(find).collect();
        } else {
            let found = find(&request.key);
            response = response
                .with_error_code(found.error_code)
                .with_error_message(found.error_message.filter(|_| version >= 1))
                .with_node_id(found.node_id)
                .with_host(found.host)
                .with_port(found.port);
        }
        Some((plan, incoming.encode(&response)))
    }

    fn coordinator_of(
        &self,
        kind: Option<KeyType>,
        key: &StrBytes,
        failure: Option<BrokerError>,
    ) -> Coordinator {
        let error = failure.or(kind.is_none().then_some(BrokerError::INVALID_REQUEST));
        let found = kind.filter(|_| error.is_none()).and_then(|kind| {
            let id = self.coordinator.broker(&self.cluster, kind, key)?;
            Some((id, self.cluster.brokers.get(&id)?))
        });
        let told = Coordinator::default().with_key(key.clone());
        match found {
            Some((id, broker)) => told
                .with_node_id(id.into())
                .with_host(StrBytes::from_string(broker.host.clone()))
                .with_port(i32::from(broker.port))
                .with_error_message(None),
            None => {
                let error = error.unwrap_or(BrokerError::COORDINATOR_NOT_AVAILABLE);
                told.with_node_id((-1).into())
                    .with_port(-1)
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_static_str(error.name())))
            }
        }
    }
}

/// The first version that asks for several keys at once (KIP-699).
const BATCHED: i16 = 4;
