//! `bootstrap.servers`: names with several addresses, canonical names, names that are looked up in the background.

use std::net::{Ipv6Addr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::{AGES, SOON, TextProducer, cluster, config, to_first, values, wait_until};
use kafka_producer::{ClientDnsLookup, ErrorKind, KafkaProducer, ProducerConfig};

const NOWHERE: &str = "no-such-host.invalid:9092,nor-this.invalid:9093";

fn port(servers: &str) -> &str {
    servers.rsplit(':').next().unwrap()
}

/// The embedded cluster listens on 127.0.0.1 alone: what `localhost` has besides, often ::1, is tried in vain.
#[test]
fn all_addresses_of_a_name_are_tried_and_canonical_names_lead_to_the_same_broker() {
    for lookup in [ClientDnsLookup::UseAllDnsIps, ClientDnsLookup::ResolveCanonicalBootstrapServersOnly] {
        let cluster = cluster(1);
        let servers = format!("localhost:{}", port(&cluster.bootstrap_servers()));
        let producer: TextProducer =
            KafkaProducer::new(config(&servers, &[]).client_dns_lookup(lookup)).unwrap();
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
}

#[test]
fn an_address_of_version_6_in_vain_is_followed_by_the_next_server() {
    let cluster = cluster(1);
    // Where there is no version 6 the connection fails as well.
    let closed = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).map_or(1, |l| l.local_addr().unwrap().port());
    let servers = format!("[::1]:{closed},{}", cluster.bootstrap_servers());
    for lookup in ["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"] {
        let producer: TextProducer =
            KafkaProducer::new(config(&servers, &[("client.dns.lookup", lookup)])).unwrap();
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
}

#[test]
fn canonical_or_not_no_resolvable_name_is_an_error_at_once_that_names_each() {
    for lookup in ["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"] {
        let settings = config(NOWHERE, &[("client.dns.lookup", lookup)]);
        let error = KafkaProducer::<str, str>::new(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        for name in NOWHERE.split(',') {
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn names_are_looked_up_in_the_background_if_that_is_wanted() {
    let cluster = cluster(1);
    let port = port(&cluster.bootstrap_servers()).to_owned();
    for lookup in [ClientDnsLookup::UseAllDnsIps, ClientDnsLookup::ResolveCanonicalBootstrapServersOnly] {
        let servers = format!("no-such-host.invalid:9092,localhost:{port}");
        let settings = config(&servers, &[]).bootstrap_resolve_timeout(AGES).client_dns_lookup(lookup);
        let producer: TextProducer = KafkaProducer::new(settings).unwrap();
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    assert_eq!(values(&cluster, "t", 0).len(), 2);
}

/// Whoever has mistyped one of them sees it.
#[test]
fn a_time_out_before_any_broker_has_answered_names_all_servers_and_what_went_wrong_last() {
    let servers = "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3";
    let producer: TextProducer = KafkaProducer::new(config(servers, &[("max.block.ms", "2000")])).unwrap();
    let error = producer.send(to_first("v")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let told = "; none of bootstrap.servers has told of the cluster: 127.0.0.1:1, 127.0.0.2:2, 127.0.0.3:3; the last error was: \
                cannot connect to 127.0.0.";
    assert!(error.to_string().contains(told), "{error}");
    // One that is alone is the one of which the last error tells.
    let producer: TextProducer =
        KafkaProducer::new(config("127.0.0.1:1", &[("max.block.ms", "2000")])).unwrap();
    let error = producer.send(to_first("v")).unwrap_err();
    let told = "is over; the last error was: cannot connect to 127.0.0.1:1: ";
    assert!(error.to_string().contains(told), "{error}");
}

fn in_vain(timeout: Duration, max_block: &str) -> TextProducer {
    let settings: ProducerConfig = config(NOWHERE, &[("max.block.ms", max_block)]);
    KafkaProducer::new(settings.bootstrap_resolve_timeout(timeout)).unwrap()
}

#[test]
fn a_producer_whose_servers_were_not_found_in_time_says_so_to_everyone_from_then_on() {
    let producer = in_vain(Duration::from_millis(500), "60000");
    let start = Instant::now();
    let waiting = producer.send(to_first("v")).unwrap_err();
    assert!((Duration::from_millis(400)..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    let later = producer.send(to_first("v")).unwrap_err();
    let partitions = producer.partitions_for("t").unwrap_err();
    for error in [&waiting, &later, &partitions] {
        assert!(error.is_fatal() && !error.is_retriable() && error.kind() == ErrorKind::Config, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("no-such-host.invalid:9092") && text.contains("nor-this.invalid:9093"),
            "{text}"
        );
        assert!(text.contains("bootstrap.resolve.timeout.ms=500"), "{text}");
    }
    producer.close().unwrap();
}

#[test]
fn whoever_does_not_wait_that_long_hears_what_is_missing_and_may_close() {
    let producer = in_vain(AGES, "200");
    wait_until("the first look-up is over", || {
        let error = producer.send(to_first("v")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        error.to_string().contains("no-such-host.invalid:9092")
    });
    let start = Instant::now();
    producer.close().unwrap();
    assert!(start.elapsed() < SOON);
}
