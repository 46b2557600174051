//! A running Kafka of one broker or several, on free ports of the loopback address, with its own scratch directory.
//!
//! Holds: the brokers are gone when the value is dropped, also by a panic; a killed test process ends them too
//! (command.rs), and the directory it leaves is removed by the next start (scratch.rs).

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::command::{Output, Process, run, tail};
use super::jars::{CHECKPOINT, KafkaJars};
use super::probe::{self, ProbedMetadata};
use super::scratch::ScratchFolder;
use super::zookeeper::ZooKeeper;

/// A running cluster. Brokers are numbered from 1, as in Kafka's own metadata.
pub struct Kafka {
    jars: KafkaJars,
    nodes: Vec<BrokerPlace>,
    running: Vec<Option<Process>>,
    /// After the brokers, which say farewell to it; of 2.x.
    zookeeper: Option<ZooKeeper>,
    _run: ScratchFolder,
}

impl Kafka {
    /// Starts `brokers` combined nodes and waits until all of them know all of them. Topics are not created by being
    /// named; they have up to three replicas, two of which must be in sync.
    pub fn start(version: &str, brokers: usize) -> Kafka {
        Kafka::start_with(version, brokers, &[])
    }

    /// The same with more lines for each broker's properties file.
    pub fn start_with(version: &str, brokers: usize, settings: &[(&str, &str)]) -> Kafka {
        let settings: BrokerSettings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Kafka::start_each(version, brokers, &|_| settings.clone())
    }

    /// The same with lines of its own for each broker; a later line replaces an earlier one of the same name.
    pub fn start_each(
        version: &str,
        brokers: usize,
        settings: &dyn Fn(&BrokerPlace) -> BrokerSettings,
    ) -> Kafka {
        Kafka::start_several(version, brokers, &[], settings)
    }

    /// One broker whose Java has flags of its own.
    pub fn start_with_flags(
        version: &str,
        flags: &[String],
        settings: &dyn Fn(&BrokerPlace) -> BrokerSettings,
    ) -> Kafka {
        Kafka::start_several(version, 1, flags, settings)
    }

    fn start_several(
        version: &str,
        brokers: usize,
        flags: &[String],
        settings: &dyn Fn(&BrokerPlace) -> BrokerSettings,
    ) -> Kafka {
        let jars = KafkaJars::fetch(version);
        // Between finding a free port and using it somebody else may take it.
        Kafka::try_start(&jars, brokers, flags, settings)
            .or_else(|_| Kafka::try_start(&jars, brokers, flags, settings))
            .unwrap_or_else(|error| panic!("Kafka {version} did not start: {error}"))
    }

    fn try_start(
        jars: &KafkaJars,
        brokers: usize,
        flags: &[String],
        settings: &dyn Fn(&BrokerPlace) -> BrokerSettings,
    ) -> Result<Kafka, String> {
        let run = ScratchFolder::new(jars.home());
        let zookeeper =
            jars.has_zookeeper().then(|| ZooKeeper::start(jars, run.path(), free_port())).transpose()?;
        let mut nodes = BrokerPlace::some(run.path(), brokers);
        for node in &mut nodes {
            node.flags = flags.to_vec();
            node.zookeeper_port = zookeeper.as_ref().map(ZooKeeper::port);
        }
        let running = nodes.iter().map(|_| None).collect();
        let mut kafka = Kafka { jars: jars.clone(), nodes, running, zookeeper, _run: run };
        for (index, node) in kafka.nodes.iter().enumerate() {
            node.write(&kafka.nodes, &settings(node));
            kafka.running[index] = Some(node.start(&mut node.java(jars)));
        }
        kafka.wait_until_live(START_LIMIT)?;
        Ok(kafka)
    }

    /// Starts the one node that lies in `run` with this command.
    pub fn start_node(jars: KafkaJars, run: ScratchFolder, node: BrokerPlace, java: &mut Command) -> Kafka {
        let running = vec![Some(node.start(java))];
        let mut kafka = Kafka { jars, nodes: vec![node], running, zookeeper: None, _run: run };
        kafka.wait_until_live(START_LIMIT).unwrap_or_else(|error| panic!("{error}"));
        kafka
    }

    /// The jars it runs from.
    pub fn jars(&self) -> &KafkaJars {
        &self.jars
    }

    /// Every broker's address, as a client's `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect::<Vec<_>>().join(",")
    }

    /// `HOST:PORT`, for tools of 2.x that change the cluster there.
    pub fn zookeeper_address(&self) -> Option<String> {
        self.zookeeper.as_ref().map(|zookeeper| format!("127.0.0.1:{}", zookeeper.port()))
    }

    /// Ends a broker in order (SIGTERM): it hands its partitions over and is gone.
    pub fn stop(&mut self, broker: i32) {
        if let Some(mut process) = self.running[index(broker)].take() {
            process.terminate();
            // An archive of classes is written at this end.
            assert!(process.wait(STOP_LIMIT).is_some(), "broker {broker} did not stop within {STOP_LIMIT:?}");
        }
    }

    /// Ends a broker at once (SIGKILL): the others notice by its session's end, after 1.5 s, or 6 s with ZooKeeper.
    pub fn kill(&mut self, broker: i32) {
        self.running[index(broker)] = None;
    }

    /// Starts a broker again, on its port and its data, and waits until all that run know each other.
    ///
    /// ZooKeeper takes a broker that was killed for alive until its session is over, and one that starts before ends itself.
    pub fn restart(&mut self, broker: i32) {
        self.stop(broker);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let node = &self.nodes[index(broker)];
            self.running[index(broker)] = Some(node.start(&mut node.java(&self.jars)));
            match self.wait_until_live(START_LIMIT) {
                Ok(()) => return,
                Err(error) if error.contains("NodeExists") && Instant::now() < deadline => {
                    thread::sleep(Duration::from_secs(1));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Holds a broker's process (SIGSTOP): its connections stay open, and nobody answers there.
    pub fn freeze(&mut self, broker: i32) {
        self.running[index(broker)].as_mut().expect("a running broker").freeze();
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self, broker: i32) {
        self.running[index(broker)].as_mut().expect("a running broker").thaw();
    }

    /// Whether a broker's process is there; one that ended by itself is not.
    pub fn is_running(&mut self, broker: i32) -> bool {
        let process = self.running[index(broker)].as_mut();
        process.is_some_and(|process| process.wait(Duration::ZERO).is_none())
    }

    /// The process of a broker, for what the system knows of it.
    pub fn process_id(&self, broker: i32) -> Option<u32> {
        self.running[index(broker)].as_ref().map(Process::id)
    }

    /// The port of each broker, in order of their ids, whether it runs or not.
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// Creates a topic and waits until every broker knows its leaders and all replicas are in sync.
    pub fn create_topic(&self, name: &str, partitions: i32, replicas: i16, configs: &[(&str, &str)]) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let create = |port| probe::create_topic(port, name, partitions, replicas, configs);
            match self.ask_controller(create) {
                Ok(()) => break,
                // On a busy machine a broker's session may end for a moment.
                Err(error) if error.to_string().contains("fenced") && Instant::now() < deadline => {
                    thread::sleep(POLL);
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.wait_until_in_sync(name);
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) -> io::Result<()> {
        self.ask_controller(|port| probe::delete_topic(port, name))
    }

    /// Asks each running broker until one does not refuse: with ZooKeeper only the controller changes topics.
    fn ask_controller<T>(&self, ask: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
        let mut outcome = ask(self.any_port());
        for port in self.running_ports().skip(1) {
            if outcome.is_ok() {
                break;
            }
            outcome = ask(port);
        }
        outcome
    }

    /// Sets the level of a feature of the cluster, of 4.0 and later.
    pub fn set_feature(&self, name: &str, level: i16) {
        let (feature, class) = (format!("{name}={level}"), "org.apache.kafka.tools.FeatureCommand");
        let described = self.tool(class, &["--bootstrap-server", "{servers}", "describe"], b"").text();
        let mut lines = described.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let words = lines.find(|words| words.contains(&name));
        let place = |words: &Vec<&str>| words.iter().position(|word| *word == "FinalizedVersionLevel:");
        let now = words.and_then(|words| words.get(place(&words)? + 1)?.parse::<i16>().ok());
        let way = match now.unwrap_or_else(|| panic!("{described}")) {
            now if now > level => "downgrade",
            now if now < level => "upgrade",
            _ => return,
        };
        self.tool(class, &["--bootstrap-server", "{servers}", way, "--feature", &feature], b"");
    }

    /// The offset behind the last record of a partition.
    pub fn end_offset(&self, topic: &str, partition: i32) -> io::Result<u64> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let port = self.nodes[index(self.leader(topic, partition))].port;
            match probe::end_offset(port, topic, partition) {
                // Its session has ended for a moment, or it has just begun to lead.
                Err(error) if is_passing(&error) && Instant::now() < deadline => thread::sleep(POLL),
                outcome => return outcome,
            }
        }
    }

    /// Waits until every running broker names a leader for each partition, and each replica is in sync.
    pub fn wait_until_in_sync(&self, topic: &str) {
        let in_sync = |metadata: ProbedMetadata| {
            let sound = |partition: &probe::ProbedPartition| {
                partition.error == 0
                    && partition.leader > 0
                    && partition.in_sync.len() == partition.replicas.len()
            };
            !metadata.partitions.is_empty() && metadata.partitions.iter().all(sound)
        };
        let deadline = Instant::now() + START_LIMIT;
        while !self.running_ports().all(|port| probe::metadata(port, Some(topic)).is_ok_and(in_sync)) {
            assert!(Instant::now() < deadline, "{topic} is not in sync after {START_LIMIT:?}");
            thread::sleep(POLL);
        }
    }

    /// The broker that leads a partition now, or as soon as one does: on a busy machine a broker's session may end for a
    /// moment.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let told = probe::metadata(self.any_port(), Some(topic)).map(|metadata| {
                let found = metadata.partitions.iter().find(|candidate| candidate.index == partition);
                found.map(|found| found.leader)
            });
            match told {
                Ok(Some(leader)) if leader > 0 => return leader,
                _ if Instant::now() < deadline => thread::sleep(POLL),
                _ => panic!("{topic}-{partition} has no leader after {START_LIMIT:?}: {told:?}"),
            }
        }
    }

    /// Runs one of Kafka's tools; `{servers}` among the arguments stands for the brokers' addresses.
    pub fn tool(&self, class: &str, arguments: &[&str], input: &[u8]) -> Output {
        let servers = self.bootstrap_servers();
        let filled: Vec<&str> =
            arguments.iter().map(|&word| if word == "{servers}" { &servers } else { word }).collect();
        self.jars.tool(class, &filled, input)
    }

    /// Runs kcat on this cluster.
    pub fn kcat(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("kcat");
        // By itself it waits for 5 s for what the cluster is like.
        command.args(["-b", &self.bootstrap_servers(), "-m", "60"]).args(arguments);
        run(&mut command, input, KCAT_LIMIT).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The directory of a broker's logs: `TOPIC-PARTITION/…`.
    pub fn data_directory(&self, broker: i32) -> PathBuf {
        self.nodes[index(broker)].data()
    }

    fn running_ports(&self) -> impl Iterator<Item = u16> {
        let both = self.nodes.iter().zip(&self.running);
        both.filter(|(_, process)| process.is_some()).map(|(node, _)| node.port)
    }

    fn any_port(&self) -> u16 {
        self.running_ports().next().expect("a running broker")
    }

    /// Until each running broker answers and names all that run as live.
    fn wait_until_live(&mut self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        let expected = self.running_ports().count();
        let knows_all =
            |port| probe::metadata(port, None).is_ok_and(|metadata| metadata.brokers.len() >= expected);
        while !self.running_ports().all(knows_all) {
            for (node, process) in self.nodes.iter().zip(&mut self.running) {
                let ended = process.as_mut().and_then(|process| process.wait(Duration::ZERO)).is_some();
                if ended || Instant::now() > deadline {
                    let what = if ended { "ended" } else { "is not ready" };
                    return Err(format!("broker {} {what}; its log:\n{}", node.id, node.log_tail()));
                }
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Before their directory.
        self.running.clear();
    }
}

/// Lines of a properties file.
pub type BrokerSettings = Vec<(String, String)>;

/// One broker's place: ports and directory. It outlives the process that runs there.
pub struct BrokerPlace {
    id: i32,
    port: u16,
    controller_port: u16,
    directory: PathBuf,
    /// For its Java.
    flags: Vec<String>,
    zookeeper_port: Option<u16>,
}

impl BrokerPlace {
    /// A node of its own in this directory, its properties written.
    pub fn single(run: &ScratchFolder) -> BrokerPlace {
        let mut nodes = BrokerPlace::some(run.path(), 1);
        nodes[0].write(&nodes, &BrokerSettings::new());
        nodes.remove(0)
    }

    fn some(run: &Path, count: usize) -> Vec<BrokerPlace> {
        let node = |id: i32| BrokerPlace {
            id,
            port: free_port(),
            controller_port: free_port(),
            directory: run.join(format!("n{id}")),
            flags: Vec::new(),
            zookeeper_port: None,
        };
        (1..).take(count).map(node).collect()
    }

    pub fn id(&self) -> i32 {
        self.id
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn controller_port(&self) -> u16 {
        self.controller_port
    }

    /// Whether it has no controller of its own: 2.x.
    pub fn has_zookeeper(&self) -> bool {
        self.zookeeper_port.is_some()
    }

    pub fn properties_file(&self) -> String {
        self.directory.join("server.properties").display().to_string()
    }

    /// All that lies there.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The properties, and a data directory made by hand, which is quicker than Kafka's own formatting.
    fn write(&self, nodes: &[BrokerPlace], settings: &BrokerSettings) {
        let voter = |node: &BrokerPlace| format!("{}@127.0.0.1:{}", node.id, node.controller_port);
        let voters = nodes.iter().map(voter).collect::<Vec<_>>().join(",");
        let replicas = nodes.len().min(3);
        let template = match self.zookeeper_port {
            Some(port) => include_str!("broker_2.properties")
                .replace("@ZOOKEEPER@", &port.to_string())
                .replace("@SESSION@", session_timeout_ms(nodes.len())),
            None => include_str!("broker.properties").to_owned(),
        };
        let mut properties = template
            .replace("@NODE@", &self.id.to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@CONTROLLER_PORT@", &self.controller_port.to_string())
            .replace("@VOTERS@", &voters)
            .replace("@DATA@", &self.data().display().to_string())
            .replace("@REPLICAS@", &replicas.to_string())
            .replace("@IN_SYNC@", &replicas.min(2).to_string());
        for (name, value) in settings {
            properties += &format!("{name}={value}\n");
        }
        fs::create_dir_all(&self.directory).unwrap();
        fs::write(self.properties_file(), properties).unwrap();
        // Without the checkpoint Kafka formats (the first time), or runs with its features off.
        let checkpoint = self.directory.ancestors().nth(3).unwrap().join(CHECKPOINT);
        if checkpoint.is_file() {
            self.mark(&self.data());
            fs::copy(checkpoint, self.data().join(CHECKPOINT)).unwrap();
        }
    }

    /// Makes a directory one of this node's, to be named in `log.dirs`.
    pub fn mark(&self, directory: &Path) {
        let identity = format!("version=1\ncluster.id=kafka-producer-tests-0\nnode.id={}\n", self.id);
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("meta.properties"), identity).unwrap();
    }

    /// The command that runs this broker.
    fn java(&self, jars: &KafkaJars) -> Command {
        let mut java = jars.java(&self.directory);
        java.arg("-Xmx128m").args(&self.flags).args(["kafka.Kafka", &self.properties_file()]);
        java
    }

    fn start(&self, java: &mut Command) -> Process {
        let log = File::options().create(true).append(true).open(self.directory.join("log")).unwrap();
        let errors = log.try_clone().unwrap();
        Process::start(java.stdin(std::process::Stdio::null()).stdout(log).stderr(errors)).unwrap()
    }

    fn log_tail(&self) -> String {
        tail(&fs::read(self.directory.join("log")).unwrap_or_default())
    }
}

/// A port that nobody listens on, below those that the system hands out to clients, so that a broker can come back to it.
/// It is ours until this process ends: a broker that is down for a moment must not find another process's in its place.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    loop {
        // Processes begin at different places.
        let candidate =
            std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + candidate % 12_000).unwrap();
        let Ok(mark) = File::create(std::env::temp_dir().join(format!("kafka-producer-port-{port}"))) else {
            continue; // another user's
        };
        let is_ours = flock(&mark, FlockOperation::NonBlockingLockExclusive).is_ok();
        if is_ours && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
            return port;
        }
    }
}

/// How long ZooKeeper takes a silent broker for alive. One broker alone has nobody to take over from it, and a busy machine
/// takes its time; of several, those that are killed are to be replaced soon.
fn session_timeout_ms(brokers: usize) -> &'static str {
    if brokers == 1 { "40000" } else { "6000" }
}

/// LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE.
fn is_passing(error: &io::Error) -> bool {
    let text = error.to_string();
    ["error 5", "error 6", "error 78"].iter().any(|code| text.ends_with(code))
}

fn index(broker: i32) -> usize {
    usize::try_from(broker - 1).unwrap()
}

// A start takes seconds, and far longer where others need the processor, too.
const START_LIMIT: Duration = Duration::from_secs(240);
const STOP_LIMIT: Duration = Duration::from_secs(120);
const KCAT_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
