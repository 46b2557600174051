//! What the layer does with bytes: pieces, records, ends, alerts, new keys.

use std::io::{IoSlice, Read, Write};

use super::authority::{BOTH, TestAuthority, server_config};
use super::pair::{ConnectedPair, context};
use crate::error::ErrorKind;
use crate::network::PeerState;

#[test]
fn bytes_arrive_in_both_versions_of_tls_however_they_are_cut() {
    let authority = TestAuthority::new("authority");
    let certified = authority.certify(&["kafka", "127.0.0.1"]);
    let context = context(&authority.pem(), None);
    for version in BOTH {
        let server = server_config(&certified, &[], None, &[version]);
        for (step, host) in [(1, "kafka"), (7, "127.0.0.1"), (100_000, "kafka")] {
            let mut pair = ConnectedPair::new(&context, host, &server);
            assert!(!pair.layer.is_established());
            pair.travel(step).unwrap();
            assert!(pair.layer.is_established(), "{version:?}, pieces of {step}");
            assert_eq!(pair.send(b"a request"), 9);
            pair.server.writer().write_all(&[7; 40_000]).unwrap();
            pair.travel(step).unwrap();
            assert_eq!((&*pair.served, pair.read.len()), (&b"a request"[..], 40_000));
        }
    }
}

/// The first flight of the server is cut in two at every place.
#[test]
fn a_handshake_that_is_cut_at_any_byte_goes_on_with_the_rest() {
    let authority = TestAuthority::new("authority");
    let certified = authority.certify(&["kafka"]);
    for version in BOTH {
        let server = server_config(&certified, &[], None, &[version]);
        let mut lengths = Vec::new();
        for cut in (1..).step_by(3) {
            // Without a session of before.
            let context = context(&authority.pem(), None);
            let mut pair = ConnectedPair::new(&context, "kafka", &server);
            let mut hello = pair.to_server.as_slice();
            pair.server.read_tls(&mut hello).unwrap();
            pair.server.process_new_packets().unwrap();
            pair.to_server.clear();
            let flight = pair.take_server_records();
            lengths.push(flight.len());
            let Some((first, second)) = flight.split_at_checked(cut) else { break };
            let state = pair.layer.decode(first, &mut pair.read, &mut pair.to_server).unwrap();
            assert_eq!((state, second.is_empty() || !pair.layer.is_established()), (PeerState::Open, true));
            pair.layer.decode(second, &mut pair.read, &mut pair.to_server).unwrap();
            pair.travel(1000).unwrap();
            assert!(pair.layer.is_established(), "{version:?}, cut at {cut}");
            pair.send(b"a request");
            pair.travel(1000).unwrap();
            assert_eq!(pair.served, b"a request");
        }
        assert!(lengths[0] > 300 && lengths.len() > 100, "{lengths:?}");
    }
}

#[test]
fn one_record_is_taken_at_a_time_and_can_be_read_as_soon_as_it_is_whole() {
    let authority = TestAuthority::new("authority");
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let mut pair = ConnectedPair::established(&context(&authority.pem(), None), "kafka", &server);
    let (first, second) = (vec![1; 10_000], vec![2; 30_000]);
    let slices = [IoSlice::new(&first), IoSlice::new(&second)];
    let taken = pair.layer.encode(&slices, &mut pair.to_server).unwrap();
    assert_eq!(taken, 16 * 1024);
    let last = pair.to_server.pop().unwrap();
    pair.travel(1000).unwrap();
    assert!(pair.served.is_empty(), "all but one byte is not readable");
    pair.to_server.push(last);
    pair.travel(1000).unwrap();
    assert_eq!(pair.served, [&first[..], &second[..6384]].concat());
}

/// A record of ours that lacks its last byte is nothing to the server, wherever it is cut.
#[test]
fn an_answer_is_read_when_its_record_is_whole_and_not_before() {
    let authority = TestAuthority::new("authority");
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let mut pair = ConnectedPair::established(&context(&authority.pem(), None), "kafka", &server);
    pair.server.writer().write_all(b"an answer").unwrap();
    let record = pair.take_server_records();
    for byte in &record[..record.len() - 1] {
        pair.layer.decode(&[*byte], &mut pair.read, &mut pair.to_server).unwrap();
        assert!(pair.read.is_empty());
    }
    pair.layer.decode(&record[record.len() - 1..], &mut pair.read, &mut pair.to_server).unwrap();
    assert_eq!(pair.read, b"an answer");
}

#[test]
fn the_other_side_may_change_its_keys_and_ask_for_new_ones_of_ours() {
    let authority = TestAuthority::new("authority");
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &[&rustls::version::TLS13]);
    let mut pair = ConnectedPair::established(&context(&authority.pem(), None), "kafka", &server);
    for round in 0..3u8 {
        pair.server.refresh_traffic_keys().unwrap();
        pair.server.writer().write_all(&[round; 10]).unwrap();
        pair.travel(5).unwrap();
        pair.send(&[round; 20]);
        pair.travel(5).unwrap();
    }
    assert_eq!((pair.read.len(), pair.served.len()), (30, 60));
}

/// A session of before is taken up again: the server shows no certificate then.
#[test]
fn the_next_connection_to_a_host_takes_up_its_session() {
    let authority = TestAuthority::new("authority");
    for version in BOTH {
        let server = server_config(&authority.certify(&["kafka"]), &[], None, &[version]);
        let context = context(&authority.pem(), None);
        for expected in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let pair = ConnectedPair::established(&context, "kafka", &server);
            assert_eq!(pair.server.handshake_kind(), Some(expected), "{version:?}");
        }
    }
}

#[test]
fn the_server_is_told_the_name_and_no_protocol_of_the_application() {
    let authority = TestAuthority::new("authority");
    let server = server_config(&authority.certify(&["kafka", "127.0.0.1"]), &[], None, &BOTH);
    let context = context(&authority.pem(), None);
    for (host, told) in [("kafka", Some("kafka")), ("127.0.0.1", None)] {
        let pair = ConnectedPair::established(&context, host, &server);
        assert_eq!((pair.server.server_name(), pair.server.alpn_protocol()), (told, None));
    }
}

/// In TLS 1.3 the client is done before the server has looked.
#[test]
fn a_refused_client_is_told_by_the_name_of_the_alert() {
    let authority = TestAuthority::new("authority");
    let (clients, others) = (TestAuthority::new("clients"), TestAuthority::new("others"));
    for version in BOTH {
        let server = server_config(&authority.certify(&["kafka"]), &[], Some(&clients), &[version]);
        let ours = clients.certify(&["client"]);
        let mut pair = ConnectedPair::established(&context(&authority.pem(), Some(&ours)), "kafka", &server);
        pair.send(b"a request");
        pair.travel(1000).unwrap();
        assert_eq!(pair.served, b"a request");

        let is_13 = version == &rustls::version::TLS13;
        let foreign = others.certify(&["client"]);
        for (own, alert) in [
            (None, "certificate_required (116): it wants a certificate of ours, and has got none"),
            (Some(&foreign), "unknown_ca (48): it does not accept our certificate"),
        ] {
            let mut pair = ConnectedPair::new(&context(&authority.pem(), own), "kafka", &server);
            let error = pair.travel(1000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
            let text = error.to_string();
            let start = format!("the broker ended the TLS connection with the alert {alert}");
            assert!(
                text.starts_with(&start) && text.contains("ssl.keystore.location"),
                "{version:?}: {text}"
            );
            assert_eq!(pair.layer.is_established(), is_13, "it is done, and refused afterwards");
        }
    }
}

#[test]
fn an_end_is_told_when_it_was_announced_and_announced_by_us() {
    let authority = TestAuthority::new("authority");
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let context = context(&authority.pem(), None);
    let mut pair = ConnectedPair::established(&context, "kafka", &server);
    pair.server.writer().write_all(b"the last answer").unwrap();
    pair.server.send_close_notify();
    pair.travel(1000).unwrap();
    assert_eq!((&*pair.read, pair.state), (&b"the last answer"[..], PeerState::Ended));
    let (mut more, mut out) = (Vec::new(), Vec::new());
    assert_eq!(pair.layer.decode(b"what follows", &mut more, &mut out).unwrap(), PeerState::Ended);
    assert!(more.is_empty());

    let mut pair = ConnectedPair::established(&context, "kafka", &server);
    pair.layer.close(&mut pair.to_server);
    pair.travel(1000).unwrap();
    assert_eq!(pair.server.reader().read(&mut [0; 9]).unwrap(), 0, "it knows that nothing will follow");
}

#[test]
fn what_is_no_tls_is_named_and_what_was_changed_on_its_way_is_not_read() {
    let authority = TestAuthority::new("authority");
    let context = context(&authority.pem(), None);
    for stranger in
        [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", &[0, 0, 0, 8, 0, 0, 0, 0]]
    {
        let mut layer = context.layer("kafka").unwrap();
        layer.start(&mut Vec::new()).unwrap();
        let error = layer.decode(stranger, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        let text = error.to_string();
        assert!(text.starts_with("what came is not TLS: ") && text.contains("security.protocol"), "{text}");
    }
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let mut pair = ConnectedPair::established(&context, "kafka", &server);
    pair.server.writer().write_all(b"an answer").unwrap();
    pair.travel(1000).unwrap();
    pair.read.clear();
    pair.server.writer().write_all(b"an answer").unwrap();
    let mut record = pair.take_server_records();
    *record.last_mut().unwrap() ^= 1;
    let error = pair.layer.decode(&record, &mut pair.read, &mut pair.to_server).unwrap_err();
    assert_eq!((error.kind(), pair.read.len()), (ErrorKind::Network, 0));
    assert!(error.to_string().contains("changed on its way"), "{error}");
}

/// Kafka 2.8's brokers on Java 17 send an alert of TLS 1.3 that neither we nor Java's clients can decrypt ("Tag mismatch!"),
/// and those of 2.1 say in TLS 1.2 what they have said before ("Unexpected handshake message: server_hello").
#[test]
fn a_refusal_that_brokers_garble_is_one() {
    let authority = TestAuthority::new("authority");
    let (clients, others) = (TestAuthority::new("clients"), TestAuthority::new("others"));
    let foreign = others.certify(&["client"]);
    for version in BOTH {
        for (own, advice) in
            [(None, "it wants a certificate of ours"), (Some(&foreign), "it does not accept our")]
        {
            let server = server_config(&authority.certify(&["kafka"]), &[], Some(&clients), &[version]);
            let mut pair = ConnectedPair::new(&context(&authority.pem(), own), "kafka", &server);
            let flight = pair.flight_of_server();
            pair.layer.decode(&flight, &mut pair.read, &mut pair.to_server).unwrap();
            let mut alert = pair.flight_of_server();
            *alert.last_mut().unwrap() ^= 1;
            let is_13 = version == &rustls::version::TLS13;
            assert_eq!(pair.layer.is_established(), is_13);
            let garbled = if is_13 { alert } else { flight };
            let error = pair.layer.decode(&garbled, &mut pair.read, &mut pair.to_server).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{text}");
            assert!(text.contains("in place of the broker's consent") && text.contains(advice), "{text}");
        }
    }
}

#[test]
fn a_host_whose_name_no_certificate_can_have_is_an_error() {
    let authority = TestAuthority::new("authority");
    let error = context(&authority.pem(), None).layer("no name\n").unwrap_err();
    assert_eq!(error.to_string(), "no certificate can be for no name\\n: that is no name of a host");
}
