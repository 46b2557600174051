//! ZooKeeper, which brokers of 2.x keep their cluster in.
//!
//! Owns: its process, its port, its folder within a cluster's. Must not know: brokers.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::command::Process;
use super::jars::KafkaJars;

/// A running ZooKeeper.
pub(super) struct ZooKeeper {
    port: u16,
    _process: Process,
}

impl ZooKeeper {
    /// On this port, in a folder of its own within `run`.
    pub(super) fn start(jars: &KafkaJars, run: &Path, port: u16) -> Result<ZooKeeper, String> {
        let folder = run.join("zookeeper");
        fs::create_dir_all(&folder).unwrap();
        let properties = folder.join("zookeeper.properties");
        let data = folder.join("data").display().to_string();
        // Sessions end at a tick, and without the limit of their own may last 20 ticks at most.
        let text = format!(
            "dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n\
             tickTime=500\nmaxSessionTimeout=60000\n"
        );
        fs::write(&properties, text).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let mut java = jars.java(&folder);
        java.args(["-Xmx64m", "org.apache.zookeeper.server.quorum.QuorumPeerMain"]).arg(&properties);
        java.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Process::start(&mut java).unwrap();
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if process.wait(Duration::ZERO).is_some() || Instant::now() > deadline {
                return Err(fs::read_to_string(folder.join("log")).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(ZooKeeper { port, _process: process })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

const START_LIMIT: Duration = Duration::from_secs(120);
