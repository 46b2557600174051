//! GetTelemetrySubscriptions and PushTelemetry: what clients ask and tell, and what they are answered.
//!
//! Owns: the checks of a push, the ids of clients. Must not know: bytes of metrics (`protobuf_reader`), sockets.
//! Source: Kafka's `ClientMetricsManager`: its checks, in its order; it takes no more than one push within an interval, this one
//! takes any number.

use bytes::Bytes;
use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    PushTelemetryResponse,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use uuid::Uuid;

use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_rules::{ClusterRules, Incoming, RequestOutcome};
use super::decompress::decompress;
use super::fault::FaultPlan;
use super::protobuf_reader;
use super::telemetry_options::{SeenPush, TelemetryOptions};

type TelemetryAnswer = Option<(FaultPlan, RequestOutcome)>;

impl ClusterRules {
    /// Wants something else from now on: who pushes for what was wanted before is answered with UNKNOWN_SUBSCRIPTION_ID.
    /// Nothing, where the cluster was built without.
    pub fn set_telemetry(&mut self, options: TelemetryOptions) {
        if self.telemetry.options.is_some() {
            self.telemetry.options = Some(options);
        }
    }

    /// The pushes that brokers have taken, in order.
    #[must_use]
    pub fn telemetry_pushes(&self) -> &[SeenPush] {
        &self.telemetry.pushes
    }

    pub(super) fn get_telemetry_subscriptions(
        &mut self,
        incoming: &Incoming,
        mut frame: Bytes,
    ) -> TelemetryAnswer {
        let request = GetTelemetrySubscriptionsRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::GetTelemetrySubscriptions, incoming.broker, |_, _| false);
        let told = GetTelemetrySubscriptionsResponse::default().with_throttle_time_ms(plan.throttle_ms());
        if let Some(failure) = plan.failure() {
            let response = told.with_error_code(failure.error.code());
            return Some((plan, incoming.encode(&response)));
        }
        let options = self.telemetry.options.as_ref()?;
        let state = &self.telemetry.clients;
        let next = Uuid::from_u128(CLIENT_IDS | (state.len() as u128 + 1));
        let id = if request.client_instance_id.is_nil() { next } else { request.client_instance_id };
        let names = options.metrics.iter().map(|name| StrBytes::from_string(name.clone()));
        let response = told
            .with_client_instance_id(id)
            .with_subscription_id(options.id())
            .with_accepted_compression_types(options.compression_types.clone())
            .with_push_interval_ms(i32::try_from(options.interval.as_millis()).unwrap_or(i32::MAX))
            .with_telemetry_max_bytes(options.max_bytes)
            .with_delta_temporality(options.is_delta)
            .with_requested_metrics(names.collect());
        self.telemetry.clients.insert(id);
        Some((plan, incoming.encode(&response)))
    }

    pub(super) fn push_telemetry(&mut self, incoming: &Incoming, mut frame: Bytes) -> TelemetryAnswer {
        let request = PushTelemetryRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::PushTelemetry, incoming.broker, |_, _| false);
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        let is_carried_out = plan.failure().is_none_or(|failure| failure.carried_out);
        let taken = if is_carried_out { self.take_push(incoming, &request) } else { Ok(()) };
        let error = plan.failure().map(|failure| failure.error).or(taken.err()).unwrap_or(BrokerError::NONE);
        let response = PushTelemetryResponse::default()
            .with_throttle_time_ms(plan.throttle_ms())
            .with_error_code(error.code());
        Some((plan, incoming.encode(&response)))
    }

    fn take_push(&mut self, incoming: &Incoming, request: &PushTelemetryRequest) -> Result<(), BrokerError> {
        let options = self.telemetry.options.as_ref().ok_or(BrokerError::INVALID_REQUEST)?;
        let id = request.client_instance_id;
        if id.is_nil() || !self.telemetry.clients.contains(&id) {
            return Err(BrokerError::INVALID_REQUEST);
        }
        if request.subscription_id != options.id() {
            return Err(BrokerError::UNKNOWN_SUBSCRIPTION_ID);
        }
        let codec = request.compression_type;
        if codec != 0 && !options.compression_types.contains(&codec) {
            return Err(BrokerError::UNSUPPORTED_COMPRESSION_TYPE);
        }
        if request.metrics.len() > usize::try_from(options.max_bytes).unwrap_or(0) {
            return Err(BrokerError::TELEMETRY_TOO_LARGE);
        }
        let data = u8::try_from(codec).ok().and_then(|codec| decompress(codec, &request.metrics));
        let metrics = data.and_then(|data| protobuf_reader::metrics(&data));
        self.telemetry.pushes.push(SeenPush {
            at: incoming.now,
            broker: incoming.broker,
            client_instance_id: *id.as_bytes(),
            terminating: request.terminating,
            compression_type: codec,
            bytes: request.metrics.len(),
            metrics: metrics.ok_or(BrokerError::INVALID_RECORD)?,
        });
        Ok(())
    }
}

/// The upper half of every client's id.
const CLIENT_IDS: u128 = 0x656d_6265_6464_6564 << 64;
