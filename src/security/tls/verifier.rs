//! `BrokerVerifier`: whether a broker's certificate is good, and in words what is wrong with it.
//!
//! Owns: what Java accepts and webpki alone does not: a certificate that is itself in the trust store, a common name where
//! there is no DNS name. Must not know: connections, where the trust store comes from.
//! Holds: webpki checks all signatures and chains. Without the check of names everything else is checked all the same.
//! Every text is one line, whatever is in the certificates.
//! Source: Java's `PKIXValidator` and `HostnameChecker`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, alg_id};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore, SignatureScheme,
};

use super::x509::{Certificate, Date, KeyKind};
use crate::counted::Counted;
use crate::escape::Escaped;
use crate::planted::{Defect, planted};

/// Whom we trust.
pub(super) struct Trusted {
    pub(super) roots: RootCertStore,
    /// The same certificates, as they are in the store; none where roots came without.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Where they are from, for errors.
    pub(super) origin: String,
    /// What to do with a certificate that is missing among them: one of the two below.
    pub(super) remedy: &'static str,
}

/// Where they are from a store that was given.
pub(super) const PUT_IT_IN: &str = "put it in there";
/// Where they are the system's, or came with the program.
pub(super) const NAME_A_STORE: &str = "name a trust store that has it by ssl.truststore.location";

impl Trusted {
    /// The one that has issued this, by the names.
    fn issuer_of(&self, certificate: &Certificate) -> Option<Certificate> {
        let read = self.certificates.iter().filter_map(|der| Certificate::read(der));
        let roots = self.roots.roots.iter();
        let roots =
            roots.filter_map(|root| Certificate::of_root(&root.subject, &root.subject_public_key_info));
        read.chain(roots).find(|trusted| trusted.has_issued(certificate))
    }

    fn count(&self) -> usize {
        self.certificates.len().max(self.roots.len())
    }
}

/// Whether a broker's certificate is good.
pub(super) struct BrokerVerifier {
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
    /// `ssl.endpoint.identification.algorithm`
    checks_name: bool,
}

/// What is wrong with a broker's certificate, and what can be done.
#[derive(Debug)]
pub(super) struct CertificateRefused(String);

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertificateRefused {}

impl fmt::Debug for BrokerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerVerifier").field("trusts", &self.trusted.origin).finish_non_exhaustive()
    }
}

impl BrokerVerifier {
    pub(super) fn new(trusted: Trusted, algorithms: WebPkiSupportedAlgorithms, checks_name: bool) -> Self {
        BrokerVerifier { trusted, algorithms, checks_name }
    }

    fn check(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), String> {
        let Some(leaf) = Certificate::read(shown) else {
            return Err(String::from("it cannot be read: its encoding is damaged"));
        };
        // Who signed it comes later: a form that cannot be read at all is the whole story.
        self.check_form(&leaf)?;
        let parsed = ParsedCertificate::try_from(shown);
        let parsed = parsed.map_err(|error| format!("{leaf}: it cannot be read: {}", in_words(&error)))?;
        if self.trusted.certificates.iter().any(|trusted| trusted == shown) {
            check_time(&leaf, now)?;
        } else {
            let roots = &self.trusted.roots;
            let signed =
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, between, now, self.algorithms.all);
            signed.map_err(|error| self.why(&error, &leaf, between, now))?;
        }
        self.check_key(&leaf, &leaf.key)?;
        if self.checks_name {
            check_name(&parsed, &leaf, name)?;
        }
        Ok(())
    }

    /// What webpki does not read at all.
    fn check_form(&self, certificate: &Certificate) -> Result<(), String> {
        if certificate.version == 3 {
            return Ok(());
        }
        let version = certificate.version;
        Err(format!(
            "{certificate} is of X.509 version {version}, which has no extensions and cannot be checked; have it issued \
             anew as version 3"
        ))
    }

    /// What the ciphers cannot do.
    fn check_key(&self, certificate: &Certificate, key: &KeyKind) -> Result<(), String> {
        let advice = match key {
            KeyKind::Rsa(bits @ ..2048) => {
                format!("RSA of {bits} bits is too weak, at least 2048 are needed")
            }
            KeyKind::Rsa(bits @ 8193..) => {
                format!("RSA of {bits} bits is too large, at most 8192 are possible")
            }
            KeyKind::Elliptic(curve) if !self.knows(curve) => {
                format!("the ciphers of this producer do not have the curve {curve}, but P-256 and P-384")
            }
            KeyKind::Other(kind) if kind != "Ed25519" => format!("keys of the kind {kind} are not supported"),
            _ => return Ok(()),
        };
        Err(format!(
            "{certificate} has a key that cannot be used: {advice}; have it issued anew for another key"
        ))
    }

    fn knows(&self, curve: &str) -> bool {
        let wanted = match curve {
            "P-256" => alg_id::ECDSA_P256,
            "P-384" => alg_id::ECDSA_P384,
            "P-521" => alg_id::ECDSA_P521,
            _ => return false,
        };
        self.algorithms.all.iter().any(|algorithm| algorithm.public_key_alg_id() == wanted)
    }

    /// What is wrong where webpki finds no good way from the broker's certificate to one that is trusted.
    fn why(
        &self,
        error: &TlsError,
        leaf: &Certificate,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> String {
        let sent: Vec<Certificate> = between.iter().filter_map(|der| Certificate::read(der)).collect();
        let path = path(leaf, &sent);
        let last = path.last().copied().unwrap_or(leaf);
        let issuer = self.trusted.issuer_of(last);
        // A self-issued one that was sent along is no more than a copy of what has to be trusted anyway.
        let signed = path.iter().copied().filter(|it| !it.is_self_issued() || *it == leaf);
        let faults = signed
            .map(|it| self.check_link(it, leaf, now))
            .chain([issuer.as_ref().map_or(Ok(()), |issuer| self.check_key(issuer, &issuer.key))]);
        let fault = faults.filter_map(Result::err).next();
        match (fault, error) {
            (Some(fault), _) => fault,
            (None, TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                self.unknown_issuer(leaf, last, sent.len(), issuer.as_ref())
            }
            (None, TlsError::InvalidCertificate(CertificateError::BadSignature)) if issuer.is_some() => {
                self.unknown_issuer(leaf, last, sent.len(), issuer.as_ref())
            }
            // webpki's own, which has no name in rustls.
            (None, TlsError::InvalidCertificate(CertificateError::Other(_))) if leaf.is_authority => {
                self.authority_as_broker(leaf, sent.len(), issuer.as_ref())
            }
            (None, error) => format!("{leaf}: {}", in_words(error)),
        }
    }

    fn authority_as_broker(&self, leaf: &Certificate, sent: usize, issuer: Option<&Certificate>) -> String {
        if leaf.is_self_issued() {
            return self.unknown_issuer(leaf, leaf, sent, issuer);
        }
        format!(
            "{leaf} is that of an authority (basic constraints CA:TRUE), and no broker's own; have the broker's issued \
             without that, or put this one itself in {}",
            self.trusted.origin
        )
    }

    /// What can be seen of a certificate alone.
    fn check_link(&self, certificate: &Certificate, leaf: &Certificate, now: UnixTime) -> Result<(), String> {
        check_time(certificate, now)?;
        if certificate != leaf {
            self.check_form(certificate)?;
            self.check_key(certificate, &certificate.key)?;
        }
        if certificate.signature.is_broken && !certificate.is_self_issued() {
            return Err(format!(
                "{certificate} was signed by {}, which anybody can forge by now; have it issued anew with SHA-256",
                certificate.signature
            ));
        }
        Ok(())
    }

    fn unknown_issuer(
        &self,
        leaf: &Certificate,
        last: &Certificate,
        sent: usize,
        namesake: Option<&Certificate>,
    ) -> String {
        let (origin, issuer) = (&self.trusted.origin, &last.issuer);
        if last.is_self_issued() {
            let other = if namesake.is_some() { ", which has another one of this name" } else { "" };
            let comes =
                if leaf == last { String::new() } else { format!("{leaf} comes from an authority: ") };
            return format!(
                "{comes}{last} is signed by itself and is not in {origin}{other}; if it is the right one, {}",
                self.trusted.remedy
            );
        }
        if let Some(namesake) = namesake {
            return match namesake.is_authority {
                true => format!(
                    "{last} claims to be issued by {issuer}, and the certificate of that name in {origin} has another key: \
                     the authority may have a new certificate: {}",
                    self.trusted.remedy
                ),
                false => format!(
                    "{last} is issued by {issuer}, which is trusted itself in {origin}, but is no authority that may issue \
                     others; trust the one that issued it, or this certificate itself"
                ),
            };
        }
        let along = match sent {
            0 => String::from("no other certificate"),
            sent => Counted(sent as u64, "other certificate").to_string(),
        };
        format!(
            "{last} is issued by {issuer}, whose certificate is not among the {} in {origin}; {}, or let the broker \
             send those between (it sent {along})",
            self.trusted.count(),
            self.trusted.remedy
        )
    }
}

impl ServerCertVerifier for BrokerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let refused = |why| CertificateError::Other(OtherError(Arc::new(CertificateRefused(why))));
        match self.check(end_entity, intermediates, server_name, now) {
            Err(why) if !planted(Defect::AnyCertificate) => Err(refused(why).into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The broker's certificate, who has issued it, and so on, as far as the broker has sent them.
fn path<'a>(leaf: &'a Certificate, sent: &'a [Certificate]) -> Vec<&'a Certificate> {
    let mut path = vec![leaf];
    while let Some(last) = path.last().filter(|last| !last.is_self_issued())
        && let Some(next) = sent.iter().find(|next| next.has_issued(last) && !path.contains(next))
    {
        path.push(next);
    }
    path
}

fn check_time(certificate: &Certificate, now: UnixTime) -> Result<(), String> {
    let now = now.as_secs();
    match certificate.valid {
        None => Err(format!("{certificate}: its times cannot be read")),
        Some((from, _)) if now < from => Err(format!(
            "{certificate} is valid from {} on, and the clock of this machine says {}: look whether the clock is right",
            Date(from),
            Date(now)
        )),
        Some((_, until)) if now > until => Err(format!(
            "{certificate} has expired: it was valid until {}, and the clock of this machine says {}",
            Date(until),
            Date(now)
        )),
        Some(_) => Ok(()),
    }
}

/// By the alternative names; by the common name where none of them is a DNS name, and a host was connected to by name.
fn check_name(
    parsed: &ParsedCertificate<'_>,
    leaf: &Certificate,
    name: &ServerName<'_>,
) -> Result<(), String> {
    if verify_server_name(parsed, name).is_ok() {
        return Ok(());
    }
    let wanted = match name {
        ServerName::DnsName(host) => {
            let common = leaf.subject.common_name().filter(|_| leaf.dns_names.is_empty());
            if common.is_some_and(|common| covers(common, host.as_ref())) {
                return Ok(());
            }
            host.as_ref().to_owned()
        }
        ServerName::IpAddress(address) => IpAddr::from(*address).to_string(),
        other => format!("{other:?}"),
    };
    Err(format!(
        "it is for {}, and not for {}; connect by a name that it is for (bootstrap.servers, the broker's \
         advertised.listeners), or have it issued for this one",
        leaf.whom_it_is_for(),
        Escaped(&wanted)
    ))
}

/// Whether a name of a certificate is for this host: the same, or with `*` for its first part alone. What follows the `*` has
/// two parts at least.
fn covers(name: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match name.strip_prefix("*.") {
        Some(rest) => {
            let of_host = host.split_once('.').map(|(_, rest)| rest);
            rest.contains('.') && of_host.is_some_and(|of_host| of_host.eq_ignore_ascii_case(rest))
        }
        None => !name.is_empty() && name.eq_ignore_ascii_case(host),
    }
}

fn in_words(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(
            CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose,
        ) => String::from("its extended key usage is not that of a server (serverAuth)"),
        TlsError::InvalidCertificate(CertificateError::UnhandledCriticalExtension) => {
            String::from("it has an extension that must be understood and is not")
        }
        TlsError::InvalidCertificate(CertificateError::Other(other)) => {
            Escaped(&other.0.to_string()).to_string()
        }
        TlsError::InvalidCertificate(other) => Escaped(&format!("{other:?}")).to_string(),
        other => Escaped(&other.to_string()).to_string(),
    }
}

/// As errors name it.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {}", self.subject)
    }
}
