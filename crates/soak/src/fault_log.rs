//! What is done to the cluster and to its connections, in an order that a seed decides, and whether it really happened.
//!
//! Two lanes run side by side: one breaks and mends the cluster, fault after fault, the other the network. Each goes
//! through all of its kinds before one comes again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use harness::kafka_cluster::Kafka;

use super::admin::{Admin, AdminResult, DescribedTopic};
use super::disk::Disk;
use super::kind::{FaultKind, OF_THE_CLUSTER, OF_THE_NETWORK};
use super::names::{BROKERS, CLIENT_ID, DISK_BROKER, GROWING, REBORN, STEADY};
use super::options::SoakOptions;
use super::proxy::{Proxy, Way};

/// One fault that was tried.
pub struct TriedFault {
    pub kind: FaultKind,
    /// Why it did not happen, if so.
    pub failure: Option<String>,
}

/// All of them, also in a file.
pub struct FaultLog {
    began: Instant,
    inner: Mutex<(Vec<TriedFault>, File)>,
}

impl FaultLog {
    pub fn new(path: &Path) -> FaultLog {
        FaultLog { began: Instant::now(), inner: Mutex::new((Vec::new(), File::create(path).unwrap())) }
    }

    fn note(&self, began: Instant, kind: FaultKind, outcome: AdminResult<String>) {
        let at = began.duration_since(self.began).as_secs_f64();
        let took = began.elapsed().as_secs_f64();
        let (happened, what) = match &outcome {
            Ok(what) => ("", what),
            Err(why) => ("DID NOT HAPPEN: ", why),
        };
        let line = format!("{at:>7.1} s  {kind}: {happened}{what} ({took:.1} s)");
        println!("{line}");
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(inner.1, "{line}").unwrap();
        inner.0.push(TriedFault { kind, failure: outcome.err() });
    }

    pub fn count(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.len()
    }

    pub fn into_entries(self) -> Vec<TriedFault> {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Cards in a random order, all of them before one comes again.
struct Deck {
    all: Vec<FaultKind>,
    left: Vec<FaultKind>,
}

impl Deck {
    /// Those of the kinds that are wanted.
    fn new(kinds: &[FaultKind], options: &SoakOptions) -> Deck {
        let wanted: Vec<FaultKind> = options.only.iter().filter_map(|name| FaultKind::named(name)).collect();
        let is_wanted = |kind: &FaultKind| wanted.is_empty() || wanted.contains(kind);
        Deck { all: kinds.iter().copied().filter(is_wanted).collect(), left: Vec::new() }
    }

    /// None if there is no kind at all.
    fn next(&mut self, rng: &mut Rng) -> Option<FaultKind> {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
            rng.shuffle(&mut self.left);
        }
        self.left.pop()
    }
}

/// The lane of the cluster.
pub struct ClusterFaults<'a> {
    kafka: &'a mut Kafka,
    disk: Option<&'a Disk>,
    options: &'a SoakOptions,
    rng: Rng,
    log: &'a FaultLog,
}

impl<'a> ClusterFaults<'a> {
    pub fn new(
        kafka: &'a mut Kafka,
        disk: Option<&'a Disk>,
        options: &'a SoakOptions,
        log: &'a FaultLog,
    ) -> ClusterFaults<'a> {
        ClusterFaults { kafka, disk, options, rng: Rng::with_seed(options.seed), log }
    }

    /// Fault after fault; each is mended before the next begins.
    pub fn run(&mut self, deadline: Instant) {
        let possible = |kind: &FaultKind| self.disk.is_some() || *kind != FaultKind::DiskFull;
        let kinds: Vec<FaultKind> = OF_THE_CLUSTER.into_iter().filter(possible).collect();
        let mut deck = Deck::new(&kinds, self.options);
        // First all is well for a moment.
        self.pause(1000, 2000);
        while Instant::now() < deadline {
            if let Some(kind) = deck.next(&mut self.rng) {
                let began = Instant::now();
                let outcome = self.perform(kind);
                self.log.note(began, kind, outcome);
            }
            self.pause(300, 2500);
        }
    }

    fn perform(&mut self, kind: FaultKind) -> AdminResult<String> {
        let broker = self.rng.i32(1..=i32::try_from(BROKERS).unwrap());
        match kind {
            FaultKind::Killed => {
                self.kafka.kill(broker);
                let away = self.pause(200, 4000);
                self.kafka.restart(broker);
                Ok(format!("broker {broker} was away for {away:?} and its start"))
            }
            FaultKind::Restarted => {
                self.kafka.restart(broker);
                Ok(format!("broker {broker}"))
            }
            FaultKind::HeldShortly => Ok(self.hold(&[broker], 200, 1000)),
            FaultKind::HeldLong => self.hold_until_it_leads_nothing(broker),
            FaultKind::TwoHeld => {
                let other = broker % i32::try_from(BROKERS).unwrap() + 1;
                Ok(self.hold(&[broker, other], 1000, 4000))
            }
            FaultKind::LeadersMoved => self.move_leaders(),
            FaultKind::PartitionsAdded => self.add_partitions(),
            FaultKind::TopicReborn => self.reborn_topic(),
            FaultKind::Quota => self.quota(),
            FaultKind::DiskFull => self.fill_disk(),
            _ => Err(String::from("a fault of the network")),
        }
    }

    fn hold(&mut self, brokers: &[i32], least_ms: u64, most_ms: u64) -> String {
        brokers.iter().for_each(|&broker| self.kafka.freeze(broker));
        let held = self.pause(least_ms, most_ms);
        brokers.iter().for_each(|&broker| self.kafka.thaw(broker));
        format!("broker {brokers:?} for {held:?}")
    }

    fn hold_until_it_leads_nothing(&mut self, broker: i32) -> AdminResult<String> {
        self.kafka.freeze(broker);
        let began = Instant::now();
        let other = Admin(self.kafka.ports()[usize::try_from(broker).unwrap() % BROKERS]);
        let leads =
            |topic: &DescribedTopic| topic.partitions.iter().any(|partition| partition.leader == broker);
        let leads_something =
            || [GROWING, STEADY].iter().any(|topic| other.topic(topic).is_ok_and(|topic| leads(&topic)));
        let lost = wait_until(|| !leads_something());
        // Some more, so that what comes late comes to a cluster that has gone on.
        self.pause(200, 3000);
        self.kafka.thaw(broker);
        match lost {
            true => Ok(format!("broker {broker} for {:?}", began.elapsed())),
            false => Err(format!("broker {broker} still leads after {:?}", began.elapsed())),
        }
    }

    fn move_leaders(&mut self) -> AdminResult<String> {
        let name = if self.rng.bool() { GROWING } else { STEADY };
        let before = self.ask(|admin| admin.topic(name))?;
        let orders: Vec<(i32, Vec<i32>)> = before
            .partitions
            .iter()
            .filter(|_| self.rng.u8(..3) > 0)
            .map(|partition| {
                let mut replicas = partition.replicas.clone();
                // Whoever leads now comes last.
                replicas.sort_by_key(|&replica| replica == partition.leader);
                (partition.index, replicas)
            })
            .collect();
        if orders.is_empty() {
            return Err(String::from("no partition was chosen"));
        }
        self.ask(|admin| admin.move_leaders(name, &orders))?;
        let old = |index: i32| before.partitions.iter().find(|p| p.index == index).map(|p| p.leader);
        let mut moved = 0;
        wait_until(|| {
            let Ok(now) = self.ask(|admin| admin.topic(name)) else { return false };
            let differs =
                |p: &&super::admin::DescribedPartition| old(p.index).is_some_and(|leader| leader != p.leader);
            moved = now.partitions.iter().filter(differs).count();
            moved >= orders.len()
        });
        match moved {
            0 => Err(format!("{name}: none of {}", orders.len())),
            _ => Ok(format!("{name}: {moved} of {}", orders.len())),
        }
    }

    fn add_partitions(&mut self) -> AdminResult<String> {
        let count = i32::try_from(self.ask(|admin| admin.topic(GROWING))?.partitions.len()).unwrap();
        let more = count + self.rng.i32(1..=2);
        self.ask(|admin| admin.grow_topic(GROWING, more))?;
        Ok(format!("{GROWING}: {count} become {more}"))
    }

    fn reborn_topic(&mut self) -> AdminResult<String> {
        let old = self.ask(|admin| admin.topic(REBORN))?;
        self.ask(|admin| admin.delete_topic(REBORN))?;
        let away = self.pause(0, 2000);
        let count = self.rng.i32(1..=4);
        let mut answer = Ok(());
        // Answers may be lost here, too: what counts is that it is there with another id, everywhere.
        wait_until(|| {
            answer = self.ask(|admin| admin.create_topic(REBORN, count, &[]));
            answer.is_ok() || answer.as_ref().is_err_and(|error| error.starts_with("error 36 "))
        });
        let ports = self.kafka.ports();
        let is_new = |port: &u16| Admin(*port).topic(REBORN).is_ok_and(|topic| topic.id != old.id);
        match wait_until(|| ports.iter().all(is_new)) {
            true => Ok(format!("{} partitions, after {away:?} {count} partitions", old.partitions.len())),
            false => Err(format!("it is not there again: {answer:?}")),
        }
    }

    fn quota(&mut self) -> AdminResult<String> {
        let rate = f64::from(self.rng.u32(20_000..50_000));
        self.ask(|admin| admin.limit_client(CLIENT_ID, Some(rate)))?;
        let length = self.pause(2000, 5000);
        self.ask(|admin| admin.limit_client(CLIENT_ID, None))?;
        Ok(format!("{rate} bytes/s and broker for {length:?}"))
    }

    fn fill_disk(&mut self) -> AdminResult<String> {
        let disk = self.disk.ok_or("there is no disk of its own")?;
        disk.fill()?;
        let other = Admin(self.kafka.ports()[0]);
        let mut effect = None;
        wait_until(|| {
            let is_offline = |topic: &&str| {
                let sees =
                    |topic: DescribedTopic| topic.partitions.iter().any(|p| p.offline.contains(&DISK_BROKER));
                other.topic(topic).is_ok_and(sees)
            };
            if !self.kafka.is_running(DISK_BROKER) {
                effect = Some("the broker has ended");
            } else if [GROWING, STEADY, REBORN].iter().any(is_offline) {
                effect = Some("the broker has taken its partitions there off line");
            }
            effect.is_some()
        });
        self.pause(200, 2000);
        disk.make_room()?;
        // A folder that has failed comes back with a start.
        self.kafka.kill(DISK_BROKER);
        self.kafka.restart(DISK_BROKER);
        effect.map(str::to_owned).ok_or_else(|| String::from("the broker has not noticed"))
    }

    /// Whichever broker answers well; the last one's words otherwise.
    fn ask<T>(&self, question: impl Fn(Admin) -> AdminResult<T>) -> AdminResult<T> {
        let mut answer = Err(String::from("nobody to ask"));
        for port in self.kafka.ports() {
            answer = question(Admin(port));
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    fn pause(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let pause = Duration::from_millis(self.rng.u64(least_ms..=most_ms));
        thread::sleep(pause);
        pause
    }
}

/// Polls until it is so: whether it came to be in time.
fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + EFFECT_LIMIT;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The lane of the network.
pub struct NetworkFaults<'a> {
    proxies: &'a [Proxy],
    options: &'a SoakOptions,
    rng: Rng,
    log: &'a FaultLog,
}

impl<'a> NetworkFaults<'a> {
    pub fn new(proxies: &'a [Proxy], options: &'a SoakOptions, log: &'a FaultLog) -> NetworkFaults<'a> {
        let rng = Rng::with_seed(options.seed.wrapping_add(1));
        NetworkFaults { proxies, options, rng, log }
    }

    /// Until the other lane is through; everything passes afterwards.
    pub fn run(mut self, is_over: &AtomicBool) {
        let mut deck = Deck::new(&OF_THE_NETWORK, self.options);
        while !is_over.load(Ordering::Relaxed) {
            self.pause(500, 2500);
            let Some(kind) = deck.next(&mut self.rng) else { continue };
            let index = self.in_use();
            let began = Instant::now();
            let outcome = self.perform(kind, &self.proxies[index]);
            let broker = index + 1;
            self.log.note(began, kind, outcome.map(|what| format!("broker {broker}, {what}")));
        }
        self.proxies.iter().for_each(Proxy::pass);
    }

    /// A broker that the client is connected to, if there is one.
    fn in_use(&mut self) -> usize {
        let mut order: Vec<usize> = (0..self.proxies.len()).collect();
        self.rng.shuffle(&mut order);
        wait_until(|| self.proxies.iter().any(|proxy| proxy.count() > 0));
        let found = order.iter().find(|&&index| self.proxies[index].count() > 0);
        found.copied().unwrap_or(order[0])
    }

    fn perform(&mut self, kind: FaultKind, proxy: &Proxy) -> AdminResult<String> {
        match kind {
            FaultKind::Cut => affected(proxy.cut()),
            FaultKind::CutInAnswer => self.cut_within(proxy, Way::Answers, 400),
            FaultKind::CutInRequest => self.cut_within(proxy, Way::Requests, 20_000),
            FaultKind::Delayed => {
                let delay = Duration::from_millis(self.rng.u64(20..600));
                let count = proxy.delay(delay);
                self.pause(1500, 4000);
                proxy.pass();
                affected(count).map(|what| format!("{what}, {delay:?}"))
            }
            FaultKind::ClosedToClient => affected(proxy.half_close(Way::Answers)),
            FaultKind::ClosedToBroker => affected(proxy.half_close(Way::Requests)),
            FaultKind::Silent => {
                let count = proxy.hold(true);
                // In a long run now and then for longer than request.timeout.ms.
                let length = match self.options.minutes >= 5.0 && self.rng.u8(..5) == 0 {
                    true => self.pause(31_000, 36_000),
                    false => self.pause(1000, 6000),
                };
                if self.rng.bool() {
                    proxy.cut(); // what waits is lost
                }
                proxy.pass();
                affected(count).map(|what| format!("{what}, {length:?}"))
            }
            FaultKind::AnswersLost => {
                let count = proxy.lose_answers(true);
                let length = self.pause(500, 4000);
                proxy.pass();
                affected(count).map(|what| format!("{what}, {length:?}"))
            }
            FaultKind::Refused => {
                proxy.refuse(true);
                let count = proxy.cut();
                let length = self.pause(300, 3000);
                proxy.pass();
                affected(count).map(|what| format!("{what}, {length:?}"))
            }
            _ => Err(String::from("a fault of the cluster")),
        }
    }

    fn cut_within(&mut self, proxy: &Proxy, way: Way, most: usize) -> AdminResult<String> {
        let bytes = self.rng.usize(1..most);
        proxy.cut_after(way, bytes);
        let has_come = || !proxy.is_cut_due();
        let _ = wait_until(has_come);
        match proxy.cancel_cut() {
            true => Err(format!("no {bytes} bytes have come")),
            false => Ok(format!("after {bytes} bytes")),
        }
    }

    fn pause(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let pause = Duration::from_millis(self.rng.u64(least_ms..=most_ms));
        thread::sleep(pause);
        pause
    }
}

fn affected(connections: usize) -> AdminResult<String> {
    match connections {
        0 => Err(String::from("there was no connection")),
        count => Ok(format!("{count} connections")),
    }
}

const EFFECT_LIMIT: Duration = Duration::from_secs(20);
