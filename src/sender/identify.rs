//! The producer id: when one is asked for and of whom, and what follows when it is refused.
//!
//! Owns: the requests for it, how often they failed and who refused. Must not know: how batches are stamped.
//! Holds: whoever is asked belongs to the cluster that the batches go to. A refusal fails what waits for it; the next
//! record asks again, other brokers first, and never more often than the backoff allows.
//! Source: Kafka's `TransactionManager.InitProducerIdHandler`, `Sender.maybeWaitForProducerId` (KAFKA-13668).

use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::logging;
use crate::network::{Expect, Network};
use crate::planted::{Defect, planted};
use crate::protocol::InitProducerIdRequest;
use crate::sender::Sender;
use crate::sender::note::Note;
use crate::transaction::Due;

impl<N: Network> Sender<N> {
    /// When a producer id is to be asked for that was refused or did not come; none where it is due already, or nobody
    /// waits for it.
    pub(super) fn producer_id_due(&self) -> Option<Instant> {
        match self.transaction.producer_id_due() {
            Due::At(time) => Some(time),
            Due::WhenNeeded(time) => Some(time).filter(|_| !self.drain.is_empty()),
            Due::Now | Due::Never => None,
        }
    }

    /// Asks for a producer id if idempotence needs one, and once it is known who belongs to the cluster.
    pub(super) fn identify(&mut self, now: Instant) {
        match self.transaction.producer_id_due() {
            Due::Now => {}
            Due::At(time) if time <= now => {}
            Due::WhenNeeded(time) if time <= now && !self.drain.is_empty() => {}
            Due::At(_) | Due::WhenNeeded(_) | Due::Never => return,
        }
        let cluster = self.metadata.cluster();
        if cluster.is_bootstrap() {
            return;
        }
        if cluster.nodes().all(|node| self.identification.refused_by.contains(&node.id())) {
            self.identification.refused_by.clear();
        }
        let refused_by = std::mem::take(&mut self.identification.refused_by);
        let node = self.any_ready_node(now, |node| !refused_by.contains(&node));
        self.identification.refused_by = refused_by;
        let Some(node) = node else { return };
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
        };
        let expect = Expect::AnswerWithin(self.settings.request_timeout);
        self.transaction.producer_id_requested();
        self.identification.request += 1;
        let number = self.identification.request;
        let note = Note::InitProducerId(number);
        if let Err((_, error)) = self.client.send(node, &request, expect, note, now) {
            self.producer_id_failed(node, number, error, now);
        }
    }

    pub(super) fn producer_id_answered(
        &mut self,
        node: i32,
        request: u64,
        version: i16,
        frame: &[u8],
        now: Instant,
    ) {
        let response = match self.client.read::<InitProducerIdRequest>(node, version, frame, now) {
            Ok(response) => response,
            Err(error) => return self.producer_id_failed(node, request, error, now),
        };
        if !response.error_code.is_none() {
            let error = Error::from_code(response.error_code, None).with_node(node);
            return self.producer_id_denied(node, request, error, now);
        }
        if response.producer_id < 0 || response.producer_epoch < 0 {
            // Without an id, or an epoch to count on, batches would go as if idempotence were off.
            let (id, epoch) = (response.producer_id, response.producer_epoch);
            let text = format!(
                "InitProducerId was answered with producer id {id}, epoch {epoch}, which no producer has"
            );
            let error =
                Error::new(ErrorKind::Network, text).with_code(ErrorCode::NETWORK_EXCEPTION).with_node(node);
            return self.producer_id_denied(node, request, error, now);
        }
        if self.is_outdated(request) {
            return;
        }
        (self.identification.failures, self.identification.refused_by) = (0, Vec::new());
        let (id, epoch) = (response.producer_id, response.producer_epoch);
        logging::info!("producer id {id}, epoch {epoch}, {}", self.home);
        self.transaction.producer_id_received(id, epoch);
        self.gate_changed = true;
        self.troubles.producer_id(now);
    }

    /// A broker has answered, and not with a producer id. Failures of connections are told of where they happen.
    fn producer_id_denied(&mut self, node: i32, request: u64, error: Error, now: Instant) {
        if error.is_retriable() && !self.is_outdated(request) {
            self.troubles.no_producer_id(&no_producer_id(&error), now);
        }
        self.producer_id_failed(node, request, error, now);
    }

    /// Whether a newer request has gone, or none is wanted any more of the cluster that this one went to.
    fn is_outdated(&self, request: u64) -> bool {
        request != self.identification.request || !self.transaction.is_producer_id_requested()
    }

    /// A passing failure is waited out. A refusal fails what waits; a broker that is only too old leaves it to others.
    pub(super) fn producer_id_failed(&mut self, node: i32, request: u64, error: Error, now: Instant) {
        if self.is_outdated(request) {
            return;
        }
        let refusal = no_producer_id(&error);
        self.metadata.note_error(refusal.clone(), now);
        let again = now + self.settings.retry_backoff.after(self.identification.failures, &mut self.random);
        let again = if planted(Defect::IdsAtOnce) { now } else { again };
        self.identification.failures = self.identification.failures.saturating_add(1);
        if error.is_retriable() {
            return self.transaction.producer_id_failed(again);
        }
        self.identification.refused_by.push(node);
        let is_untried = |node: i32| !self.identification.refused_by.contains(&node);
        let others = self.metadata.cluster().nodes().any(|node| is_untried(node.id()));
        if others && error.kind() == ErrorKind::UnsupportedVersion {
            logging::debug!("{error}; another broker is asked");
            return self.transaction.producer_id_failed(now);
        }
        self.transaction.producer_id_refused(again);
        self.troubles.no_producer_id(&refusal, now);
        for (index, batch) in self.drain.take_waiting(now) {
            self.fail(index, batch, refusal.clone(), Vec::new(), now);
            self.after_outcome(index, now);
        }
    }

    /// Carries out the epoch bumps that were asked for: the partitions' outstanding batches are numbered anew.
    pub(super) fn renew_epoch(&mut self, now: Instant) {
        let drain = &self.drain;
        let before = self.transaction.epoch();
        for index in self.transaction.bump_epoch(|index| !drain.is_fate_unknown(index)) {
            for batch in
                self.drain.outstanding(index).into_iter().filter(|_| !planted(Defect::OldNumbersStay))
            {
                batch.assign(self.transaction.next_stamp(index, batch.count()));
            }
            self.gate_changed = true;
        }
        if let Some(epoch) = self.transaction.epoch().filter(|epoch| before.is_some_and(|old| old != *epoch))
        {
            self.troubles.new_epoch(epoch, now);
        }
    }
}

/// What it means that there is none, with the error in it that says why.
fn no_producer_id(error: &Error) -> Error {
    let text = format!("no producer id, which enable.idempotence=true needs: {error}");
    let wrapped = Error::new(error.kind(), text).with_source(error.clone());
    error.code().map_or(wrapped.clone(), |code| wrapped.with_code(code))
}
