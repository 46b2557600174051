//! `World`: a producer and its cluster, put together as the real ones are, and driven turn by turn.
//!
//! Owns: the loop, and what every run must keep to whatever goes wrong: the sender never spins, never sleeps over
//! something, and ends; every call comes back. Must not know: what goes wrong in this run.

use std::cell::RefMut;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender as Channel;
#[cfg(test)]
use kafka_embedded::ClusterRules;
use kafka_embedded::{EmbeddedCluster, EmbeddedClusterBuilder, TopicConfig};

use crate::accumulator::RecordAccumulator;
use crate::config::{Faults, ProducerConfig, Settings};
#[cfg(test)]
use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::network::BootstrapServers;
use crate::network::test_channels::SimulatedChannels;
use crate::producer::CloseParts;
use crate::sender::{Bootstrap, Control, Sender};
use crate::simulation::brokers::Brokers;
use crate::simulation::history::{Delivery, History, Promise, Violation};
use crate::simulation::ledger::{Ledger, LedgerReport};
use crate::simulation::lines::Lines;
use crate::simulation::link_quality::LinkQuality;
use crate::simulation::network::SimulatedNetwork;
use crate::simulation::plan::Step;
use crate::simulation::player::{Act, CallbackDeed, How, TOPICS};
use crate::simulation::program::{Beginning, ClientSide, WorldParts, begin_program};
use crate::simulation::request_bounds::RequestBounds;
use crate::simulation::secured_setup::SecuredSetup;
use crate::simulation::secured_side::{NewestLayer, SecuredSide};
use crate::simulation::slow_code::SlowCode;
use crate::simulation::threads::Threads;
use crate::simulation::trace;
use crate::stage::{self, Clock, Entered, Role};

/// What a run begins with.
pub(super) struct Setup {
    pub(super) seed: u64,
    /// Settings besides the required ones.
    pub(super) properties: Vec<(&'static str, String)>,
    pub(super) cluster: EmbeddedClusterBuilder,
    /// What topics are like that come later.
    pub(super) topic: TopicConfig,
    pub(super) threads: usize,
    pub(super) link_quality: LinkQuality,
    /// What is spoken on connections beside the requests; TLS and SASL come in its place.
    pub(super) channels: SimulatedChannels,
    pub(super) security: Option<SecuredSetup>,
    pub(super) steps: Vec<(Duration, Step)>,
    /// The user's code beside callbacks.
    pub(super) slow_code: SlowCode,
    /// Where nothing goes wrong: how long after its linger each record must be acknowledged.
    pub(super) prompt: Option<Duration>,
    /// How many bytes of key, value and header together are not too large for any topic.
    pub(super) largest: usize,
    /// In the end nothing goes wrong any more.
    pub(super) recovers: bool,
    /// Somebody has subscribed to the producer's metrics.
    pub(super) is_subscribed: bool,
    /// Its history is told on the standard error output.
    pub(super) is_told: bool,
}

pub(super) struct World {
    pub(super) settings: Settings,
    /// Of programs that have crashed.
    pub(super) past: LedgerReport,
    /// What each program is made of.
    pub(super) client: ClientSide,
    pub(super) random: fastrand::Rng,
    /// None once it has ended.
    pub(super) sender: Option<Sender<Lines>>,
    /// Dropped when the sender has ended.
    pub(super) alive: Option<Channel<Infallible>>,
    /// What the sender's thread does last.
    pub(super) close_parts: Option<CloseParts>,
    pub(super) lines: Lines,
    pub(super) ledger: Arc<Ledger>,
    pub(super) accumulator: Arc<RecordAccumulator>,
    pub(super) control: Arc<Control>,
    pub(super) threads: usize,
    pub(super) origin: Instant,
    now: Instant,
    slack: Duration,
    /// What the user's code takes, in all.
    users_time: Duration,
    prompt: Option<Duration>,
    largest: usize,
    /// How many requests begin a connection.
    handshake_requests: u32,
    /// Nothing goes wrong at the end, and the first thread still has a handle.
    recovers: bool,
    is_subscribed: bool,
    pub(super) turns: u64,
    /// Turns since time last moved.
    pub(super) still: u32,
    _stage: Entered,
}

impl Setup {
    /// Three brokers, a topic with some partitions, one thread, and nothing that goes wrong.
    pub(super) fn calm(partitions: i32) -> Setup {
        Setup {
            seed: 0,
            properties: Vec::new(),
            cluster: EmbeddedCluster::builder().brokers(3).topic(TOPICS[0], partitions),
            topic: TopicConfig::new(partitions),
            threads: 1,
            link_quality: LinkQuality::calm(),
            channels: SimulatedChannels::default(),
            security: None,
            steps: Vec::new(),
            slow_code: SlowCode::default(),
            prompt: None,
            largest: usize::MAX,
            recovers: false,
            is_subscribed: false,
            is_told: false,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Setup {
        self.properties.push((name, value.to_string()));
        self
    }

    pub(super) fn step(mut self, at: Duration, step: Step) -> Setup {
        self.steps.push((at, step));
        self
    }

    /// Records to one partition of the first topic, at one time.
    pub(super) fn send(mut self, at: Duration, partition: i32, count: usize) -> Setup {
        let how = How::Callback(CallbackDeed::Nothing);
        let act = Act::Send { topic: 0, partition: Some(partition), size: 100, how };
        self.steps.extend(std::iter::repeat_n((at, Step::Act(0, act)), count));
        self
    }
}

impl Setup {
    /// What the user's code takes, in all.
    fn users_time(&self) -> Duration {
        let time = |(_, step): &(Duration, Step)| match step {
            Step::Act(_, Act::Send { how: How::Callback(CallbackDeed::Slow(time)), .. }) => *time,
            _ => Duration::ZERO,
        };
        self.steps.iter().map(time).sum::<Duration>() + self.slow_code.whole
    }
}

impl World {
    pub(super) fn new(setup: Setup) -> World {
        let mut random = fastrand::Rng::with_seed(setup.seed);
        fastrand::seed(setup.seed); // the keyless logic's choice, in callbacks
        let origin = Instant::now();
        let clock = Clock::new(origin, UNIX_MS);
        trace::begin(setup.is_told.then(|| clock.clone()), setup.slow_code.level);
        setup.slow_code.begin();
        let stage = stage::enter(Role { clock: clock.clone(), baton: None });
        let settings = settings(&setup);
        let ledger = Ledger::new(clock.clone());
        let database = settings.transaction_two_phase_commit_enable.then(Arc::default);
        let ledger = Arc::new(ledger.with_database(database));
        let brokers = brokers(&setup, origin);
        let mut network = SimulatedNetwork::new(brokers, Arc::clone(&ledger), random.fork());
        let mailbox = Mailbox::new(origin, Box::new(network.waker()));
        network.layers.has_envelopes = setup.channels.is_layered;
        network.wire.is_transactional = settings.transactional_id.is_some();
        let newest = secure(&mut network, &setup, &clock);
        let handshake_requests = setup.channels.handshake_requests();
        let bootstrap = bootstrap(&settings, &network);
        let lines = Lines::new(network);
        let (slack, users_time) = (setup.link_quality.slack(), setup.users_time());
        let (channels, security, slow_code) = (setup.channels, setup.security, setup.slow_code);
        let client = ClientSide { lines: lines.clone(), channels, security, newest, slow_code };
        let begin =
            Beginning { mailbox, bootstrap, ledger: &ledger, threads: setup.threads, seed: Some(setup.seed) };
        let parts = begin_program(&settings, client.clone(), begin, &mut random);
        let WorldParts { sender, accumulator, control, alive, close_parts } = parts;
        let world = World {
            settings,
            past: LedgerReport::default(),
            client,
            random,
            sender: Some(sender),
            alive: Some(alive),
            close_parts,
            lines,
            ledger,
            accumulator,
            control,
            threads: setup.threads,
            origin,
            now: origin,
            slack,
            users_time,
            prompt: setup.prompt,
            largest: setup.largest,
            handshake_requests,
            recovers: setup.recovers,
            is_subscribed: setup.is_subscribed,
            turns: 0,
            still: 0,
            _stage: stage,
        };
        let mut steps = vec![(Duration::ZERO, Step::Links(setup.link_quality))];
        steps.extend(setup.steps);
        world.network().plan.extend(origin, steps);
        world.ledger.expect_within(world.promise().within);
        world
    }

    pub(super) fn network(&self) -> RefMut<'_, SimulatedNetwork> {
        self.lines.network()
    }

    #[cfg(test)]
    pub(super) fn with_rules<T>(&self, look: impl FnOnce(&mut ClusterRules) -> T) -> T {
        look(&mut self.network().brokers.rules)
    }

    #[cfg(test)]
    pub(super) fn accumulator(&self) -> &Arc<RecordAccumulator> {
        &self.accumulator
    }

    #[cfg(test)]
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// When the client began, and began again.
    #[cfg(test)]
    pub(super) fn beginnings(&self) -> Vec<Duration> {
        self.network().beginnings.iter().map(|at| *at - self.origin).collect()
    }

    /// Why the producer is of no use any more, if it is not.
    #[cfg(test)]
    pub(super) fn fatal(&self) -> Option<Error> {
        self.control.lifecycle().fatal()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Lets a thread do something now.
    pub(super) fn act(&mut self, act: Act) {
        let now = self.now;
        self.network().plan.push(now, Step::Act(0, act));
        let mut network = self.network();
        network.advance(now);
    }

    /// Whoever still has a handle closes.
    fn close(&mut self) {
        let now = self.now;
        let mut network = self.network();
        for thread in 0..self.threads {
            network.plan.push(now, Step::Act(thread, Act::Close { within: None }));
        }
        network.advance(now);
    }

    /// One turn of the sender, as its thread's loop would take it. False once that loop is over.
    pub(super) fn turn(&mut self) -> Result<bool, String> {
        let goes_on = self.take_turn()?;
        self.succeed();
        Ok(goes_on)
    }

    fn take_turn(&mut self) -> Result<bool, String> {
        let Some(sender) = &mut self.sender else { return Ok(self.wait_for_program()) };
        if sender.is_done(self.now) {
            self.finish();
            return Ok(self.wait_for_program());
        }
        let before = self.now;
        self.now = sender.run_once(before);
        self.turns += 1;
        self.still = if self.now == before { self.still + 1 } else { 0 };
        if self.still > MOST_TURNS_WITHOUT_TIME {
            return Err(format!("the sender spins at {:?}", self.elapsed()));
        }
        let census = sender.census();
        self.lines.network().brokers.client_has_producer_id(census.has_producer_id);
        let taken = self.accumulator.pool().total() - self.accumulator.pool().free();
        if census.reserved > taken && self.control.lifecycle().is_open() {
            return Err(format!(
                "{} bytes are held and {taken} counted at {:?}",
                census.reserved,
                self.elapsed()
            ));
        }
        if self.network().stuck {
            return Err(format!("at {:?} the sender sleeps without end", self.elapsed()));
        }
        Ok(true)
    }

    /// Without a sender: whether the program begins again some time.
    fn wait_for_program(&mut self) -> bool {
        let begins_again = self.is_transactional() && !self.network().plan.is_over();
        if begins_again {
            self.network().wait_for_program();
            let now = self.network().now;
            self.now = now;
        } else {
            self.network().give_all_that_is_left();
        }
        begins_again
    }

    /// The sender's thread ends.
    fn finish(&mut self) {
        if let Some(mut sender) = self.sender.take() {
            sender.finish(self.now);
            drop(sender);
            self.close_parts.take().into_iter().for_each(|close| close());
            self.alive = None;
        }
    }

    /// Runs until everything that was planned has happened and is answered.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let (mut progress, mut progressed) = (self.ledger.progress(), self.now);
        while self.turn()? {
            let is_over = self.network().plan.is_over();
            if is_over && self.is_idle() && self.ledger.is_all_answered() {
                break;
            }
            if self.ledger.progress() != progress || !is_over {
                (progress, progressed) = (self.ledger.progress(), self.now);
            }
            let longest = self.settings.delivery_timeout.max(self.settings.max_block);
            if self.now - progressed > longest + self.slack * 2 + self.users_time + Duration::from_secs(60) {
                return Err(format!("at {:?} somebody still waits", self.elapsed()));
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.network().threads.as_ref().is_none_or(Threads::is_idle)
    }

    /// Runs for some time.
    #[cfg(test)]
    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.rest(time)
    }

    /// Closes if that has not happened, and tells all that is known.
    pub(super) fn end(mut self) -> Result<History, String> {
        if self.control.lifecycle().is_open() || (self.recovers && self.is_transactional()) {
            self.settle()?;
        } else if let Some(error) = self.control.lifecycle().fatal().filter(|_| self.recovers) {
            let text = error.to_string();
            self.network().remarks.push(Violation::Stuck(text));
        }
        if self.sender.is_some() {
            let lifecycle = self.control.lifecycle();
            let (closing, was_closed) = (self.now, !lifecycle.is_open() && lifecycle.fatal().is_none());
            self.close();
            while self.turn()? {}
            let is_at_rest = !was_closed && !self.is_transactional();
            if is_at_rest && self.now - closing > self.slack * 2 + self.users_time + Duration::from_secs(1) {
                return Err(format!("closing took {:?} though there was nothing to do", self.now - closing));
            }
        }
        let mut network = self.network();
        network.advance(self.now);
        if !network.threads.as_ref().is_none_or(Threads::is_idle) {
            // The user's code on a thread that sends may not have come to its end yet.
            network.advance(self.now + self.users_time);
        }
        if !network.threads.as_ref().is_none_or(Threads::is_idle) {
            return Err("a call does not come back though the producer is closed".to_owned());
        }
        let panicked = network.threads.take().map(|mut threads| threads.end()).unwrap_or_default();
        network.remarks.extend(panicked.into_iter().map(Violation::Panicked));
        drop(network);
        self.bounds().check(&mut self.network());
        self.past.join(self.ledger.report());
        let LedgerReport { records, refused, calls, flushes, book } = std::mem::take(&mut self.past);
        let mut network = self.network();
        let insecure = network.layers.take_remarks();
        network.remarks.extend(insecure);
        let (logs, mut remarks) = (network.brokers.logs(), network.remarks.clone());
        remarks.extend(network.wire.remarks.iter().chain(&network.wire.logins.remarks).cloned());
        remarks.extend(
            records.iter().filter_map(|record| network.observer.untrue(record)).map(Violation::Untrue),
        );
        remarks.extend(self.ledger.remarks());
        let is_settled = self.recovers && self.is_transactional();
        let transactions = network.transactions(book, is_settled);
        drop(network);
        Ok(History { promise: self.promise(), records, refused, calls, flushes, logs, transactions, remarks })
    }

    /// Answers may still be on their way for what was given up; then all memory is back, and what nobody needs is gone.
    fn settle(&mut self) -> Result<(), String> {
        if self.recovers && self.is_transactional() {
            self.probe_transactions()?;
        } else if self.recovers {
            self.probe()?;
        }
        let last = self.settings.request_timeout + self.slack * 2 + Duration::from_secs(1);
        let deadline = self.now + last;
        let total = self.accumulator.pool().total();
        self.network().plan.push(deadline, Step::Act(0, Act::Get { within: Some(Duration::ZERO) }));
        while self.now < deadline && self.accumulator.pool().free() < total && self.turn()? {}
        let kept = total - self.accumulator.pool().free();
        if kept > 0 {
            self.network().remarks.push(Violation::MemoryKept(kept));
        }
        let Some(census) = self.sender.as_ref().map(Sender::census) else { return Ok(()) };
        let mut network = self.network();
        let bounds = [
            ("timers", census.timers, census.partitions),
            ("sequences", census.sequences, census.partitions.max(network.brokers.most_partitions)),
            ("partitions", census.partitions, network.brokers.most_partitions),
            ("peers", census.peers, MOST_PEERS + 3 * self.peers_beside()),
        ];
        let found = bounds.into_iter().filter(|(_, count, bound)| count > bound);
        network.remarks.extend(found.map(|(what, count, _)| Violation::StateKept(what, count)));
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn rest(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        self.network().plan.push(end, Step::Act(0, Act::Get { within: Some(Duration::ZERO) }));
        while self.now < end && self.turn()? {}
        Ok(())
    }

    fn is_transactional(&self) -> bool {
        self.settings.transactional_id.is_some()
    }

    /// How many connections each broker may have beside that for records.
    fn peers_beside(&self) -> usize {
        usize::from(self.is_transactional()) + usize::from(self.is_subscribed)
    }

    fn bounds(&self) -> RequestBounds<'_> {
        let is_calm = self.prompt.is_some() && self.largest == usize::MAX;
        let handshake_requests = self.handshake_requests * (1 + self.peers_beside() as u32);
        RequestBounds { settings: &self.settings, handshake_requests, is_calm }
    }

    fn promise(&self) -> Promise {
        let settings = &self.settings;
        let delivery = match settings.acks.wire() {
            _ if settings.enable_idempotence => Delivery::ExactlyOnce,
            0 => Delivery::Unknown,
            _ => Delivery::AtLeastOnce,
        };
        let one_by_one = settings.max_in_flight_requests_per_connection == 1;
        let ordered = delivery == Delivery::ExactlyOnce || (delivery != Delivery::Unknown && one_by_one);
        // A look at the network without sleep may come between, and be late as well.
        let longest = settings.delivery_timeout + self.slack * 2 + Duration::from_millis(1);
        let within = self.prompt.map_or(longest, |prompt| longest.min(settings.linger + prompt));
        let within = within + self.users_time;
        let flushed_within = within + self.slack;
        let slack = self.slack * 2 + self.users_time + Duration::from_millis(2);
        let (sound, largest) = (self.prompt.is_some(), self.largest);
        Promise { delivery, ordered, sound, largest, within, flushed_within, slack }
    }
}

/// Secures the network, if the setup says so.
fn secure(network: &mut SimulatedNetwork, setup: &Setup, clock: &Clock) -> NewestLayer {
    let newest = NewestLayer::default();
    let Some(security) = &setup.security else { return newest };
    security.identity.begin(clock, UNIX_MS);
    if let Some(mechanism) = security.mechanism {
        let slack = setup.link_quality.slack() + setup.users_time();
        network.wire.logins.begin(mechanism, &security.identity, clock, slack);
    }
    network.secured = Some(SecuredSide::new(security.clone(), clock, Arc::clone(&newest)));
    newest
}

fn brokers(setup: &Setup, origin: Instant) -> Brokers {
    let mut rules = setup.cluster.clone().rules(origin, UNIX_MS).expect("a sound cluster");
    for broker in rules.brokers().collect::<Vec<_>>() {
        rules.set_address(broker, SimulatedNetwork::host(broker, 0), SimulatedNetwork::PORT);
    }
    Brokers::new(rules, setup.topic.clone())
}

pub(super) fn bootstrap(settings: &Settings, network: &SimulatedNetwork) -> Bootstrap {
    let patience = settings.bootstrap_resolve_timeout;
    if patience.is_zero() {
        return Bootstrap::found(network.servers());
    }
    Bootstrap::look_up(BootstrapServers::from(settings), patience)
}

fn settings(setup: &Setup) -> Settings {
    let required = [
        ("bootstrap.servers", "server-1:9092,server-2:9092,server-3:9092"),
        ("client.id", "simulated"),
        ("get.spin.us", "0"),
    ];
    let secured = setup.security.iter().flat_map(|security| &security.properties);
    let given = setup.properties.iter().chain(secured).map(|(name, value)| (*name, value.as_str()));
    let config = ProducerConfig::from_properties(required.into_iter().chain(given)).expect("known settings");
    let mut faults = Faults::default();
    let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
    faults.into_result().expect("settings without contradictions");
    settings
}

/// What the clocks on the wall show when the run begins.
pub(super) const UNIX_MS: i64 = 1_700_000_000_000;

/// Three brokers, as servers to begin with and as brokers, and those of lies.
const MOST_PEERS: usize = 8;

const MOST_TURNS_WITHOUT_TIME: u32 = 1_000;
