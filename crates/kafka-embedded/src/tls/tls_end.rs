//! `TlsEnd`: the broker's end of a TLS connection, without a socket.
//!
//! Owns: what TLS makes of the bytes, and what a fault makes of that. Must not know: requests, sockets, threads.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion, ServerConnection, SupportedCipherSuite,
};

use super::seen_tls::{SeenTls, TlsShared};
use super::tls_fault::{AlertAt, TlsEffect};
use crate::tls_state::TlsState;

/// The broker's end of a TLS connection, without a socket: the caller passes in the bytes that arrive, and sends the bytes that
/// come out. Made by [`TlsServer::accept`](crate::TlsServer::accept).
#[derive(Debug)]
pub struct TlsEnd {
    /// None when it can read and write nothing more.
    connection: Option<Box<ServerConnection>>,
    shared: Arc<TlsShared>,
    broker: i32,
    fault: Option<TlsEffect>,
    is_seen: bool,
    /// How many bytes were sent and received, and how many of the latter were of requests.
    sent: usize,
    received: usize,
    data: usize,
}

impl TlsEnd {
    pub(super) fn new(
        connection: Option<ServerConnection>,
        shared: Arc<TlsShared>,
        broker: i32,
        fault: Option<TlsEffect>,
    ) -> Self {
        let connection = connection.map(|mut connection| {
            connection.set_buffer_limit(None);
            Box::new(connection)
        });
        Self { connection, shared, broker, fault, is_seen: false, sent: 0, received: 0, data: 0 }
    }

    /// Whether the handshake is over.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| !it.is_handshaking())
    }

    /// By how much a fault delays what the broker says in the handshake.
    #[must_use]
    pub fn delay(&self) -> Duration {
        match self.fault {
            Some(TlsEffect::Slow(by)) if !self.is_seen => by,
            _ => Duration::ZERO,
        }
    }

    /// Takes all of these bytes, which came from the client. Adds their plain text to `plain`, and what is to be sent to `out`.
    pub fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> TlsState {
        if let Some(TlsEffect::NotTls(answer)) = &self.fault {
            out.extend_from_slice(answer);
            return self.fail("a fault: an answer that is not TLS");
        }
        let allowed = match self.fault {
            Some(TlsEffect::CutBefore(most)) => most.saturating_sub(self.received),
            _ => usize::MAX,
        };
        // Bytes that are not TLS get no answer, as from Kafka's brokers.
        if self.received == 0 && bytes.first().is_some_and(|kind| *kind != HANDSHAKE) {
            self.connection = None;
            return TlsState::Failed("the client does not speak TLS".to_owned());
        }
        let (allowed, is_cut) = (bytes.get(..allowed).unwrap_or(bytes), bytes.len() >= allowed);
        self.received += allowed.len();
        let begin = (plain.len(), out.len());
        let mut state = self.take(allowed, plain, out);
        self.data += plain.len() - begin.0;
        if state == TlsState::Open {
            state = self.alert_if_due(begin.1, out);
        }
        if is_cut && state == TlsState::Open {
            state = self.cut();
        }
        self.note();
        self.leave(begin.1, out).unwrap_or(state)
    }

    /// Adds these bytes, as TLS carries them, to `out`; before the handshake is over they wait for its end.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> TlsState {
        let Some(connection) = &mut self.connection else { return TlsState::Open };
        let begin = out.len();
        // Without limits all is taken.
        let _ = connection.writer().write_all(plain);
        self.drain(out);
        self.leave(begin, out).unwrap_or(TlsState::Open)
    }

    /// The broker takes new keys, and asks the client to do the same (KeyUpdate of TLS 1.3): adds what it says of that to
    /// `out`. `false` where there is nothing to take them for: no connection that stands, or an older TLS.
    pub fn refresh_keys(&mut self, out: &mut Vec<u8>) -> bool {
        let is_new = |it: &ServerConnection| it.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let connection = self.connection.as_mut().filter(|it| !it.is_handshaking() && is_new(it));
        let is_done = connection.is_some_and(|it| it.refresh_traffic_keys().is_ok());
        self.drain(out);
        is_done
    }

    /// Adds TLS's own end of data (`close_notify`) to `out`, unless a fault suppresses it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.fault == Some(TlsEffect::Truncate) {
            self.shared.faults.acted(&TlsEffect::Truncate);
            self.connection = None;
        }
        let begin = out.len();
        self.connection.iter_mut().for_each(|it| it.send_close_notify());
        self.drain(out);
        let _ = self.leave(begin, out);
        self.connection = None;
    }

    fn take(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> TlsState {
        let Some(connection) = &mut self.connection else { return TlsState::Open };
        let mut state = TlsState::Open;
        while !bytes.is_empty() && state == TlsState::Open {
            let taken = connection.read_tls(&mut bytes);
            let processed = connection.process_new_packets();
            state = match (taken, processed) {
                (_, Err(error)) => TlsState::Failed(error.to_string()),
                (Err(error), _) => TlsState::Failed(error.to_string()),
                (Ok(0), Ok(_)) => TlsState::Ended,
                (Ok(_), Ok(io)) if io.peer_has_closed() => TlsState::Ended,
                (Ok(_), Ok(_)) => TlsState::Open,
            };
            // Bytes that it has not read yet are no error.
            let _ = connection.reader().read_to_end(plain);
        }
        self.drain(out);
        if matches!(state, TlsState::Failed(_)) {
            self.connection = None;
        }
        state
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        let Some(connection) = &mut self.connection else { return };
        while connection.wants_write() && connection.write_tls(out).is_ok_and(|count| count > 0) {}
    }

    /// Sends the alert of a fault, if it is time for it; what the broker has to say besides stands in `out` from `begin`.
    fn alert_if_due(&mut self, begin: usize, out: &mut Vec<u8>) -> TlsState {
        let Some(TlsEffect::Alert(at, description)) = self.fault else { return TlsState::Open };
        let Some(connection) = &self.connection else { return TlsState::Open };
        let is_established = !connection.is_handshaking();
        let is_due = match at {
            AlertAt::ClientHello => out.len() > begin,
            AlertAt::Finished => is_established,
            AlertAt::Data(bytes) => is_established && self.data >= bytes.max(1),
        };
        if !is_due {
            return TlsState::Open;
        }
        let is_old = connection.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        if at == AlertAt::ClientHello || at == AlertAt::Finished && is_old {
            // The broker has not changed to keys yet.
            out.truncate(begin);
            out.extend([ALERT, 3, 3, 0, 2, FATAL, description]);
        } else if let Some(connection) = self.connection.take() {
            out.extend(encrypted_alert(*connection, description).unwrap_or_default());
        }
        self.fail(&format!("a fault: alert {description}"))
    }

    fn fail(&mut self, why: &str) -> TlsState {
        self.connection = None;
        self.fault.iter().for_each(|fault| self.shared.faults.acted(fault));
        TlsState::Failed(why.to_owned())
    }

    fn cut(&mut self) -> TlsState {
        self.connection = None;
        self.fault.iter().for_each(|fault| self.shared.faults.acted(fault));
        TlsState::Cut
    }

    /// What stands in `out` from `begin` leaves, as far as no fault cuts it.
    fn leave(&mut self, begin: usize, out: &mut Vec<u8>) -> Option<TlsState> {
        let before = self.sent;
        self.sent += out.len() - begin;
        let Some(TlsEffect::CutHandshake(most)) = self.fault else { return None };
        if self.sent < most || self.connection.is_none() {
            return None;
        }
        out.truncate(begin + most.saturating_sub(before));
        Some(self.cut())
    }

    /// The handshake is over: tells of it, once.
    fn note(&mut self) {
        let Some(connection) = self.connection.as_ref().filter(|it| !self.is_seen && !it.is_handshaking())
        else {
            return;
        };
        self.is_seen = true;
        if let Some(effect @ TlsEffect::Slow(_)) = &self.fault {
            self.shared.faults.acted(effect);
        }
        let text = |version: ProtocolVersion| version.as_str().unwrap_or("").replace('_', ".");
        self.shared.seen.lock().push(SeenTls {
            broker: self.broker,
            version: connection.protocol_version().map(text).unwrap_or_default(),
            cipher_suite: connection.negotiated_cipher_suite().map(suite_name).unwrap_or_default(),
            server_name: connection.server_name().map(str::to_owned),
            client_certificate: connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.to_vec()),
            is_resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        });
    }
}

fn suite_name(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().to_owned()
}

/// A fatal alert under the keys that the connection has come to.
fn encrypted_alert(connection: ServerConnection, description: u8) -> Option<Vec<u8>> {
    let suite = connection.negotiated_cipher_suite()?;
    let (sequence, secrets) = connection.dangerous_extract_secrets().ok()?.tx;
    let (key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => return None,
    };
    let mut encrypter: Box<dyn MessageEncrypter> = match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            let (fixed, explicit) = iv.as_ref().split_at_checked(fixed)?;
            suite.aead_alg.encrypter(key, fixed, explicit)
        }
    };
    let payload = [FATAL, description];
    let message = OutboundPlainMessage {
        typ: ContentType::Alert,
        version: ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&payload),
    };
    encrypter.encrypt(message, sequence).ok().map(|message| message.encode())
}

/// The kinds of records, and the level of an alert.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;
