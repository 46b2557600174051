//! A listener with SASL before an embedded broker: it logs clients in by PLAIN, and hands everything else on. It reads
//! requests with the codec that is not ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_embedded::{Api, EmbeddedCluster, Rewritten};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiVersionsResponse, MetadataResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::rewritten::changed;

/// What the gate does.
#[derive(Clone)]
pub(crate) struct GateRules {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) session: Duration,
    /// What is said of a wrong password.
    pub(crate) refusal: String,
    /// It closes the connection in place of an answer to a login.
    pub(crate) hangs_up: bool,
}

/// A listener, and what it has seen.
pub(crate) struct LoginGate {
    pub(crate) address: SocketAddr,
    pub(crate) rules: Arc<Mutex<GateRules>>,
    /// `login` and `refused`, with the number of the connection.
    pub(crate) seen: Arc<Mutex<Vec<(usize, &'static str)>>>,
}

impl LoginGate {
    /// In front of the only broker of a cluster.
    pub(crate) fn before(cluster: &EmbeddedCluster, password: &str) -> LoginGate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let rules = GateRules {
            user: String::from("alice"),
            password: password.to_owned(),
            session: Duration::ZERO,
            refusal: String::from("Authentication failed: Invalid username or password"),
            hangs_up: false,
        };
        let gate = LoginGate { address, rules: Arc::new(Mutex::new(rules)), seen: Arc::default() };
        let port = i32::from(address.port());
        cluster.rewrite_answers(move |answer| match answer.api {
            Api::ApiVersions => changed(answer, |versions: &mut ApiVersionsResponse| {
                for (key, newest) in [(17, 1), (36, 2)] {
                    versions.api_keys.push(ApiVersion::default().with_api_key(key).with_max_version(newest));
                }
            }),
            Api::Metadata => changed(answer, |metadata: &mut MetadataResponse| {
                metadata.brokers.iter_mut().for_each(|broker| broker.port = port);
            }),
            _ => Rewritten::Unchanged,
        });
        let upstream = cluster.bootstrap_servers();
        let (rules, seen) = (Arc::clone(&gate.rules), Arc::clone(&gate.seen));
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                let Ok(broker) = TcpStream::connect(&upstream) else { return };
                client.set_nodelay(true).unwrap();
                let (rules, seen) = (rules.clone(), seen.clone());
                let mut door = Door { client, broker, number, is_open: false, rules, seen };
                thread::spawn(move || while door.turn().is_some() {});
            }
        });
        gate
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|(_, seen)| *seen == what).count()
    }

    pub(crate) fn connections(&self) -> usize {
        let mut numbers: Vec<usize> = self.seen.lock().unwrap().iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    }
}

struct Door {
    client: TcpStream,
    broker: TcpStream,
    number: usize,
    /// The client has logged in.
    is_open: bool,
    rules: Arc<Mutex<GateRules>>,
    seen: Arc<Mutex<Vec<(usize, &'static str)>>>,
}

impl Door {
    /// One request and its answer; none: the connection is over.
    fn turn(&mut self) -> Option<()> {
        let frame = frame(&mut self.client)?;
        let (key, version) =
            (i16::from_be_bytes([frame[0], frame[1]]), i16::from_be_bytes([frame[2], frame[3]]));
        let mut rest = Bytes::from(frame.clone());
        let answer = match key {
            17 => {
                let header = RequestHeader::decode(&mut rest, 1).unwrap();
                let request = SaslHandshakeRequest::decode(&mut rest, version).unwrap();
                let code = if &*request.mechanism == "PLAIN" { 0 } else { 33 };
                let mechanisms = vec![StrBytes::from_static_str("PLAIN")];
                let response =
                    SaslHandshakeResponse::default().with_error_code(code).with_mechanisms(mechanisms);
                encoded(&response, header.correlation_id, version, 0)
            }
            36 => {
                let header = RequestHeader::decode(&mut rest, if version >= 2 { 2 } else { 1 }).unwrap();
                let request = SaslAuthenticateRequest::decode(&mut rest, version).unwrap();
                let rules = self.rules.lock().unwrap().clone();
                if rules.hangs_up {
                    return None;
                }
                let is_right =
                    request.auth_bytes[..] == *format!("\0{}\0{}", rules.user, rules.password).as_bytes();
                let seen = if is_right { "login" } else { "refused" };
                self.is_open |= is_right;
                self.seen.lock().unwrap().push((self.number, seen));
                let response = SaslAuthenticateResponse::default();
                let response = match is_right {
                    true => response.with_session_lifetime_ms(rules.session.as_millis() as i64),
                    false => response
                        .with_error_code(58)
                        .with_error_message(Some(StrBytes::from_string(rules.refusal.clone()))),
                };
                let answer =
                    encoded(&response, header.correlation_id, version, if version >= 2 { 1 } else { 0 });
                self.client.write_all(&answer).ok()?;
                return is_right.then_some(());
            }
            _ => {
                if key != 18 && !self.is_open {
                    return None;
                }
                self.broker.write_all(&[&(frame.len() as u32).to_be_bytes()[..], &frame].concat()).ok()?;
                let answer = self::frame(&mut self.broker)?;
                [&(answer.len() as u32).to_be_bytes()[..], &answer].concat()
            }
        };
        self.client.write_all(&answer).ok()
    }
}

fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    from.read_exact(&mut size).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    from.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn encoded<T: Encodable>(response: &T, correlation_id: i32, version: i16, header_version: i16) -> Vec<u8> {
    let mut body = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut body, header_version).unwrap();
    response.encode(&mut body, version).unwrap();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}
