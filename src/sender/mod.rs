//! `Sender`: the one loop on the one thread: drains the accumulator, asks the brokers, and carries out what follows.
//!
//! Owns: everything that only this thread touches. Must not know: serializers, partitioners, the caller's handles.
//! Threads: the sender thread. Time and randomness come in as arguments, sockets through `Network`, so that the whole of
//! it runs under simulation as well.
//! Holds: every batch that was taken from a queue is settled exactly once; nothing here waits but `NetworkClient::poll`.
//! Source: Kafka's `Sender`.

mod absent;
mod assembly;
mod bootstrap;
#[cfg(any(test, feature = "simulation"))]
mod census;
mod control;
mod heard;
mod home;
mod identification;
mod identify;
mod moving;
mod note;
mod produce;
mod rebootstrap;
mod trouble;
mod upkeep;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accumulator::{Drain, DrainRules, Expired, Fate, LeaderRules, Leaders, RecordAccumulator};
use crate::backoff::ExponentialBackoff;
use crate::completion::BatchOutcome;
use crate::config::{ClusterChange, MetadataRecoveryStrategy};
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::metadata::Metadata;
use crate::network::{Network, NetworkClient, Outcome, Readiness};
use crate::planted::{Defect, planted};
use crate::transaction::TransactionManager;

use absent::Absences;
pub(crate) use assembly::{Assembly, assemble};
pub(crate) use bootstrap::Bootstrap;
use control::End;
pub(crate) use control::{Control, Counts};
pub(crate) use heard::Heard;
use home::Home;
use identification::Identification;
use note::Note;
use trouble::Troubles;

/// The settings that the sender's own decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct SenderSettings {
    /// `acks` as on the wire: 0, 1, -1.
    pub(crate) acks: i16,
    pub(crate) enable_idempotence: bool,
    pub(crate) retries: u32,
    pub(crate) request_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) linger: Duration,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) retry_backoff: ExponentialBackoff,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) leaders: LeaderRules,
    pub(crate) metadata_recovery: MetadataRecoveryStrategy,
    pub(crate) rebootstrap_trigger: Duration,
    pub(crate) cluster_change: ClusterChange,
}

pub(crate) struct Sender<N: Network> {
    settings: SenderSettings,
    client: NetworkClient<N, Note>,
    accumulator: Arc<RecordAccumulator>,
    drain: Drain,
    leaders: Leaders,
    metadata: Arc<Metadata>,
    transaction: TransactionManager,
    control: Arc<Control>,
    /// Where to begin, and to begin again.
    bootstrap: Bootstrap,
    home: Home,
    absences: Absences,
    identification: Identification,
    random: fastrand::Rng,
    troubles: Troubles,
    outcomes: Vec<Outcome<Note>>,
    /// Something has changed that may let held-back partitions go.
    gate_changed: bool,
    closing: bool,
    /// How many more answers count as awaited.
    awaited: u8,
    /// Everything that brokers had sent up to this time was read: what depends on their answers is late by this clock.
    heard: Option<Instant>,
    /// Who answered anything last, and when.
    answered: Option<(i32, Instant)>,
    /// From when to when the user's code last kept this thread from everything else for long.
    held_up: Option<(Instant, Instant)>,
    /// When a broker may be tried again, where none could be asked.
    nobody_until: Option<Instant>,
}

/// Whoever begins to wait makes his answer worth some polling, and the moment after it: he may send again.
const AWAITED_ANSWERS: u8 = 2;

/// Callbacks that take less hold up nothing that an error has to tell of.
const LONG: Duration = Duration::from_millis(100);

impl<N: Network> Sender<N> {
    pub(crate) fn new(
        settings: SenderSettings,
        client: NetworkClient<N, Note>,
        shared: (Arc<RecordAccumulator>, Arc<Metadata>, Arc<Control>),
        bootstrap: Bootstrap,
        random: fastrand::Rng,
    ) -> Sender<N> {
        let (accumulator, metadata, control) = shared;
        let rules = DrainRules {
            linger: settings.linger,
            delivery_timeout: settings.delivery_timeout,
            mute: settings.max_in_flight == 1,
        };
        metadata.publish_beginning(metadata.beginning(bootstrap.servers()));
        Sender {
            drain: Drain::new(Arc::clone(&accumulator), rules),
            leaders: Leaders::new(settings.leaders.clone()),
            transaction: TransactionManager::new(settings.enable_idempotence),
            settings,
            client,
            accumulator,
            metadata,
            control,
            bootstrap,
            home: Home::default(),
            absences: Absences::default(),
            identification: Identification::default(),
            random,
            troubles: Troubles::new(),
            outcomes: Vec::new(),
            gate_changed: false,
            closing: false,
            awaited: 0,
            heard: None,
            answered: None,
            held_up: None,
            nobody_until: None,
        }
    }

    /// Runs until the producer is closed and everything is answered, or its time is up; or until a callback has forked and
    /// this is the child, which must touch nothing more.
    pub(crate) fn run(&mut self, start: Instant) -> Instant {
        let mut now = start;
        while !self.accumulator.inbox().is_forked() && !self.is_done(now) {
            now = self.run_once(now);
        }
        now
    }

    /// One turn. Returns the time after its wait for the network.
    pub(crate) fn run_once(&mut self, now: Instant) -> Instant {
        self.drain.collect(now);
        let now = self.expire(now);
        self.renew_epoch(now);
        self.nobody_until = None;
        if std::mem::take(&mut self.gate_changed) {
            self.drain.look_at_held_back(now);
        }
        let node_deadline = self.send_ready(now);
        let now = self.fail_lost(now);
        self.look_up(now);
        // Not before: what is ready may lack a leader.
        self.refresh_metadata(now);
        // After the metadata: an answer that does not come holds up all behind it.
        self.identify(now);
        let until = self.next_deadline(node_deadline, now);
        if self.accumulator.inbox().take_awaited() {
            self.awaited = AWAITED_ANSWERS;
        }
        self.client.set_awaited(self.awaited > 0);
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let mut now = self.wait(now, until, &mut outcomes);
        self.heard = Some(now);
        for outcome in outcomes.drain(..) {
            self.settle(outcome, now);
            now = self.after_callbacks(now);
        }
        self.outcomes = outcomes;
        now
    }

    /// Waits for the network. Memory that callers wait for is handed on before the thread sleeps.
    fn wait(&mut self, now: Instant, until: Option<Instant>, outcomes: &mut Vec<Outcome<Note>>) -> Instant {
        let mut now = now;
        if self.accumulator.pool().holds_back() {
            now = self.client.poll(now, Some(now), outcomes);
            if !outcomes.is_empty() {
                return now;
            }
            self.accumulator.pool().serve_waiters();
        }
        // Right before the sleep: a look at the network in between would take the wake-up that belongs to it.
        let until = if self.accumulator.inbox().fall_asleep(until) { until } else { Some(now) };
        let now = self.client.poll(now, until, outcomes);
        self.accumulator.inbox().awake();
        now
    }

    /// Whether the loop is over: closed, and nothing left or no time left.
    pub(crate) fn is_done(&mut self, now: Instant) -> bool {
        let Some(end) = self.control.closing() else { return false };
        if !self.closing {
            self.closing = true;
            self.accumulator.close_queues();
            self.drain.collect(now);
            self.drain.close(now);
        }
        match end {
            End::Now => true,
            End::By(_) if planted(Defect::CloseForgets) => true,
            End::By(deadline) => deadline.is_some_and(|deadline| now >= deadline) || self.drain.is_empty(),
        }
    }

    /// Fails what is left and lets go of everything.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.accumulator.close();
        self.accumulator.close_queues();
        self.drain.collect(now);
        let closed =
            Error::new(ErrorKind::Closed, "the producer was closed before the record was acknowledged");
        for expired in self.drain.abort(now) {
            self.give_up(expired, &closed, true, now);
        }
        self.metadata.close(Error::closed());
        self.accumulator.inbox().close();
        self.client.close(now);
    }

    fn settle(&mut self, outcome: Outcome<Note>, now: Instant) {
        match outcome {
            Outcome::Answered { node, note, version, frame, sent_at } => {
                self.awaited = self.awaited.saturating_sub(1);
                self.answered = Some((node, now));
                logging::trace!("broker {node} answered after {:?}", now.saturating_duration_since(sent_at));
                match note {
                    Note::Produce(note) => self.produce_answered(node, note, version, &frame, now),
                    Note::Metadata => self.metadata_answered(node, version, frame, now),
                    Note::InitProducerId(request) => {
                        self.producer_id_answered(node, request, version, &frame, now);
                    }
                }
            }
            Outcome::Written { node, note } => {
                if let Note::Produce(note) = note {
                    self.produce_written(node, note, now);
                }
            }
            Outcome::Failed { node, note, failure, written, error } => {
                logging::debug!("broker {node}: {failure:?}: {error}");
                match note {
                    Note::Produce(note) => self.produce_failed(node, note, written, &error, now),
                    Note::Metadata => self.metadata.failed(error, now, &mut self.random),
                    Note::InitProducerId(request) => self.producer_id_failed(node, request, error, now),
                }
            }
            Outcome::Bootstrapped(servers) => self.looked_up(servers, now),
            Outcome::Connected { node } => {
                logging::debug!("connected to broker {node}");
                // No batch goes to a server to begin with.
                if self.home.connected(node) && node >= 0 && self.minds_the_cluster() {
                    self.metadata.hurry();
                }
            }
            // No batch went to a server to begin with.
            Outcome::Closed { node } => {
                if node >= 0 {
                    self.home.lost();
                }
            }
            Outcome::Disconnected { node, error } => {
                let error = if node >= 0 { error.with_node(node) } else { error };
                self.metadata.note_error(error, now);
                self.metadata.lost(node);
                self.home.lost();
                self.metadata.request_update();
            }
        }
    }

    /// Sends to every broker that can take something. Returns when to try those again that have to wait.
    fn send_ready(&mut self, now: Instant) -> Option<Instant> {
        let mut wake: Option<Instant> = None;
        let heard = self.heard(now);
        let cluster = self.metadata.cluster();
        let nodes: Vec<i32> = self.drain.ready_nodes().collect();
        for id in nodes {
            let Some(node) = cluster.node(id) else {
                self.metadata.request_update();
                continue;
            };
            loop {
                let readiness = self.client.ready(node, now);
                self.leaders.update_latency(id, matches!(readiness, Readiness::Ready), heard);
                match readiness {
                    Readiness::Ready if self.minds_the_cluster() && self.home.is_unconfirmed(id) => {
                        self.metadata.request_update();
                        break;
                    }
                    Readiness::Ready => {
                        let most = self.settings.max_request_size;
                        let drained = self.drain.drain(id, most, now, &mut self.transaction);
                        if drained.is_empty() {
                            break;
                        }
                        self.send_produce(id, drained, now);
                    }
                    Readiness::NotBefore(time) => {
                        wake = Some(wake.map_or(time, |wake| wake.min(time)));
                        break;
                    }
                    Readiness::Waiting => break,
                }
            }
        }
        for (topic, _) in self.drain.leaderless() {
            self.metadata.need(topic);
        }
        self.gate_changed |= self.transaction.take_bump_news();
        wake
    }

    /// Fails the batches that could not be sealed. Their records are gone, and the queue goes on behind them. Returns the
    /// time after it, as `expire`.
    fn fail_lost(&mut self, now: Instant) -> Instant {
        let lost = self.drain.take_lost();
        if lost.is_empty() {
            return now;
        }
        for (index, batch) in lost {
            let text =
                "the batch could not be put together: that panicked, which is a defect of this library";
            self.fail(index, batch, Error::new(ErrorKind::Bug, text), Vec::new(), now);
            self.after_outcome(index, now);
        }
        self.after_callbacks(now)
    }

    /// The time up to which everything was read that brokers had sent.
    fn heard(&self, now: Instant) -> Instant {
        self.heard.unwrap_or(now)
    }

    /// Gives up what is too late. Returns the time after it: callbacks may have run.
    fn expire(&mut self, now: Instant) -> Instant {
        let expired = self.drain.expire(now, self.heard(now));
        if expired.is_empty() {
            return now;
        }
        let limit = self.settings.delivery_timeout.as_millis();
        let text = format!("not acknowledged within delivery.timeout.ms={limit}");
        for expired in expired {
            let index = expired.index;
            self.give_up(expired, &Error::new(ErrorKind::Timeout, text.as_str()), false, now);
            self.after_outcome(index, now);
        }
        self.after_callbacks(now)
    }

    /// The time after callbacks that may have run since `begun`. They are the user's, and may have taken theirs.
    fn after_callbacks(&mut self, begun: Instant) -> Instant {
        let now = self.client.now();
        if now.saturating_duration_since(begun) >= LONG {
            let first = self.held_up.filter(|(_, end)| *end == begun).map_or(begun, |(first, _)| first);
            self.held_up = Some((first, now));
        }
        now
    }

    /// For how long callbacks have kept this thread from a record that is there since `created`, if that was most of its
    /// time.
    fn held_up(&self, created: Instant, now: Instant) -> Option<Duration> {
        let (first, end) = self.held_up?;
        let time = end.saturating_duration_since(first.max(created));
        (time >= LONG && time * 2 >= now.saturating_duration_since(created)).then_some(time)
    }

    /// Ends a batch without an answer from a broker.
    fn give_up(&mut self, expired: Expired, error: &Error, abandoned: bool, now: Instant) {
        let Expired { index, fate } = expired;
        let sent = match &fate {
            Fate::Whole(batch) => batch.was_doubtful(),
            Fate::InFlight { .. } => true,
        };
        if sent || matches!(&fate, Fate::Whole(batch) if batch.stamp().is_some()) {
            self.transaction.mark_unresolved(index);
        }
        let (attempts, created, last) = match &fate {
            Fate::Whole(batch) => (batch.attempts(), batch.created(), batch.last_error().cloned()),
            Fate::InFlight { attempts, created, last_error, .. } => (*attempts, *created, last_error.clone()),
        };
        let last = last.or_else(|| self.metadata.last_error(created));
        let error = self.in_place(index, error.clone(), (last, created), now);
        let error = error
            .with_attempts(attempts)
            .with_elapsed(now.saturating_duration_since(created))
            .with_possibly_written(sent && !planted(Defect::ExpiredIsNotThere));
        let outcome = BatchOutcome::Failed { error, records: Vec::new() };
        let counter = if abandoned { &self.control.abandoned } else { &self.control.failed };
        match fate {
            Fate::Whole(batch) => {
                counter.fetch_add(u64::from(batch.count()), std::sync::atomic::Ordering::Relaxed);
                batch.settle(outcome, self.accumulator.pool());
            }
            Fate::InFlight { completion, count, .. } => {
                counter.fetch_add(u64::from(count), std::sync::atomic::Ordering::Relaxed);
                completion.settle(outcome);
            }
        }
    }

    /// Puts topic, partition, what was last heard, and what is waited for, into an error.
    fn in_place(
        &self,
        index: usize,
        error: Error,
        (last, created): (Option<Error>, Instant),
        now: Instant,
    ) -> Error {
        let cluster = self.metadata.cluster();
        let leader = self.drain.leader(index).and_then(|id| cluster.node(id));
        let since = |time: Instant| now.saturating_duration_since(time.max(created));
        let answered = self.answered.filter(|(_, at)| *at >= created);
        let no_leader = self.drain.name(index).map(|(topic, partition)| cluster.no_leader(topic, partition));
        let heard = Heard {
            last,
            leaderless: self.drain.leaderless_since(index).map(since).zip(no_leader),
            throttled: leader.and_then(|leader| self.client.throttled(leader, now)),
            held_up: self.held_up(created, now),
            waited_for: leader.and_then(|leader| self.client.waited_for(leader, now)),
            answered: answered.map(|(node, at)| (node, since(at))),
        };
        let error = match self.drain.absence(index) {
            Some(absent) => error.with_remark(&absent.to_string()),
            None => error,
        };
        let error = heard.explain(error);
        match self.drain.name(index) {
            Some((topic, partition)) => error.with_topic(topic).with_partition(partition),
            None => error,
        }
    }

    /// Something of this partition has been answered or given up: others may go now.
    fn after_outcome(&mut self, index: usize, now: Instant) {
        if self.transaction.is_unresolved(index) && !self.drain.has_outstanding(index) {
            self.transaction.resolve(index);
        }
        self.gate_changed |= self.transaction.is_idempotent() && !planted(Defect::GateStaysShut);
        self.drain.revisit(index, now);
    }

    fn next_deadline(&self, node_deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let closing = match self.control.closing() {
            // The last ones may have expired in this turn.
            Some(End::By(_)) if self.drain.is_empty() => Some(now),
            Some(End::By(deadline)) => deadline,
            Some(End::Now) => Some(now),
            None => None,
        };
        let upkeep = self.upkeep_due(now);
        // What failed on its way to the network may have held others back, and nothing will come that tells of it.
        let gate = self.gate_changed.then_some(now);
        let all = [self.drain.next_deadline(), node_deadline, closing, upkeep, gate];
        all.into_iter().flatten().min()
    }
}
