//! `ProducerIdentity`: who this producer is to the brokers: when a producer id is asked for and of whom, and what follows
//! when it is refused.
//!
//! Owns: the requests for it, how often they failed and who refused; the `TransactionManager`. Must not know: what becomes
//! of batches.
//! Holds: the broker that is asked belongs to the cluster that the batches go to. A refusal fails what waits for it; the next
//! record asks again, other brokers first, and never more often than the backoff allows.
//! Source: Kafka's `TransactionManager.InitProducerIdHandler`, `Sender.maybeWaitForProducerId` (KAFKA-13668).

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::Drain;
use crate::backoff::ExponentialBackoff;
use crate::cluster::{Cluster, Node};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::last_heard::LastHeard;
use crate::logging;
use crate::metadata::Metadata;
use crate::network::{Expect, Network, NetworkClient};
use crate::planted::{Defect, planted};
use crate::protocol::InitProducerIdRequest;
use crate::sender::client_request::{ClientRequest, ClientResponse, Context, Effects};
use crate::sender::warnings::Warnings;
use crate::transaction::{Due, TransactionCalls, TransactionManager};

pub(super) struct ProducerIdentity {
    pub(super) transaction: TransactionManager,
    settings: Arc<Settings>,
    retry_backoff: ExponentialBackoff,
    metadata: Arc<Metadata>,
    heard: Arc<LastHeard>,
    /// The number of the last request; the answers of others come too late.
    last_request: u64,
    /// Failures since a broker gave a producer id.
    failures: u32,
    /// Brokers that have refused since then, or cannot give one.
    refused_by: Vec<i32>,
    /// Brokers that could not give one for the moment, since the last round of all of them.
    asked_in_vain: Vec<i32>,
    /// When a broker may be tried again, where none could be asked.
    no_node_until: Option<Instant>,
    warnings: Warnings,
    random: fastrand::Rng,
}

/// Which request it was.
pub(super) struct InitProducerIdContext {
    number: u64,
}

impl Context for InitProducerIdContext {
    type Request = InitProducerIdRequest;
}

impl ProducerIdentity {
    pub(super) fn new(
        settings: Arc<Settings>,
        metadata: Arc<Metadata>,
        calls: &Arc<TransactionCalls>,
        random: fastrand::Rng,
    ) -> ProducerIdentity {
        ProducerIdentity {
            transaction: TransactionManager::new(settings.enable_idempotence).with_calls(calls),
            retry_backoff: settings.retry(),
            settings,
            heard: Arc::clone(metadata.heard()),
            metadata,
            last_request: 0,
            failures: 0,
            refused_by: Vec::new(),
            asked_in_vain: Vec::new(),
            no_node_until: None,
            warnings: Warnings::new(),
            random,
        }
    }

    /// When a producer id is to be asked for that was refused or did not come; none where it is due already, or nobody
    /// waits for it.
    pub(super) fn due(&self, drain: &Drain, now: Instant) -> Option<Instant> {
        let due = match self.transaction.producer_id_due() {
            Due::At(time) => Some(time),
            Due::WhenNeeded(time) => Some(time).filter(|_| !drain.is_empty()),
            Due::Now | Due::Never => None,
        };
        // What is due already is waiting for a broker: its connection, or the end of its backoff, brings us back.
        due.into_iter().filter(|time| *time > now).chain(self.no_node_until).min()
    }

    /// The request for a producer id if idempotence needs one, and once it is known who belongs to the cluster.
    pub(super) fn request<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        drain: &Drain,
        now: Instant,
    ) -> Option<ClientRequest<InitProducerIdContext>> {
        self.no_node_until = None;
        match self.transaction.producer_id_due() {
            Due::Now => {}
            Due::At(time) if time <= now => {}
            Due::WhenNeeded(time) if time <= now && !drain.is_empty() => {}
            Due::At(_) | Due::WhenNeeded(_) | Due::Never => return None,
        }
        let cluster = self.metadata.cluster();
        if cluster.is_bootstrap() {
            return None;
        }
        let node = match self.node_to_ask(client, &cluster, now) {
            Ok(node) => node,
            Err(again) => {
                self.no_node_until = again;
                return None;
            }
        };
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
            enable_2pc: false,
            keep_prepared: false,
        };
        let expect = Expect::AnswerWithin(self.settings.request_timeout);
        self.transaction.producer_id_requested();
        self.last_request += 1;
        let context = InitProducerIdContext { number: self.last_request };
        Some(ClientRequest { node, request, expect, context })
    }

    /// Another broker than the last one, as long as there is any: one that is only starting, or does not answer, would be
    /// asked for ever where it is the only one that is connected. It is asked again where the others cannot be yet; one that
    /// has refused is not before all have.
    fn node_to_ask<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        cluster: &Cluster,
        now: Instant,
    ) -> Result<i32, Option<Instant>> {
        if cluster.nodes().all(|node| self.refused_by.contains(&node.id())) {
            self.refused_by.clear();
        }
        let is_willing = |node: i32| !self.refused_by.contains(&node);
        let in_vain = &mut self.asked_in_vain;
        if cluster.nodes().map(Node::id).filter(|id| is_willing(*id)).all(|id| in_vain.contains(&id)) {
            in_vain.clear();
        }
        let is_untried = |node: i32| is_willing(node) && !in_vain.contains(&node);
        match client.any_ready_node(cluster, is_untried, now) {
            Err(_) if !in_vain.is_empty() => client.any_ready_node(cluster, is_willing, now),
            found => found,
        }
    }

    /// A request for a producer id is over.
    pub(super) fn answered(
        &mut self,
        context: InitProducerIdContext,
        answer: ClientResponse<InitProducerIdContext>,
        now: Instant,
    ) -> Effects {
        // A newer one has gone, or none is wanted any more of the cluster that this one went to.
        let is_outdated = context.number != self.last_request || !self.transaction.is_producer_id_requested();
        let node = answer.node;
        let response = match answer.response {
            _ if is_outdated => return Effects::none(),
            Ok(response) => response,
            // Told of where it happened.
            Err(failure) => return self.failed(node, &failure.error, now),
        };
        let (id, epoch) = (response.producer_id, response.producer_epoch);
        let is_given = response.error_code.is_none() && id >= 0 && epoch >= 0;
        if !is_given {
            let error = match response.error_code.is_none() {
                // Without an id, or an epoch to count on, batches would go as if idempotence were off.
                true => no_such_producer(id, epoch),
                false => Error::from_code(response.error_code, None),
            };
            let error = error.with_node(node);
            if error.is_retriable() {
                self.warnings.no_producer_id(node, &no_producer_id(&error), now);
            }
            return self.failed(node, &error, now);
        }
        (self.failures, self.refused_by, self.asked_in_vain) = (0, Vec::new(), Vec::new());
        logging::info!("producer id {id}, epoch {epoch}, {}", Within(&self.metadata.cluster()));
        self.transaction.producer_id_received(id, epoch);
        self.warnings.producer_id(now);
        Effects { sequences_changed: true, ..Effects::none() }
    }

    /// A passing failure is waited out, and another broker asked. A refusal fails what waits; a broker that is only too old leaves it to others.
    fn failed(&mut self, node: i32, error: &Error, now: Instant) -> Effects {
        let refusal = no_producer_id(error);
        self.heard.error(refusal.clone(), now);
        let again = now + self.retry_backoff.after(self.failures, &mut self.random);
        let again = if planted(Defect::IdsAtOnce) { now } else { again };
        self.failures = self.failures.saturating_add(1);
        if error.is_retriable() {
            if !self.asked_in_vain.contains(&node) {
                self.asked_in_vain.push(node);
            }
            self.transaction.producer_id_failed(again);
            return Effects::none();
        }
        self.refused_by.push(node);
        let is_untried = |node: i32| !self.refused_by.contains(&node);
        let others = self.metadata.cluster().nodes().any(|node| is_untried(node.id()));
        if others && error.kind() == ErrorKind::UnsupportedVersion {
            logging::debug!("{error}; another broker is asked");
            self.transaction.producer_id_failed(now);
            return Effects::none();
        }
        self.transaction.producer_id_refused(again);
        self.warnings.no_producer_id(node, &refusal, now);
        Effects { no_producer_id: Some(refusal), ..Effects::none() }
    }

    /// Carries out the epoch bumps that were asked for: the partitions' outstanding batches are numbered anew. Returns
    /// whether there were any.
    pub(super) fn renew_epoch(&mut self, drain: &mut Drain, now: Instant) -> bool {
        let before = self.transaction.epoch();
        let renewed = self.transaction.bump_epoch(|index| !drain.is_fate_unknown(index));
        for index in &renewed {
            let outstanding = drain.outstanding(*index).into_iter();
            for batch in outstanding.filter(|_| !planted(Defect::OldNumbersStay)) {
                batch.assign(self.transaction.next_stamp(*index, batch.count()));
            }
        }
        let epoch = self.transaction.epoch();
        if let Some(epoch) = epoch.filter(|epoch| before.is_some_and(|old| old != *epoch)) {
            self.warnings.new_epoch(epoch, now);
        }
        !renewed.is_empty()
    }
}

/// What it means that there is none, with the error in it that says why.
fn no_producer_id(error: &Error) -> Error {
    let text = format!("no producer id, which enable.idempotence=true needs: {error}");
    let wrapped = Error::new(error.kind(), text).with_source(error.clone());
    error.code().map_or(wrapped.clone(), |code| wrapped.with_code(code))
}

fn no_such_producer(id: i64, epoch: i16) -> Error {
    let text =
        format!("InitProducerId was answered with producer id {id}, epoch {epoch}, which no producer has");
    Error::new(ErrorKind::Network, text).with_code(ErrorCode::NETWORK_EXCEPTION)
}

/// `in the cluster "uSq2…"`.
struct Within<'a>(&'a Cluster);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cluster_id {
            Some(id) => write!(f, "in the cluster \"{}\"", id.escape_debug()),
            None => f.write_str("in a cluster without an id"),
        }
    }
}
