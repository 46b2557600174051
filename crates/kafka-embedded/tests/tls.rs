//! TLS: handshakes with rustls's own client, certificates that are not to be trusted, alerts, cuts and ends on demand.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests are here")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_embedded::{
    AlertAt, CertificateKeyKind, CertificateOptions, EmbeddedCluster, IssuedCertificate, TlsEnd, TlsFault,
    TlsOptions, TlsServer, TlsState, TlsVersions,
};
use kafka_protocol::messages::ProduceResponse;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned,
};
use support::{Batch, decode, frame, produce, value};

fn client_config(trusted: &str, identity: Option<&IssuedCertificate>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls_graviola::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(it) => {
            let chain =
                CertificateDer::pem_slice_iter(it.chain_pem().as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(it.key_pem().as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

fn client(config: &Arc<ClientConfig>, host: &str) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), host.to_owned().try_into().unwrap()).unwrap()
}

/// Both ends, and what each has read.
struct Pair {
    client: ClientConnection,
    broker: TlsEnd,
    state: TlsState,
    served: Vec<u8>,
    read: Vec<u8>,
    /// How many bytes the broker has sent, and in how many messages.
    sent: usize,
}

impl Pair {
    fn new(server: &TlsServer, config: &Arc<ClientConfig>, host: &str) -> Self {
        let (client, broker) = (client(config, host), server.accept(1));
        Self { client, broker, state: TlsState::Open, served: Vec::new(), read: Vec::new(), sent: 0 }
    }

    fn of(server: &TlsServer) -> Self {
        Self::new(server, &client_config(&server.trusted_pem(), None), "localhost")
    }

    /// Lets everything travel, in pieces of this many bytes, until nothing is left.
    fn travel(&mut self, step: usize) -> Result<(), Error> {
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while self.client.wants_write() {
                self.client.write_tls(&mut there).unwrap();
            }
            for piece in there.chunks(step).take_while(|_| self.state == TlsState::Open).collect::<Vec<_>>() {
                if self.state == TlsState::Open {
                    self.state = self.broker.receive(piece, &mut self.served, &mut back);
                }
            }
            self.sent += back.len();
            self.give(&back, step)?;
            if back.is_empty() && !self.client.wants_write() {
                return Ok(());
            }
        }
    }

    fn give(&mut self, bytes: &[u8], step: usize) -> Result<(), Error> {
        for mut piece in bytes.chunks(step) {
            while !piece.is_empty() {
                self.client.read_tls(&mut piece).unwrap();
                self.client.process_new_packets()?;
            }
            match self.client.reader().read_to_end(&mut self.read) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut out = Vec::new();
        self.state = self.broker.send(bytes, &mut out);
        self.sent += out.len();
        self.give(&out, 1000)
    }
}

fn server(options: TlsOptions) -> TlsServer {
    TlsServer::new(options).unwrap()
}

const BOTH: [TlsVersions; 2] = [TlsVersions::Only12, TlsVersions::Only13];

#[test]
fn bytes_arrive_in_both_versions_however_they_are_cut() {
    for (versions, key, name) in [
        (TlsVersions::Only12, CertificateKeyKind::EcdsaP256, "TLSv1.2"),
        (TlsVersions::Only13, CertificateKeyKind::EcdsaP256, "TLSv1.3"),
        (TlsVersions::Both, CertificateKeyKind::EcdsaP256, "TLSv1.3"),
        (TlsVersions::Only13, CertificateKeyKind::Ed25519, "TLSv1.3"),
    ] {
        let server = server(TlsOptions::new().versions(versions).keys(key));
        for (step, host) in [(1, "localhost"), (7, "127.0.0.1"), (100_000, "::1")] {
            let config = client_config(&server.trusted_pem(), None);
            let mut pair = Pair::new(&server, &config, host);
            assert!(!pair.broker.is_established());
            pair.client.writer().write_all(b"a request").unwrap();
            pair.travel(step).unwrap();
            assert!(pair.broker.is_established());
            pair.answer(&[7; 40_000]).unwrap();
            assert_eq!((&*pair.served, pair.read.len()), (&b"a request"[..], 40_000));
            let seen = server.handshakes().pop().unwrap();
            assert_eq!((seen.broker, &*seen.version, seen.is_resumed), (1, name, false));
            assert_eq!(seen.server_name.is_some(), host == "localhost");
            assert!(seen.cipher_suite.contains("_GCM_SHA"), "{seen:?}");
        }
    }
    let impossible = TlsOptions::new().versions(TlsVersions::Only12).keys(CertificateKeyKind::Ed25519);
    assert_eq!(TlsServer::new(impossible).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// A simulation needs that: then chance does not change the course of things.
#[test]
fn with_ed25519_all_handshakes_have_the_same_size() {
    let size = || {
        let server =
            server(TlsOptions::new().keys(CertificateKeyKind::Ed25519).require_client_certificates());
        let alice = server.client_certificate("alice").unwrap();
        let mut pair = Pair::new(&server, &client_config(&server.trusted_pem(), Some(&alice)), "localhost");
        pair.travel(1000).unwrap();
        pair.sent
    };
    let first = size();
    assert!((0..30).all(|_| size() == first));
}

#[test]
fn a_broker_takes_new_keys_under_tls_13_and_what_is_said_before_and_after_arrives() {
    for (versions, is_done) in [(TlsVersions::Only13, true), (TlsVersions::Only12, false)] {
        let mut pair = Pair::of(&server(TlsOptions::new().versions(versions)));
        let mut out = Vec::new();
        assert!(!pair.broker.refresh_keys(&mut out) && out.is_empty(), "nothing stands yet");
        pair.travel(1000).unwrap();
        for round in 1..=3 {
            assert_eq!(pair.broker.refresh_keys(&mut out), is_done);
            assert_eq!(out.is_empty(), !is_done);
            pair.give(&std::mem::take(&mut out), 7).unwrap();
            pair.client.writer().write_all(b"request").unwrap();
            pair.travel(7).unwrap();
            pair.answer(b"answer").unwrap();
            assert_eq!((pair.served.len(), pair.read.len()), (round * 7, round * 6));
        }
    }
}

#[test]
fn a_server_that_begins_afresh_has_the_certificates_and_not_the_faults_of_the_other() {
    let server = server(TlsOptions::new().without_resumption());
    server.inject(TlsFault::cut_handshake(0).always());
    let fresh = server.afresh();
    let config = client_config(&server.trusted_pem(), None);
    Pair::new(&fresh, &config, "localhost").travel(1000).unwrap();
    assert_eq!((fresh.handshakes().len(), server.handshakes().len()), (1, 0));
    // A certificate of the one is none of the other's.
    fresh.replace_certificate(&CertificateOptions::for_names(["localhost"]).expired()).unwrap();
    assert!(Pair::new(&fresh, &config, "localhost").travel(1000).is_err());
    server.clear_faults();
    Pair::new(&server, &config, "localhost").travel(1000).unwrap();
}

#[test]
fn each_certificate_is_wrong_in_its_own_way() {
    let for_localhost = || CertificateOptions::for_names(["localhost", "127.0.0.1"]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ended = for_localhost().valid_until(now - Duration::from_secs(2));
    for (options, wrong) in [
        (for_localhost(), None),
        (for_localhost().valid_until(now + Duration::from_secs(60)), None),
        (for_localhost().expired(), Some("Expired")),
        (ended, Some("Expired")),
        (for_localhost().not_yet_valid(), Some("NotValidYet")),
        (CertificateOptions::for_names(["elsewhere"]), Some("NotValidForName")),
        (for_localhost().common_name_only(), Some("NotValidForName")),
        // The name is right, the signature is not.
        (for_localhost().by_another_authority(), Some("BadSignature")),
        (for_localhost().self_signed(), Some("CaUsedAsEndEntity")),
    ] {
        let server = server(TlsOptions::new().certificate(options.clone()));
        let mut pair = Pair::of(&server);
        let outcome = pair.travel(1000);
        match wrong {
            None => outcome.unwrap(),
            Some(wrong) => {
                let text = format!("{:?}", outcome.unwrap_err());
                assert!(text.contains(wrong), "{options:?}: {text}");
            }
        }
    }
    let strange = TlsServer::new(TlsOptions::new().certificate(CertificateOptions::for_names(["ü"])));
    assert_eq!(strange.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn client_certificates_are_looked_at_where_they_are_wanted_or_required() {
    for versions in BOTH {
        let wanted = server(TlsOptions::new().versions(versions).want_client_certificates());
        Pair::of(&wanted).travel(1000).unwrap();
        assert_eq!(wanted.handshakes()[0].client_certificate, None);

        let required = server(TlsOptions::new().versions(versions).require_client_certificates());
        let alice = required.client_certificate("alice").unwrap();
        let with = |server: &TlsServer, certificate: &IssuedCertificate| {
            let config = client_config(&server.trusted_pem(), Some(certificate));
            Pair::new(server, &config, "localhost").travel(1000)
        };
        with(&required, &alice).unwrap();
        assert_eq!(required.handshakes()[0].client_certificate.as_deref(), Some(alice.der()));

        let for_alice = || CertificateOptions::for_client("alice");
        let refused = |error: Error| match error {
            Error::AlertReceived(alert) => alert,
            other => panic!("{other:?}"),
        };
        let none = refused(Pair::of(&required).travel(1000).unwrap_err());
        assert!(
            matches!(none, AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure),
            "{none:?}"
        );
        for (options, alert) in [
            (for_alice().expired(), AlertDescription::CertificateExpired),
            (for_alice().not_yet_valid(), AlertDescription::CertificateExpired),
            (for_alice().by_another_authority(), AlertDescription::DecryptError),
            (CertificateOptions::for_names(["alice"]), AlertDescription::UnsupportedCertificate),
        ] {
            for server in [&wanted, &required] {
                let wrong = server.certify(&options).unwrap();
                assert_eq!(refused(with(server, &wrong).unwrap_err()), alert, "{options:?}");
            }
        }
        let other = refused(with(&required, &wanted.client_certificate("alice").unwrap()).unwrap_err());
        assert!(matches!(other, AlertDescription::UnknownCA | AlertDescription::DecryptError), "{other:?}");
    }
}

#[test]
fn a_clock_of_ones_own_judges_the_certificates_of_clients() {
    let clock = || Duration::from_secs(30 * 365 * 86_400 + 8 * 86_400); // in January 2000
    let server = server(TlsOptions::new().clock(clock).require_client_certificates());
    let expired = server.certify(&CertificateOptions::for_client("alice").expired()).unwrap();
    let config = client_config(&server.trusted_pem(), Some(&expired));
    Pair::new(&server, &config, "localhost").travel(1000).unwrap();
}

#[test]
fn sessions_are_gone_on_with_unless_that_is_switched_off() {
    for (options, is_resumed) in [(TlsOptions::new(), true), (TlsOptions::new().without_resumption(), false)]
    {
        let server = server(options);
        let config = client_config(&server.trusted_pem(), None);
        for _ in 0..2 {
            Pair::new(&server, &config, "localhost").travel(1000).unwrap();
        }
        assert_eq!(server.handshakes()[1].is_resumed, is_resumed);
    }
}

#[test]
fn certificates_and_authorities_are_replaced_while_connections_stand() {
    let server = server(TlsOptions::new());
    let old = client_config(&server.trusted_pem(), None);
    let mut standing = Pair::new(&server, &old, "localhost");
    standing.travel(1000).unwrap();

    server.replace_certificate(&CertificateOptions::for_names(["elsewhere"])).unwrap();
    Pair::new(&server, &old, "elsewhere").travel(1000).unwrap();
    Pair::new(&server, &old, "localhost").travel(1000).unwrap_err();

    server.replace_authority().unwrap();
    let error = Pair::new(&server, &old, "localhost").travel(1000).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(CertificateError::BadSignature)), "{error:?}");
    Pair::of(&server).travel(1000).unwrap();

    server.replace_certificate(&CertificateOptions::for_names(["localhost"]).self_signed()).unwrap();
    assert_ne!(server.trusted_pem(), server.authority_pem());
    standing.answer(b"still here").unwrap();
    assert_eq!(standing.read, b"still here");
}

#[test]
fn alerts_come_at_every_step() {
    for versions in BOTH {
        let server = server(TlsOptions::new().versions(versions));
        for at in [AlertAt::ClientHello, AlertAt::Finished, AlertAt::Data(1), AlertAt::Data(9)] {
            for description in [40, 42, 46, 48, 80, 116] {
                server.inject(TlsFault::alert(at, description));
                let mut pair = Pair::of(&server);
                let mut outcome = pair.travel(1000);
                if let AlertAt::Data(bytes) = at {
                    outcome.clone().unwrap();
                    pair.client.writer().write_all(&vec![1; bytes - 1]).unwrap();
                    pair.travel(1000).unwrap();
                    pair.client.writer().write_all(&[1]).unwrap();
                    outcome = pair.travel(1000);
                }
                let expected = Error::AlertReceived(AlertDescription::from(description));
                assert_eq!(outcome, Err(expected), "{versions:?} {at:?}");
                assert!(matches!(pair.state, TlsState::Failed(_)));
                // With TLS 1.3 the client believes that all is well before it reads the alert of the end.
                let is_believed = !pair.client.is_handshaking();
                let believes = matches!(at, AlertAt::Data(_))
                    || at == AlertAt::Finished && versions == TlsVersions::Only13;
                assert_eq!(is_believed, believes, "{versions:?} {at:?}");
            }
        }
        let names: Vec<_> = server.faults_acted().into_keys().collect();
        assert_eq!(names, ["alert ClientHello", "alert Data", "alert Finished"]);
    }
}

#[test]
fn handshakes_are_cut_anywhere() {
    for versions in BOTH {
        let server = server(TlsOptions::new().versions(versions));
        let mut whole = Pair::of(&server);
        whole.travel(1000).unwrap();
        // Signatures differ by some bytes.
        let most = whole.sent - 10;
        for bytes in (0..most).step_by(11) {
            server.inject(TlsFault::cut_handshake(bytes));
            let mut pair = Pair::of(&server);
            pair.travel(1000).unwrap();
            assert_eq!((pair.sent, &pair.state), (bytes, &TlsState::Cut));
        }
        // Cut at the client's side: the broker has not read all of it.
        for bytes in (0..150).step_by(5) {
            server.inject(TlsFault::cut_before(bytes));
            let mut pair = Pair::of(&server);
            pair.travel(1000).unwrap();
            assert_eq!(pair.state, TlsState::Cut, "{bytes}");
        }
        let cuts = most.div_ceil(11) as u64;
        assert_eq!(
            server.faults_acted().into_iter().collect::<Vec<_>>(),
            [("cut_before", 30), ("cut_handshake", cuts)]
        );
    }
}

#[test]
fn faults_act_on_the_connections_that_they_are_meant_for() {
    let server = server(TlsOptions::new());
    server.inject(TlsFault::cut_handshake(0).on_broker(2));
    server.inject(TlsFault::cut_handshake(0).skip(1).times(2));
    let outcomes: Vec<bool> = (0..5)
        .map(|_| {
            let mut pair = Pair::of(&server);
            pair.travel(1000).unwrap();
            pair.state == TlsState::Cut
        })
        .collect();
    assert_eq!(outcomes, [false, true, true, false, false]);
    server.inject(TlsFault::cut_handshake(0).always());
    server.inject(TlsFault::cut_handshake(0).times(0));
    server.clear_faults();
    Pair::of(&server).travel(1000).unwrap();
}

#[test]
fn an_end_is_announced_unless_a_fault_keeps_silent() {
    for is_truncated in [false, true] {
        let server = server(TlsOptions::new());
        if is_truncated {
            server.inject(TlsFault::truncate());
        }
        let mut pair = Pair::of(&server);
        pair.travel(1000).unwrap();
        let mut out = Vec::new();
        pair.broker.close(&mut out);
        assert_eq!(out.is_empty(), is_truncated);
        pair.client.read_tls(&mut &out[..]).unwrap();
        assert_eq!(pair.client.process_new_packets().unwrap().peer_has_closed(), !is_truncated);
    }
    let mut pair = Pair::of(&server(TlsOptions::new()));
    pair.travel(1000).unwrap();
    pair.client.send_close_notify();
    pair.travel(1000).unwrap();
    assert_eq!(pair.state, TlsState::Ended);
}

#[test]
fn what_is_not_tls_is_not_answered_and_a_broker_may_answer_what_is_not_tls() {
    let server = server(TlsOptions::new());
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let state = server.accept(1).receive(&[0, 0, 0, 20, 0, 18], &mut plain, &mut out);
    assert_eq!(state, TlsState::Failed("the client does not speak TLS".to_owned()));
    assert_eq!((plain.len(), out.len()), (0, 0));
    server.inject(TlsFault::not_tls(*b"HTTP/1.1 400 Bad Request\r\n"));
    let mut pair = Pair::of(&server);
    let error = pair.travel(1000).unwrap_err();
    assert!(matches!(error, Error::InvalidMessage(_)), "{error:?}");
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(cluster: &EmbeddedCluster, config: &Arc<ClientConfig>) -> Stream {
    let stream = TcpStream::connect(cluster.bootstrap_servers()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    StreamOwned::new(client(config, "localhost"), stream)
}

fn ask(stream: &mut Stream) -> std::io::Result<i64> {
    let request = frame(9, 7, &produce(1, "test", 0, Batch::of(vec![value("a")]).bytes()));
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes())?;
    stream.write_all(&request)?;
    let mut answer = vec![0; 4];
    stream.read_exact(&mut answer)?;
    let size = u32::from_be_bytes(answer[..4].try_into().unwrap());
    stream.take(u64::from(size)).read_to_end(&mut answer)?;
    let (id, response) = decode::<ProduceResponse>(9, &answer);
    assert_eq!(id, 7);
    Ok(response.responses[0].partition_responses[0].base_offset)
}

#[test]
fn requests_are_answered_over_sockets_and_ends_are_orderly() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).tls(TlsOptions::new()).start().unwrap();
    let tls = cluster.tls().unwrap();
    let config = client_config(&tls.trusted_pem(), None);
    let mut stream = connect(&cluster, &config);
    for offset in 0..50 {
        assert_eq!(ask(&mut stream).unwrap(), offset);
    }
    cluster.stop_broker(1);
    // Announced, so it is no truncation.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    cluster.start_broker(1).unwrap();

    tls.inject(TlsFault::truncate());
    let mut stream = connect(&cluster, &config);
    ask(&mut stream).unwrap();
    cluster.stop_broker(1);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn alerts_reach_clients_over_sockets_and_plain_ones_are_disconnected() {
    let options = TlsOptions::new().require_client_certificates();
    let cluster = EmbeddedCluster::builder().topic("test", 1).tls(options).start().unwrap();
    let tls = cluster.tls().unwrap();
    let alert = |stream: &mut Stream| {
        let error = ask(stream).unwrap_err();
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(Error::AlertReceived(alert)) => *alert,
            other => panic!("{other:?}: {error}"),
        }
    };
    // The client may have written its request before it reads why it is refused.
    for _ in 0..20 {
        let mut stream = connect(&cluster, &client_config(&tls.trusted_pem(), None));
        assert_eq!(alert(&mut stream), AlertDescription::CertificateRequired);
    }
    let alice = tls.client_certificate("alice").unwrap();
    let config = client_config(&tls.trusted_pem(), Some(&alice));
    ask(&mut connect(&cluster, &config)).unwrap();
    tls.inject(TlsFault::alert(AlertAt::Data(1), 80));
    assert_eq!(alert(&mut connect(&cluster, &config)), AlertDescription::InternalError);

    let mut plain = TcpStream::connect(cluster.bootstrap_servers()).unwrap();
    plain.write_all(&[0, 0, 0, 20, 0, 18, 0, 4]).unwrap();
    assert_eq!(plain.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_slow_handshake_is_slow_and_holds_up_nobody_else_nor_the_end() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).tls(TlsOptions::new()).start().unwrap();
    let tls = cluster.tls().unwrap();
    let config = client_config(&tls.trusted_pem(), None);
    tls.inject(TlsFault::slow_handshake(Duration::from_millis(200)));
    let start = Instant::now();
    ask(&mut connect(&cluster, &config)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));

    tls.inject(TlsFault::slow_handshake(Duration::from_secs(3600)));
    let mut slow = connect(&cluster, &config);
    slow.sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    ask(&mut slow).unwrap_err();
    let start = Instant::now();
    ask(&mut connect(&cluster, &config)).unwrap();
    drop(cluster);
    assert!(start.elapsed() < Duration::from_secs(10));
}
