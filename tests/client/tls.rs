//! A whole client and embedded brokers that speak TLS: records arrive, faults of each step are survived, refusals are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kafka_embedded::{AlertAt, Api, CertificateOptions, EmbeddedCluster, TlsFault, TlsOptions};
use kafka_producer::{ErrorKind, KafkaProducer, Metric, ProducerConfig, ProducerRecord};

use crate::support::logged::listen;
use crate::support::scratch::Scratch;
use crate::support::wait_until;

fn cluster(options: TlsOptions) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(2).topic("orders", 2).tls(options).start().unwrap()
}

fn config(cluster: &EmbeddedCluster) -> ProducerConfig {
    ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .set("security.protocol", "SSL")
        .set(ProducerConfig::SSL_TRUSTSTORE_CERTIFICATES_CONFIG, cluster.tls().unwrap().trusted_pem())
}

fn producer(config: ProducerConfig) -> KafkaProducer<str, str> {
    KafkaProducer::<str, str>::builder(config).default_serializers().build().unwrap()
}

/// Sends this many records; all are acknowledged.
fn send(producer: &KafkaProducer<str, str>, count: usize) {
    let record = |number: usize| ProducerRecord::new("orders", "two apples").with_key(number.to_string());
    let futures: Vec<_> = (0..count).map(|number| producer.send(record(number)).unwrap()).collect();
    futures.iter().for_each(|future| drop(future.get().unwrap()));
}

#[test]
fn records_arrive_and_clients_show_who_they_are_where_brokers_ask() {
    let cluster = cluster(TlsOptions::new().require_client_certificates());
    let own = cluster.tls().unwrap().client_certificate("alice").unwrap();
    let shown = config(&cluster)
        .set(ProducerConfig::SSL_KEYSTORE_KEY_CONFIG, own.key_pem())
        .set(ProducerConfig::SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG, own.chain_pem());
    let known = producer(shown);
    send(&known, 100);
    assert_eq!(cluster.records("orders").len(), 100);
    let metrics = known.metrics();
    let authenticated = metrics.get("producer-metrics", "successful-authentication-total", &[]);
    assert!(authenticated.and_then(Metric::number) >= Some(1.0), "{authenticated:?}");

    let begin = Instant::now();
    let error = producer(config(&cluster)).send(ProducerRecord::new("orders", "one")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(error.to_string().contains("wants a certificate of ours"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn whatever_goes_wrong_with_a_connection_once_harms_no_record() {
    let cluster = cluster(TlsOptions::new());
    let tls = cluster.tls().unwrap();
    let faults = [
        TlsFault::cut_handshake(1),
        TlsFault::cut_handshake(700),
        TlsFault::cut_before(100),
        TlsFault::slow_handshake(Duration::from_millis(50)),
        TlsFault::not_tls("HTTP/1.1 400 Bad Request\r\n\r\n"),
        TlsFault::alert(AlertAt::Finished, 80),
        TlsFault::alert(AlertAt::Data(20), 80),
    ];
    for (round, fault) in (1..).zip(faults) {
        tls.inject(fault);
        let producer = producer(config(&cluster));
        send(&producer, 50);
        producer.close().unwrap();
        assert_eq!(cluster.records("orders").len(), 50 * round);
        assert_eq!(tls.faults_acted().values().sum::<u64>(), round as u64, "{:?}", tls.faults_acted());
    }
}

#[test]
fn every_alert_that_refuses_us_is_told_by_its_name() {
    let cluster = cluster(TlsOptions::new());
    let tls = cluster.tls().unwrap();
    for (number, name) in [
        (40, "handshake_failure (40)"),
        (42, "bad_certificate (42)"),
        (43, "unsupported_certificate (43)"),
        (44, "certificate_revoked (44)"),
        (45, "certificate_expired (45)"),
        (46, "certificate_unknown (46)"),
        (48, "unknown_ca (48)"),
        (116, "certificate_required (116)"),
    ] {
        tls.inject(TlsFault::alert(AlertAt::Finished, number).always());
        let error = producer(config(&cluster)).send(ProducerRecord::new("orders", "one")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains(&format!("with the alert {name}")), "{error}");
        tls.clear_faults();
    }
    send(&producer(config(&cluster)), 10);
}

#[test]
fn a_broker_that_gets_another_certificate_is_told_from_one_that_may_not_have_it() {
    let cluster = cluster(TlsOptions::new());
    let tls = cluster.tls().unwrap();
    let names = ["localhost", "127.0.0.1"];
    for (options, words) in [
        (CertificateOptions::for_names(names).expired(), "has expired: it was valid until"),
        (CertificateOptions::for_names(names).not_yet_valid(), "is valid from"),
        (CertificateOptions::for_names(["elsewhere"]), "it is for elsewhere, and not for 127.0.0.1"),
        (CertificateOptions::for_names(names).by_another_authority(), "in ssl.truststore.certificates"),
    ] {
        tls.replace_certificate(&options).unwrap();
        let trusting =
            config(&cluster).set(ProducerConfig::SSL_TRUSTSTORE_CERTIFICATES_CONFIG, tls.authority_pem());
        let error = producer(trusting).send(ProducerRecord::new("orders", "one")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    tls.replace_certificate(&CertificateOptions::for_names(names).self_signed()).unwrap();
    send(&producer(config(&cluster)), 10);
}

/// What was said of the file of the test below.
static TOLD: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

fn told() -> Vec<log::Level> {
    TOLD.lock().unwrap().iter().map(|(level, _)| *level).collect()
}

/// Behaviour 99.
#[test]
fn an_idle_client_sees_what_has_become_of_its_files_and_its_connections_go_on() {
    listen(log::LevelFilter::Info, |record| {
        let text = record.args().to_string();
        if text.contains("-tls-idle.properties)") {
            TOLD.lock().unwrap().push((record.level(), text));
        }
    });
    let cluster = cluster(TlsOptions::new());
    let tls = cluster.tls().unwrap();
    let old = tls.trusted_pem();
    let trust = Scratch::new("tls-idle", old.as_bytes());
    let replace = |text: String| {
        let beside = Scratch::new("tls-idle-beside", text.as_bytes());
        fs::rename(&beside.0, &trust.0).unwrap();
    };
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .set("security.protocol", "SSL")
        .set("ssl.truststore.location", trust.0.display().to_string())
        .set("ssl.reload.interval.ms", "20");
    let producer = producer(config);
    send(&producer, 50);
    let handshakes = tls.handshakes().len();

    tls.replace_authority().unwrap();
    replace(format!("{old}{}", tls.trusted_pem()));
    wait_until("both authorities are read", || told() == [log::Level::Info]);
    replace(String::from("broken"));
    wait_until("what is broken is told", || told() == [log::Level::Info, log::Level::Warn]);
    // Many looks later.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(told(), [log::Level::Info, log::Level::Warn], "once");
    let text = TOLD.lock().unwrap()[1].1.clone();
    assert!(text.contains("are made with what was before: ssl.truststore.location ("), "{text}");
    send(&producer, 50);
    assert_eq!(tls.handshakes().len(), handshakes, "connections go on");

    // The new authority was read when nothing was connected; now there would be nothing to read.
    cluster.cut_before(Api::Produce, 1);
    send(&producer, 50);
    assert!(tls.handshakes().len() > handshakes);
    assert_eq!(cluster.records("orders").len(), 150);
}
