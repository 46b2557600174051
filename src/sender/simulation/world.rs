//! `World`: a producer and its cluster, put together as the real ones are, and driven turn by turn.
//!
//! Owns: the loop, and what every run must keep to whatever goes wrong: the sender never spins, never sleeps over
//! something, and ends. Must not know: what goes wrong in this run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::accumulator::{Inbox, RecordAccumulator};
use crate::completion::ProducerToken;
use crate::config::{Faults, ProducerConfig, Settings};
use crate::embedded::{ClusterRules, EmbeddedCluster, EmbeddedClusterBuilder, EmbeddedRecord};
use crate::error::Error;
use crate::network::BootstrapServers;
use crate::sender::simulation::TOPIC;
use crate::sender::simulation::application::{Act, Application, Clock, Handles, UNIX_MS};
use crate::sender::simulation::history::{Content, Delivery, History, Logged, Promise};
use crate::sender::simulation::network::SimulatedNetwork;
use crate::sender::simulation::plan::{Plan, Step};
use crate::sender::simulation::trace;
use crate::sender::simulation::weather::Weather;
use crate::sender::{Assembly, Bootstrap, Sender, assemble};

/// What a run begins with.
pub(super) struct Setup {
    pub(super) seed: u64,
    /// Settings besides the required ones.
    pub(super) properties: Vec<(&'static str, String)>,
    pub(super) cluster: EmbeddedClusterBuilder,
    pub(super) weather: Weather,
    pub(super) steps: Vec<(Duration, Step)>,
    /// Nothing goes wrong, so that each record is answered so long after its linger.
    pub(super) prompt: Option<Duration>,
}

pub(super) struct World {
    pub(super) settings: Settings,
    sender: Sender<SimulatedNetwork>,
    accumulator: Arc<RecordAccumulator>,
    origin: Instant,
    now: Instant,
    slack: Duration,
    prompt: Option<Duration>,
    pub(super) turns: u64,
    /// Turns since time last moved.
    still: u32,
    closed: bool,
}

impl Setup {
    /// Three brokers, a topic with some partitions, and nothing that goes wrong.
    pub(super) fn calm(partitions: i32) -> Setup {
        Setup {
            seed: 0,
            properties: Vec::new(),
            cluster: EmbeddedCluster::builder().brokers(3).topic(TOPIC, partitions),
            weather: Weather::calm(),
            steps: Vec::new(),
            prompt: None,
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

    /// Records to one partition, at one time.
    pub(super) fn send(mut self, at: Duration, partition: i32, count: usize) -> Setup {
        let act = Act::Send { partition: Some(partition), size: 100 };
        self.steps.extend(std::iter::repeat_n((at, Step::Application(act)), count));
        self
    }
}

impl World {
    pub(super) fn new(setup: Setup) -> World {
        let mut random = fastrand::Rng::with_seed(setup.seed);
        fastrand::seed(setup.seed); // the keyless logic's choice
        let origin = Instant::now();
        let settings = settings(&setup.properties);
        let mut rules = setup.cluster.rules(origin, UNIX_MS).expect("a sound cluster");
        let brokers: Vec<i32> = rules.brokers().collect();
        for broker in &brokers {
            rules.set_address(*broker, SimulatedNetwork::host(*broker), SimulatedNetwork::PORT);
        }
        let woken = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(&woken);
        let inbox = Inbox::new(origin, Box::new(move || wake.store(true, Ordering::Relaxed)));
        let clock = Clock::new(origin);
        if std::env::var_os("KAFKA_PRODUCER_SEED").is_some() {
            trace::begin(clock.clone());
        }
        let plan = Plan::new(Application::new(clock));
        let network = SimulatedNetwork::new(rules, Weather::calm(), plan, woken, origin, random.fork());
        let bootstrap = bootstrap(&settings, &network);
        let assembly = assemble(&settings, ProducerToken(0), network, inbox, bootstrap, random.fork());
        let Assembly { mut sender, accumulator, metadata, control } = assembly;
        let handles = Handles { accumulator: Arc::clone(&accumulator), metadata, control };
        sender.client.network().plan.application.begin(handles);
        let (now, turns, still, closed, slack) = (origin, 0, 0, false, setup.weather.slack());
        let prompt = setup.prompt;
        let mut world =
            World { settings, sender, accumulator, origin, now, slack, prompt, turns, still, closed };
        let mut steps = vec![(Duration::ZERO, Step::Weather(setup.weather))];
        steps.extend(setup.steps);
        let start = world.now;
        world.network().plan.extend(start, steps);
        world
    }

    pub(super) fn network(&mut self) -> &mut SimulatedNetwork {
        self.sender.client.network()
    }

    pub(super) fn rules(&mut self) -> &mut ClusterRules {
        &mut self.network().rules
    }

    pub(super) fn application(&mut self) -> &mut Application {
        &mut self.network().plan.application
    }

    pub(super) fn accumulator(&self) -> &Arc<RecordAccumulator> {
        &self.accumulator
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// When the client began, and began again.
    pub(super) fn beginnings(&mut self) -> Vec<Duration> {
        let origin = self.origin;
        self.network().beginnings.iter().map(|at| *at - origin).collect()
    }

    /// Why the producer is of no use any more, if it is not.
    pub(super) fn fatal(&self) -> Option<&Error> {
        self.sender.control.fatal()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Lets the application do something now.
    pub(super) fn act(&mut self, act: Act) {
        let now = self.now;
        self.application().act(act, now);
    }

    /// One turn of the sender, as its thread's loop would take it. False once that loop is over.
    pub(super) fn turn(&mut self) -> Result<bool, String> {
        if self.closed || self.sender.is_done(self.now) {
            self.closed = true;
            return Ok(false);
        }
        let before = self.now;
        self.now = self.sender.run_once(before);
        self.turns += 1;
        self.still = if self.now == before { self.still + 1 } else { 0 };
        if self.still > MOST_TURNS_WITHOUT_TIME {
            return Err(format!("the sender spins at {:?}", self.elapsed()));
        }
        if self.network().stuck {
            return Err(format!("at {:?} the sender sleeps without end", self.elapsed()));
        }
        self.application().look_after_flushes();
        Ok(true)
    }

    /// Runs until everything that was planned has happened and is answered.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let (mut progress, mut progressed) = ((0, 0), self.now);
        while self.turn()? {
            let is_over = self.network().plan.is_over();
            if is_over && self.application().is_satisfied() {
                break;
            }
            if self.application().progress() != progress || !is_over {
                (progress, progressed) = (self.application().progress(), self.now);
            }
            if self.now - progressed
                > self.settings.delivery_timeout + self.slack * 2 + Duration::from_secs(60)
            {
                return Err(format!("at {:?} there are still records that are not answered", self.elapsed()));
            }
        }
        Ok(())
    }

    /// Runs for some time.
    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        self.network().plan.push(end, Step::Application(Act::Await));
        while self.now < end && self.turn()? {}
        Ok(())
    }

    /// Closes if that has not happened, and tells all that is known.
    pub(super) fn end(mut self) -> Result<History, String> {
        let mut memory_kept = 0;
        if self.application().is_closed() {
            while self.turn()? {}
        } else {
            // Answers may still be on their way for what was given up.
            let last = self.settings.request_timeout + self.slack * 2 + Duration::from_secs(1);
            let deadline = self.now + last;
            let total = self.accumulator.pool().total();
            self.network().plan.push(deadline, Step::Application(Act::Await));
            while self.now < deadline && self.accumulator.pool().free() < total && self.turn()? {}
            memory_kept = total - self.accumulator.pool().free();
            let closing = self.now;
            self.act(Act::Close { within: Duration::from_secs(3600) });
            while self.turn()? {}
            if self.now - closing > self.slack * 2 + Duration::from_secs(1) {
                return Err(format!("closing took {:?} though there was nothing to do", self.now - closing));
            }
        }
        self.sender.finish(self.now);
        self.application().look_after_flushes();
        let promise = self.promise();
        let (records, flushes) = self.application().report();
        let mut logs = std::collections::BTreeMap::new();
        for record in self.rules().records(TOPIC) {
            let log: &mut Vec<Logged> = logs.entry(record.partition).or_default();
            log.push(logged(record));
        }
        Ok(History { promise, records, flushes, logs, memory_kept })
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
        let longest = settings.delivery_timeout + self.slack + Duration::from_millis(1);
        let within = self.prompt.map_or(longest, |prompt| longest.min(settings.linger + prompt));
        let flushed_within = within + self.slack;
        Promise { delivery, ordered, told_in_order: self.prompt.is_some(), within, flushed_within }
    }
}

fn bootstrap(settings: &Settings, network: &SimulatedNetwork) -> Bootstrap {
    let patience = settings.bootstrap_resolve_timeout;
    if patience.is_zero() {
        return Bootstrap::found(network.servers());
    }
    let names = settings.bootstrap_servers.clone();
    Bootstrap::look_up(BootstrapServers::new(names, settings.client_dns_lookup), patience)
}

fn logged(record: EmbeddedRecord) -> Logged {
    let header = record.headers.into_iter().next().and_then(|(_, value)| value);
    let content = Content {
        key: record.key,
        value: record.value.unwrap_or_default(),
        header: header.unwrap_or_default(),
        timestamp: record.timestamp,
    };
    Logged { offset: record.offset, content }
}

fn settings(properties: &[(&'static str, String)]) -> Settings {
    let required =
        [("bootstrap.servers", "server-1:9092,server-2:9092,server-3:9092"), ("client.id", "simulated")];
    let given = properties.iter().map(|(name, value)| (*name, value.as_str()));
    let config = ProducerConfig::from_properties(required.into_iter().chain(given)).expect("known settings");
    let mut faults = Faults::default();
    let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
    faults.into_result().expect("settings without contradictions");
    settings
}

const MOST_TURNS_WITHOUT_TIME: u32 = 1_000;
