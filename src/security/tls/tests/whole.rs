//! A whole producer under TLS, over real sockets, with a broker that has its own idea of TLS.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_embedded::EmbeddedCluster;
use rustls::ServerConfig;

use super::authority::{BOTH, Certified, TestAuthority, server_config};
use super::folder::Folder;
use super::terminator::{Cut, Terminator};
// As a user has it: by the names of the crate's face.
use crate::{ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};

struct TlsCluster {
    cluster: EmbeddedCluster,
    listener: Terminator,
}

impl TlsCluster {
    fn new(config: Arc<ServerConfig>) -> TlsCluster {
        let cluster = EmbeddedCluster::builder().topic("orders", 1).start().unwrap();
        let broker: SocketAddr = cluster.bootstrap_servers().parse().unwrap();
        let listener = Terminator::new(broker, config);
        cluster.advertise(1, "localhost", listener.port);
        TlsCluster { cluster, listener }
    }

    fn config(&self) -> ProducerConfig {
        ProducerConfig::new()
            .bootstrap_servers(&format!("localhost:{}", self.listener.port))
            .set("security.protocol", "SSL")
            .set("max.block.ms", "60000")
    }

    fn received(&self) -> usize {
        self.cluster.records("orders").len()
    }
}

fn producer(config: ProducerConfig) -> KafkaProducer<str, str> {
    KafkaProducer::<str, str>::builder(config).default_serializers().build().unwrap()
}

fn send(producer: &KafkaProducer<str, str>) -> Result<(), crate::Error> {
    producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    Ok(())
}

fn trusting(config: ProducerConfig, authority: &TestAuthority) -> ProducerConfig {
    config.set(ProducerConfig::SSL_TRUSTSTORE_CERTIFICATES_CONFIG, authority.pem())
}

fn showing(config: ProducerConfig, own: &Certified) -> ProducerConfig {
    config
        .set(ProducerConfig::SSL_KEYSTORE_KEY_CONFIG, own.key_pem())
        .set(ProducerConfig::SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG, &*own.pem)
}

#[test]
fn records_arrive_in_both_versions_with_and_without_a_certificate_of_ours() {
    let (authority, clients) = (TestAuthority::new("root"), TestAuthority::new("clients"));
    let broker = authority.certify(&["localhost"]);
    let ours = clients.certify(&["client"]);
    for version in BOTH {
        for wants in [None, Some(&clients)] {
            let world = TlsCluster::new(server_config(&broker, &[], wants, &[version]));
            let producer = producer(showing(trusting(world.config(), &authority), &ours));
            let large = "apple ".repeat(20_000);
            let futures: Vec<_> =
                (0..50).map(|_| producer.send(ProducerRecord::new("orders", &large)).unwrap()).collect();
            futures.iter().for_each(|future| drop(future.get().unwrap()));
            assert_eq!(world.received(), 50, "{version:?}");
            producer.close().unwrap();
        }
    }
}

/// Announced or in the middle of a record: what was not answered goes again, on the next connection, whose session is that of
/// before.
#[test]
fn a_connection_that_ends_is_made_again_and_nothing_is_lost_or_doubled() {
    let authority = TestAuthority::new("root");
    let broker = authority.certify(&["localhost"]);
    for version in BOTH {
        let world = TlsCluster::new(server_config(&broker, &[], None, &[version]));
        let producer = producer(trusting(world.config(), &authority));
        send(&producer).unwrap();
        for how in [Cut::Announced, Cut::Within, Cut::Announced, Cut::Within] {
            let before = world.listener.accepted();
            world.listener.cut(how);
            for _ in 0..20 {
                send(&producer).unwrap();
            }
            assert!(world.listener.accepted() > before, "{how:?}");
        }
        assert_eq!(world.received(), 81);
        assert!(world.listener.resumed() >= 3, "{version:?}: {}", world.listener.resumed());
    }
}

/// Behaviour 99.
#[test]
fn a_refusal_is_told_at_once_and_heals_when_the_files_do() {
    let folder = Folder::new("tls-heals");
    let (authority, clients) = (TestAuthority::new("root"), TestAuthority::new("clients"));
    let stranger = TestAuthority::new("others").certify(&["client"]);
    let ours = clients.certify(&["client"]);
    let world =
        TlsCluster::new(server_config(&authority.certify(&["localhost"]), &[], Some(&clients), &BOTH));
    let path = folder.write("key.pem", &format!("{}{}", stranger.key_pem(), stranger.pem));
    let producer = producer(trusting(world.config(), &authority).set("ssl.keystore.location", &path));
    let begin = Instant::now();
    let error = send(&producer).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("alert unknown_ca (48)"), "{error}");

    folder.write("key.pem", "not yet");
    let broken = producer.reload_credentials().unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Config);
    assert!(broken.to_string().starts_with("ssl.keystore.location ("), "{broken}");

    folder.write("key.pem", &format!("{}{}", ours.key_pem(), ours.pem));
    let healed = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        send(&producer).is_ok()
    });
    assert!(healed);
    producer.reload_credentials().unwrap();
    send(&producer).unwrap();
}

#[test]
fn a_broker_with_a_new_authority_is_trusted_once_the_file_has_it() {
    let folder = Folder::new("tls-rotates");
    let (old, new) = (TestAuthority::new("old"), TestAuthority::new("new"));
    let world = TlsCluster::new(server_config(&old.certify(&["localhost"]), &[], None, &BOTH));
    let path = folder.write("trust.pem", &old.pem());
    let producer = producer(world.config().set("ssl.truststore.location", &path));
    send(&producer).unwrap();
    world.listener.set_config(server_config(&new.certify(&["localhost"]), &[], None, &BOTH));
    folder.write("trust.pem", &format!("{}{}", old.pem(), new.pem()));
    world.listener.cut(Cut::Announced);
    for _ in 0..10 {
        send(&producer).unwrap();
    }
    assert_eq!(world.received(), 11);
    fs::remove_file(&path).unwrap();
    world.listener.cut(Cut::Within);
    for _ in 0..10 {
        send(&producer).unwrap();
    }
    assert_eq!(world.received(), 21);
}

#[test]
fn the_wrong_protocol_is_named_on_either_side() {
    let authority = TestAuthority::new("root");
    let world = TlsCluster::new(server_config(&authority.certify(&["localhost"]), &[], None, &BOTH));
    let plain = world.config().set("security.protocol", "PLAINTEXT").set("max.block.ms", "1000");
    let text = send(&producer(plain)).unwrap_err().to_string();
    assert!(
        text.contains("TLS is spoken there: the listener needs security.protocol SSL or SASL_SSL"),
        "{text}"
    );

    let port = world.cluster.bootstrap_servers();
    let secured = trusting(world.config(), &authority).bootstrap_servers(&port).set("max.block.ms", "1000");
    let text = send(&producer(secured)).unwrap_err().to_string();
    assert!(text.contains("the listener may not speak TLS (security.protocol)"), "{text}");
}
