//! `TlsLayer`: TLS around all bytes of a connection, by rustls, which does no I/O of its own.
//!
//! Owns: what of rustls's errors is a refusal, and their words. Must not know: sockets, settings' values, where certificates
//! and keys come from.
//! Holds: nothing of a request goes before the other side's certificate has been found good. What cannot be told by an alert
//! is told by the end of the connection.

use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, PeerIncompatible};

use super::verifier::CertificateRefused;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::network::{PeerState, TransportLayer};

/// TLS on one connection.
#[derive(Debug)]
pub(super) struct TlsLayer {
    connection: ClientConnection,
    host: String,
    /// There is a certificate of ours to show.
    has_own: bool,
    /// Something of what the broker has to say beyond the handshake was read.
    has_read: bool,
}

impl TlsLayer {
    /// The host is the one whose certificate is wanted.
    pub(super) fn new(config: &Arc<ClientConfig>, host: &str) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let host = Escaped(host);
            Error::new(
                ErrorKind::Network,
                format!("no certificate can be for {host}: that is no name of a host"),
            )
        })?;
        let connection =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| failed(&error, host, true))?;
        let has_own = config.client_auth_cert_resolver.has_certs();
        Ok(TlsLayer { connection, host: host.to_owned(), has_own, has_read: false })
    }

    /// Takes what TLS wants to write.
    fn take_records(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        while self.connection.wants_write() {
            let written = self.connection.write_tls(out);
            written.map_err(|error| Error::new(ErrorKind::Bug, format!("TLS gives no record: {error}")))?;
        }
        Ok(())
    }

    /// What went wrong. Brokers of Kafka 2.x garble the alert by which they refuse a certificate of ours: in TLS 1.3 it cannot
    /// be decrypted, and comes where the first answer should be; in TLS 1.2 they say again what they have said before.
    fn failed(&self, error: &rustls::Error) -> Error {
        use rustls::Error as Tls;
        let is_refusal = match error {
            Tls::DecryptError => self.is_established() && !self.has_read,
            Tls::InappropriateMessage { .. } | Tls::InappropriateHandshakeMessage { .. } => {
                self.connection.is_handshaking()
            }
            _ => false,
        };
        if !is_refusal {
            return failed(error, &self.host, self.has_own);
        }
        let advice = if self.has_own { NOT_ACCEPTED } else { WANTS_ONE };
        let text = format!(
            "what came in place of the broker's consent is garbled: brokers of Kafka 2.x refuse a certificate in this \
             way{advice}"
        );
        Error::new(ErrorKind::Authentication, text).with_source(error.clone())
    }

    /// Takes what the records held.
    fn take_plain(&mut self, plain: &mut Vec<u8>) {
        let mut piece = [0; PIECE_BYTES];
        while let Ok(count @ 1..) = self.connection.reader().read(&mut piece) {
            plain.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }
}

impl TransportLayer for TlsLayer {
    fn name(&self) -> &'static str {
        "TLS"
    }

    fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.take_records(out)
    }

    fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    fn encode(&mut self, plain: &[IoSlice<'_>], out: &mut Vec<u8>) -> Result<usize, Error> {
        let (mut room, mut pieces) = (RECORD_BYTES, Vec::with_capacity(plain.len()));
        for slice in plain {
            let piece = slice.get(..slice.len().min(room)).unwrap_or_default();
            room -= piece.len();
            pieces.push(IoSlice::new(piece));
        }
        let taken = self.connection.writer().write_vectored(&pieces);
        let taken =
            taken.map_err(|error| Error::new(ErrorKind::Bug, format!("TLS takes no bytes: {error}")))?;
        self.take_records(out)?;
        Ok(taken)
    }

    fn decode(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<PeerState, Error> {
        while !bytes.is_empty() {
            let read = self.connection.read_tls(&mut bytes);
            let read = read.map_err(|error| Error::new(ErrorKind::Network, format!("TLS: {error}")))?;
            let outcome = self.connection.process_new_packets();
            let before = plain.len();
            self.take_plain(plain);
            self.has_read |= plain.len() > before;
            self.take_records(out)?;
            let state = outcome.map_err(|error| self.failed(&error))?;
            if state.peer_has_closed() || read == 0 {
                return Ok(PeerState::Ended);
            }
        }
        Ok(PeerState::Open)
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        // Where it cannot be said the connection ends without it.
        let _ = self.take_records(out);
    }
}

/// What went wrong, as an error of its kind: a refusal of either side is an authentication that failed, as in Java.
fn failed(error: &rustls::Error, host: &str, has_own: bool) -> Error {
    use rustls::Error as Tls;
    let (kind, text) = match error {
        Tls::InvalidCertificate(why) => {
            let host = Escaped(host);
            (
                ErrorKind::Authentication,
                format!("the certificate of {host} is not accepted: {}", distrust(why)),
            )
        }
        Tls::AlertReceived(alert) => {
            let (name, advice) = (alert_name(*alert), advice(*alert, has_own));
            let refuses = is_refusal(*alert);
            let kind = if refuses { ErrorKind::Authentication } else { ErrorKind::Network };
            (kind, format!("the broker ended the TLS connection with the alert {name}{advice}"))
        }
        Tls::NoCertificatesPresented => {
            (ErrorKind::Authentication, String::from("the broker has shown no certificate"))
        }
        Tls::PeerIncompatible(why) => {
            (ErrorKind::Authentication, format!("the TLS handshake failed: {}", incompatible(why)))
        }
        Tls::InvalidMessage(_) => (
            ErrorKind::Network,
            String::from(
                "what came is not TLS: the listener may expect another security.protocol (PLAINTEXT or SASL_PLAINTEXT), \
                 is not Kafka's, or is of Kafka 2.x and has no version of TLS or no cipher suite in common with us \
                 (ssl.enabled.protocols, ssl.cipher.suites)",
            ),
        ),
        Tls::DecryptError => (
            ErrorKind::Network,
            String::from("a TLS record came that cannot be decrypted: it was changed on its way"),
        ),
        other => (ErrorKind::Network, format!("TLS: {}", Escaped(&other.to_string()))),
    };
    Error::new(kind, text).with_source(error.clone())
}

/// What went wrong with TLS to somebody who is no broker, in words of which he is the subject.
#[cfg(feature = "oidc")]
pub(crate) fn handshake_trouble(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!("its certificate is not accepted: {}", distrust(why))
        }
        rustls::Error::AlertReceived(alert) => {
            format!("it ended the TLS connection with the alert {}", alert_name(*alert))
        }
        rustls::Error::InvalidMessage(_) => String::from("what it said is not TLS"),
        other => format!("TLS: {}", Escaped(&other.to_string())),
    }
}

/// Our verifier's words, or those for what rustls itself finds in the handshake.
fn distrust(why: &CertificateError) -> String {
    match why {
        CertificateError::Other(other) => match other.0.downcast_ref::<CertificateRefused>() {
            Some(refused) => refused.to_string(),
            None => Escaped(&other.0.to_string()).to_string(),
        },
        CertificateError::BadSignature => String::from(
            "what the broker signed in the handshake does not fit the key in its certificate: it may have the certificate \
             without its key",
        ),
        other => Escaped(&other.to_string()).to_string(),
    }
}

/// What both sides would have to have, and do not.
fn incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => String::from(
            "the broker chose a version of TLS that is not among those of ssl.enabled.protocols and ssl.protocol \
             (TLSv1.2 and TLSv1.3 are there)",
        ),
        PeerIncompatible::NoCipherSuitesInCommon => {
            String::from("no cipher suite in common: see ssl.cipher.suites here and at the broker")
        }
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NoSignatureSchemesInCommon => {
            format!(
                "no key exchange or signature in common ({why:?}): the broker has only old or unusual ones"
            )
        }
        other => format!("{other:?}"),
    }
}

/// Whether the other side does not want us, or nothing that we speak.
fn is_refusal(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::HandshakeFailure
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::DecryptError
            | Alert::UnrecognisedName
    )
}

/// As the standard writes it, with its number: `bad_certificate (42)`.
fn alert_name(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let Some(name) = alert.as_str() else { return number.to_string() };
    let (mut written, mut was_small) = (String::new(), false);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && was_small {
            written.push('_');
        }
        was_small = letter.is_ascii_lowercase();
        written.push(letter.to_ascii_lowercase());
    }
    format!("{written} ({number})")
}

/// `has_own`: it was shown a certificate of ours, if it asked for one.
fn advice(alert: AlertDescription, has_own: bool) -> &'static str {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => WANTS_ONE,
        // Java's brokers say the first of these.
        Alert::BadCertificate | Alert::UnknownCA | Alert::CertificateUnknown if !has_own => WANTS_ONE,
        Alert::BadCertificate
        | Alert::UnknownCA
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied => NOT_ACCEPTED,
        Alert::HandshakeFailure if has_own => {
            ": it may have only ciphers that are not there: here are AES-GCM and ChaCha20-Poly1305 with ECDHE on X25519, P-256 \
             and P-384, and none with CBC, DHE or P-521 (ssl.enabled.protocols and ssl.cipher.suites, here and at the broker)"
        }
        Alert::HandshakeFailure => {
            ": it may want a certificate of ours (ssl.keystore.location), or have only ciphers that are not there: here are \
             AES-GCM and ChaCha20-Poly1305 with ECDHE on X25519, P-256 and P-384, and none with CBC, DHE or P-521 \
             (ssl.enabled.protocols and ssl.cipher.suites, here and at the broker)"
        }
        Alert::CertificateExpired => ": our certificate is out of date (ssl.keystore.location)",
        Alert::CertificateRevoked => ": our certificate has been revoked (ssl.keystore.location)",
        Alert::ProtocolVersion => ": it speaks none of our versions of TLS, see ssl.enabled.protocols",
        Alert::InsufficientSecurity => ": it wants stronger cipher suites, see ssl.cipher.suites",
        Alert::UnrecognisedName => ": it knows no host of the name that was connected to",
        _ => "",
    }
}

const WANTS_ONE: &str = ": it wants a certificate of ours, and has got none (ssl.keystore.location)";
const NOT_ACCEPTED: &str = ": it does not accept our certificate (ssl.keystore.location); it may be of an authority that the \
                            broker does not trust, or out of date";
/// What goes in one record at most.
const RECORD_BYTES: usize = 16 * 1024;
/// Answers are short.
const PIECE_BYTES: usize = 4096;
