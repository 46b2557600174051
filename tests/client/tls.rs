//! A whole client and embedded brokers that speak TLS: records arrive, faults of each step are survived, refusals are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use kafka_embedded::{AlertAt, CertificateOptions, EmbeddedCluster, TlsFault, TlsOptions};
use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};

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
    send(&producer(shown), 100);
    assert_eq!(cluster.records("orders").len(), 100);

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
