//! The embedded cluster where the process has no descriptors left: alone in its process, since all of it suffers.

#![cfg(all(test, unix))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use rustix::process::{Resource, getrlimit, setrlimit};
use support::{Batch, ByHand, produce, value};

/// Takes descriptors until there are none.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Fault C14.
#[test]
fn the_cluster_goes_on_after_descriptors_have_run_out() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(200);
    setrlimit(Resource::Nofile, limit).unwrap();
    let cluster = EmbeddedCluster::builder().brokers(2).topic("test", 1).start().unwrap();
    let addresses = [1, 2].map(|broker| cluster.broker_address(broker).unwrap());
    for left in 1..=4 {
        let mut taken = take_all();
        for address in &addresses {
            // Enough for the client's side, and for more and more of the broker's.
            taken.truncate(taken.len() - left);
            let mut refused = TcpStream::connect(address).unwrap();
            refused.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let _ = refused.read(&mut [0]);
            drop(refused);
            taken.extend(take_all());
        }
        drop(taken);
        sleep(Duration::from_millis(20));
        for address in &addresses {
            let mut connection = ByHand::connect(address);
            let records = Batch::of(vec![value("a")]).bytes();
            let response = connection.ask(9, &produce(1, "test", 0, records));
            assert_eq!(response.responses.len(), 1);
        }
    }
    assert_eq!(cluster.records("test").len(), 4);
    // Brokers stop and start, also while there is nothing left.
    let taken = take_all();
    cluster.stop_broker(2);
    drop(taken);
    cluster.start_broker(2).unwrap();
    ByHand::connect(&addresses[1]).ask(9, &produce(1, "test", 0, Batch::of(vec![value("a")]).bytes()));
}
