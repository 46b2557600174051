//! The embedded cluster on its sockets: connections that are delayed, cut, refused, and what it leaves behind.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster};
use support::{Batch, ByHand, produce, value};

fn one() -> Vec<u8> {
    Batch::of(vec![value("a")]).bytes()
}

#[test]
fn several_brokers_answer_at_their_addresses() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 3).start().unwrap();
    assert_eq!(cluster.bootstrap_servers().split(',').count(), 3);
    for partition in 0..3 {
        let leader = cluster.leader("test", partition).unwrap();
        let mut connection = ByHand::connect(&cluster.broker_address(leader).unwrap());
        let response = connection.ask(9, &produce(-1, "test", partition, one()));
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    assert_eq!(cluster.records("test").len(), 3);
    assert_eq!(cluster.connections_accepted(), 3);
}

#[test]
fn answers_that_take_time_are_on_their_way_together() {
    let delay = Duration::from_secs(1);
    let cluster = EmbeddedCluster::builder().topic("test", 1).answer_delay(delay).start().unwrap();
    let mut connection = ByHand::connect(&cluster.bootstrap_servers());
    let start = Instant::now();
    for correlation_id in 0..5 {
        connection.send(9, correlation_id, &produce(1, "test", 0, one()));
    }
    for correlation_id in 0..5 {
        let answer = connection.receive::<kafka_protocol::messages::ProduceResponse>(9);
        assert_eq!(answer.0, correlation_id);
    }
    let took = start.elapsed();
    assert!(took >= delay, "{took:?}");
    assert!(took < delay * 5, "{took:?}");
}

#[test]
fn a_stopped_broker_refuses_and_comes_back_on_its_port() {
    let cluster = EmbeddedCluster::builder().brokers(2).topic("test", 1).start().unwrap();
    let address = cluster.broker_address(1).unwrap();
    for _ in 0..3 {
        let mut connection = ByHand::connect(&address);
        connection.ask(9, &produce(1, "test", 0, one()));
        cluster.stop_broker(1);
        assert!(connection.is_closed());
        assert!(TcpStream::connect(&address).is_err());
        assert_eq!(cluster.leader("test", 0), Some(2));
        cluster.start_broker(1).unwrap();
        cluster.start_broker(1).unwrap();
        cluster.move_leader("test", 0, 1);
    }
    assert!(cluster.start_broker(7).is_err());
    let mut connection = ByHand::connect(&address);
    connection.ask(9, &produce(1, "test", 0, one()));
    assert_eq!(cluster.end_offset("test", 0), Some(4));
}

#[test]
fn cut_connections_and_lost_answers() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).start().unwrap();
    let address = cluster.bootstrap_servers();
    cluster.cut_before(Api::Produce, 1);
    cluster.cut_after(Api::Produce, 1);
    for offset in [0, 1] {
        let mut connection = ByHand::connect(&address);
        connection.send(9, 1, &produce(1, "test", 0, one()));
        assert!(connection.is_closed());
        assert_eq!(cluster.end_offset("test", 0), Some(offset));
    }
    cluster.drop_answer(Api::Produce, 1);
    let mut connection = ByHand::connect(&address);
    connection.send(9, 1, &produce(1, "test", 0, one()));
    let start = Instant::now();
    while cluster.end_offset("test", 0) != Some(2) {
        assert!(start.elapsed() < Duration::from_secs(60), "it is not written");
        std::thread::sleep(Duration::from_millis(1));
    }
    connection.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = connection.0.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
}

#[test]
fn strangers_are_disconnected() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).start().unwrap();
    for greeting in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x7f, 0xff, 0xff, 0xff], &[0xff; 4], &[0, 0, 0, 0], &[0; 40]]
    {
        let mut connection = ByHand::connect(&cluster.bootstrap_servers());
        connection.0.write_all(greeting).unwrap();
        assert!(connection.is_closed(), "{greeting:?}");
    }
    // A frame that is announced and never comes holds up nobody else.
    let mut slow = ByHand::connect(&cluster.bootstrap_servers());
    slow.0.write_all(&[0x06, 0, 0, 0, 0, 0]).unwrap();
    let mut connection = ByHand::connect(&cluster.bootstrap_servers());
    connection.ask(9, &produce(1, "test", 0, one()));
}

#[test]
fn dropping_it_ends_everything() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 1).start().unwrap();
    let address = cluster.broker_address(1).unwrap();
    let mut connections: Vec<ByHand> = (0..10).map(|_| ByHand::connect(&address)).collect();
    connections[0].ask(9, &produce(1, "test", 0, one()));
    cluster.delay(Api::Produce, Duration::from_secs(3600), 1);
    connections[1].send(9, 1, &produce(1, "test", 0, one()));
    let start = Instant::now();
    drop(cluster);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(connections.iter_mut().all(ByHand::is_closed));
    assert!(TcpStream::connect(&address).is_err());
}
