//! Real Kafka under fire: a producer writes to three brokers from several threads while brokers are killed, held and
//! restarted, connections cut, delayed and half-closed, leaders moved, topics grown, deleted and created again, a quota
//! set and a disk filled. Afterwards a consumer that is not ours reads what is there, and what the producer promised is
//! compared with it.
//!
//! The parts know little of each other: the client under test (`writers`, or Java's: `java_writer`) leaves a journal of
//! its promises, `evidence` a file of what was found, and `compare` reads these two files and nothing else.
//!
//! Must not know: how the producer works.

#![allow(missing_docs, reason = "it is for its own program and test alone")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

pub mod admin;
pub mod compare;
pub mod disk;
pub mod evidence;
pub mod fault_log;
pub mod java_writer;
pub mod journal;
pub mod kind;
pub mod names;
pub mod options;
pub mod proxy;
pub mod soak_report;
pub mod wiretap;
pub mod writers;

use std::fs;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::kafka_cluster::{BrokerPlace, BrokerSettings, Kafka, free_port};

use disk::Disk;
use fault_log::{ClusterFaults, FaultLog, NetworkFaults};
use names::{BROKERS, DISK_BROKER, GROWING, REBORN, STEADY};
use options::{SoakOptions, Who};
use proxy::Proxy;
use soak_report::SoakReport;
use wiretap::Wiretap;
use writers::{Client, WritePlan};

/// Runs it all and judges it. The files stay in the options' folder if something was wrong.
pub fn run(options: &SoakOptions) -> SoakReport {
    println!("{options}");
    let folder = options.folder();
    let _ = fs::remove_dir_all(&folder); // of a run with the same options
    fs::create_dir_all(&folder).unwrap();
    let scene = Scene::set(options);
    let run = format!("run{:x}", options.seed);
    let plan = WritePlan {
        servers: scene.bootstrap_servers(),
        run: run.clone(),
        seed: options.seed,
        properties: options.properties(),
        journal: folder.join("journal"),
        log: folder.join("client.log"),
    };
    let client: Box<dyn Client> = match options.client {
        Who::Ours => Box::new(writers::Ours::start(&plan)),
        Who::Java => Box::new(java_writer::Java::start(scene.kafka.jars(), &plan)),
    };
    let log = FaultLog::new(&folder.join("faults"));
    let Scene { mut kafka, proxies, tap, disk } = scene;
    let began = Instant::now();
    fire(options, &mut kafka, &proxies, disk.as_ref().ok(), &log, &*client);
    let fire = began.elapsed();
    let quiet = calm_down(&mut kafka, &*client);
    let end = client.stop();
    println!("the client has stopped; reading back");
    let disk_folder = disk.as_ref().ok().map(|disk| disk.path().to_owned());
    let evidence = evidence::collect(&kafka, disk_folder.as_deref(), &folder);
    let findings = compare::compare(&plan.journal, &evidence.rows, &run).unwrap();
    drop(kafka);
    let report = SoakReport {
        options: options.clone(),
        fire,
        faults: log.into_entries(),
        no_disk: disk.as_ref().err().cloned(),
        end,
        quiet,
        batches: tap.batches(),
        bumps: evidence.bumps,
        findings,
    };
    report.save(&folder);
    report
}

/// The brokers, each behind a proxy, and the topics.
struct Scene {
    kafka: Kafka,
    proxies: Vec<Proxy>,
    tap: Arc<Wiretap>,
    /// Broker 3 has half of its partitions there; or why there is none.
    disk: Result<Disk, String>,
}

impl Scene {
    fn set(options: &SoakOptions) -> Scene {
        let disk = Disk::mount(&std::env::temp_dir());
        // The proxies come first: the brokers advertise their ports.
        let targets: Vec<u16> = (0..BROKERS).map(|_| free_port()).collect();
        let tap = Arc::new(Wiretap::default());
        let proxies: Vec<Proxy> = targets.iter().map(|&target| Proxy::start(target, &tap)).collect();
        let disk_folder = disk.as_ref().ok().map(Disk::path);
        let settings = |node: &BrokerPlace| {
            let index = usize::try_from(node.id() - 1).unwrap();
            let mut settings = listeners(node, targets[index], proxies[index].port());
            // What a deleted topic held stays on the disks, to be judged as well.
            settings.push(pair("log.segment.delete.delay.ms", "86400000"));
            // Leaders go back to brokers that are back, or one of them would soon lead everything.
            settings.push(pair("leader.imbalance.check.interval.seconds", "3"));
            settings.push(pair("leader.imbalance.per.broker.percentage", "0"));
            if let Some(path) = disk_folder.filter(|_| node.id() == DISK_BROKER) {
                node.mark(path);
                settings.push(pair("log.dirs", &format!("{},{}", node.data().display(), path.display())));
            }
            settings
        };
        let kafka = Kafka::start_each(&options.version, BROKERS, &settings);
        for (topic, partitions) in [(GROWING, 4), (STEADY, 3), (REBORN, 3)] {
            kafka.create_topic(topic, partitions, 3, &[]);
        }
        Scene { kafka, proxies, tap, disk }
    }

    /// Through the proxies.
    fn bootstrap_servers(&self) -> String {
        let address = |proxy: &Proxy| format!("127.0.0.1:{}", proxy.port());
        self.proxies.iter().map(address).collect::<Vec<_>>().join(",")
    }
}

/// The brokers talk to each other directly, as does the harness; clients of the third listener come by the proxy.
fn listeners(node: &BrokerPlace, proxied: u16, proxy: u16) -> BrokerSettings {
    let (plain, controller) = (node.port(), node.controller_port());
    let own = format!("PLAINTEXT://127.0.0.1:{plain}");
    vec![
        pair(
            "listeners",
            &format!("{own},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}"),
        ),
        pair("advertised.listeners", &format!("{own},PROXIED://127.0.0.1:{proxy}")),
        pair("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ]
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Two lanes of faults for as long as the options say: the cluster's and the network's. All is whole again afterwards.
fn fire(
    options: &SoakOptions,
    kafka: &mut Kafka,
    proxies: &[Proxy],
    disk: Option<&Disk>,
    log: &FaultLog,
    client: &dyn Client,
) {
    let is_over = AtomicBool::new(false);
    let deadline = Instant::now() + options.duration();
    thread::scope(|scope| {
        scope.spawn(|| NetworkFaults::new(proxies, options, log).run(&is_over));
        scope.spawn(|| show_progress(deadline, log, client, &is_over));
        // Also if a fault cannot be mended: the others would wait for ever.
        let _over = Over(&is_over);
        let mut faults = ClusterFaults::new(kafka, disk, options, log);
        faults.run(deadline);
    });
    for topic in [GROWING, STEADY, REBORN] {
        kafka.wait_until_in_sync(topic);
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Once all is whole, the client has to go on: each of its threads gets an answer again. How long that took.
fn calm_down(kafka: &mut Kafka, client: &dyn Client) -> Option<Duration> {
    let began = Instant::now();
    let before = client.acknowledged_by_thread();
    while began.elapsed() < CALM_LIMIT {
        let now = client.acknowledged_by_thread();
        if now.len() == writers::THREADS && now.iter().zip(&before).all(|(now, before)| now > before) {
            return Some(began.elapsed());
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!((1..).take(BROKERS).all(|broker| kafka.is_running(broker)), "a broker has ended by itself");
    None
}

/// A line that changes on a terminal, one every half minute elsewhere.
fn show_progress(deadline: Instant, log: &FaultLog, client: &dyn Client, is_over: &AtomicBool) {
    let is_terminal = std::io::stderr().is_terminal();
    let mut shown = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(200));
        let wait = Duration::from_secs(if is_terminal { 1 } else { 30 });
        if shown.elapsed() < wait {
            continue;
        }
        shown = Instant::now();
        let counts = client.counts();
        let left = deadline.saturating_duration_since(shown).as_secs();
        let line = format!("{left:>5} s left, {} faults, {counts}", log.count());
        match is_terminal {
            true => eprint!("\r{line}\x1b[K"),
            false => println!("{line}"),
        }
        let _ = std::io::stderr().flush();
    }
    if is_terminal {
        eprint!("\r\x1b[K");
    }
}

/// More than `delivery.timeout.ms`: what was sent in the fire may be in the way of what comes after.
const CALM_LIMIT: Duration = Duration::from_secs(150);
