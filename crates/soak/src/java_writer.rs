//! Java's producer in the place of ours: a process of its own (`SoakWriter.java`), for comparison.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::command::Process;
use harness::jars::KafkaJars;
use harness::scratch::ScratchFolder;

use super::writers::{Client, LastWords, RecordCounts, WritePlan};

pub struct Java {
    process: Process,
    /// Its end is the sign to stop.
    stdin: ChildStdin,
    told: Arc<Mutex<LastPrinted>>,
    reader: JoinHandle<()>,
    /// Holds the source, and what Java unpacks.
    _scratch: ScratchFolder,
}

/// What it has printed last.
#[derive(Default)]
struct LastPrinted {
    counts: RecordCounts,
    acknowledged: Vec<u64>,
    /// Its last word: every answer has come, the journal is complete.
    has_closed: bool,
}

impl Java {
    pub fn start(jars: &KafkaJars, plan: &WritePlan) -> Java {
        let scratch = ScratchFolder::new(jars.home());
        let source = scratch.path().join("SoakWriter.java");
        fs::write(&source, include_str!("SoakWriter.java")).unwrap();
        let mut command = jars.java(scratch.path());
        command.arg("-Xmx256m").arg(&source).args([&plan.servers, &plan.run, &plan.seed.to_string()]);
        command.arg(&plan.journal);
        command.args(plan.properties.iter().map(|(name, value)| format!("{name}={value}")));
        let log = File::create(&plan.log).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut process = Process::start(&mut command).unwrap();
        let (stdin, stdout) = (process.stdin().unwrap(), process.stdout().unwrap());
        let told = Arc::new(Mutex::new(LastPrinted::default()));
        let reader = {
            let told = Arc::clone(&told);
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    told.lock().unwrap().hear(&line);
                }
            })
        };
        Java { process, stdin, told, reader, _scratch: scratch }
    }
}

impl LastPrinted {
    fn hear(&mut self, line: &str) {
        let numbers: Vec<u64> = line.split(' ').skip(1).map_while(|word| word.parse().ok()).collect();
        match (line.split(' ').next(), &numbers[..]) {
            (Some("counts"), [tried, failed, acknowledged @ ..]) => {
                let sum = acknowledged.iter().sum();
                self.counts = RecordCounts { tried: *tried, acknowledged: sum, failed: *failed };
                self.acknowledged = acknowledged.to_vec();
            }
            (Some("closed"), []) => self.has_closed = true,
            _ => {}
        }
    }
}

impl Client for Java {
    fn counts(&self) -> RecordCounts {
        self.told.lock().unwrap().counts
    }

    fn acknowledged_by_thread(&self) -> Vec<u64> {
        self.told.lock().unwrap().acknowledged.clone()
    }

    fn stop(mut self: Box<Self>) -> LastWords {
        drop(self.stdin);
        let ended = self.process.wait(STOP_LIMIT);
        self.process.kill();
        self.reader.join().unwrap();
        let told = self.told.lock().unwrap();
        let complaint = match (ended, told.has_closed) {
            (Some(true), true) => None,
            (None, _) => Some(format!("it did not stop within {STOP_LIMIT:?}")),
            _ => Some(String::from("it ended with an error: see client.log")),
        };
        LastWords { complaint }
    }
}

const STOP_LIMIT: Duration = Duration::from_secs(300);
