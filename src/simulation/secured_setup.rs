//! `SecuredSetup`: TLS, SASL or both, at the brokers' side and the client's.
//!
//! Owns: settings that fit each other, and the certificates, which are made once for all runs. Must not know: what goes wrong.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka_embedded::{
    Api, CertificateKeyKind, CertificateOptions, EmbeddedClusterBuilder, SaslMechanism, SaslOptions,
    TlsOptions, TlsServer, TlsVersions,
};

use crate::producer::KafkaProducerBuilder;
use crate::security::TokenProviderError;
use crate::simulation::identity::ClientIdentity;

/// How connections are secured.
#[derive(Clone)]
pub(super) struct SecuredSetup {
    pub(super) tls: Option<Arc<TlsServer>>,
    pub(super) mechanism: Option<SaslMechanism>,
    pub(super) identity: Arc<ClientIdentity>,
    /// The client asks the program for its password before each login.
    pub(super) asks: bool,
    /// Settings of the client.
    pub(super) properties: Vec<(&'static str, String)>,
}

/// What is wanted of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecurityWish {
    pub(super) has_tls: bool,
    /// Brokers want a certificate of the client.
    pub(super) is_mutual: bool,
    pub(super) mechanism: Option<SaslMechanism>,
    pub(super) asks: bool,
    pub(super) token_life: Duration,
}

/// Keys and certificates of all runs.
struct Certificates {
    tls: TlsServer,
    mutual: TlsServer,
    /// The client's own, with its key.
    own: (String, String),
    /// For logins; what brokers keep of passwords is made once.
    logins: SaslOptions,
}

impl SecuredSetup {
    pub(super) fn new(wish: SecurityWish) -> SecuredSetup {
        let certificates = certificates();
        let tls =
            wish.has_tls.then_some(if wish.is_mutual { &certificates.mutual } else { &certificates.tls });
        let protocol = match (wish.has_tls, wish.mechanism) {
            (true, Some(_)) => "SASL_SSL",
            (true, None) => "SSL",
            (false, _) => "SASL_PLAINTEXT",
        };
        let mut properties = vec![("security.protocol", protocol.to_owned())];
        if let Some(tls) = tls {
            properties.push(("ssl.truststore.type", "PEM".to_owned()));
            properties.push(("ssl.truststore.certificates", tls.trusted_pem()));
        }
        if wish.has_tls && wish.is_mutual {
            let (chain, key) = &certificates.own;
            properties.push(("ssl.keystore.type", "PEM".to_owned()));
            properties.push(("ssl.keystore.certificate.chain", chain.clone()));
            properties.push(("ssl.keystore.key", key.clone()));
        }
        if let Some(mechanism) = wish.mechanism {
            properties.push(("sasl.mechanism", mechanism.name().to_owned()));
            let module = match mechanism {
                SaslMechanism::Plain => "org.apache.kafka.common.security.plain.PlainLoginModule",
                SaslMechanism::OAuthBearer => {
                    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
                }
                _ => "org.apache.kafka.common.security.scram.ScramLoginModule",
            };
            let (user, password) = (ClientIdentity::USER, ClientIdentity::PASSWORDS[0]);
            let options = match mechanism {
                SaslMechanism::OAuthBearer => String::new(),
                _ => format!(" username=\"{user}\" password=\"{password}\""),
            };
            properties.push(("sasl.jaas.config", format!("{module} required{options};")));
        }
        SecuredSetup {
            tls: tls.map(|tls| Arc::new(tls.afresh())),
            mechanism: wish.mechanism,
            identity: Arc::new(ClientIdentity::new(wish.token_life)),
            asks: wish.asks,
            properties,
        }
    }

    /// Brokers that want to know who we are, each time for so long, and tell so much later that they do not believe it.
    pub(super) fn brokers(
        &self,
        cluster: EmbeddedClusterBuilder,
        session: Option<Duration>,
        failure_delay: Duration,
    ) -> EmbeddedClusterBuilder {
        if self.mechanism.is_none() {
            return cluster;
        }
        let identity = Arc::clone(&self.identity);
        let logins = certificates().logins.clone().failure_delay(failure_delay);
        let logins = logins.judge_tokens(move |presented| identity.judge(presented.token));
        let logins = session.map_or(logins.clone(), |session| logins.max_reauth(session));
        let cluster = cluster.api_versions(Api::SaslHandshake, Api::SaslHandshake.versions());
        cluster.api_versions(Api::SaslAuthenticate, Api::SaslAuthenticate.versions()).sasl(logins)
    }

    /// What the program gives beside its settings.
    pub(super) fn give<K: ?Sized + 'static, V: ?Sized + 'static>(
        &self,
        builder: KafkaProducerBuilder<K, V>,
    ) -> KafkaProducerBuilder<K, V> {
        let identity = Arc::clone(&self.identity);
        match self.mechanism {
            Some(SaslMechanism::OAuthBearer) => {
                builder.token_provider(move || -> Result<_, TokenProviderError> { identity.token() })
            }
            Some(_) if self.asks => builder.sasl_credentials(move || Ok(identity.credentials())),
            _ => builder,
        }
    }
}

fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(|| {
        // Signatures of one size, and no sessions of other runs: each handshake has as many bytes in each run of a seed.
        let options = TlsOptions::new().keys(CertificateKeyKind::Ed25519).versions(TlsVersions::Only13);
        let options = options.without_resumption().certificate(good_certificate());
        let tls = TlsServer::new(options.clone()).expect("ciphers that this processor can do");
        let mutual = TlsServer::new(options.require_client_certificates()).expect("the same ones");
        let own = mutual.client_certificate(ClientIdentity::USER).expect("a sound name");
        let own = (own.chain_pem(), own.key_pem());
        let mechanisms = [
            SaslMechanism::Plain,
            SaslMechanism::ScramSha256,
            SaslMechanism::ScramSha512,
            SaslMechanism::OAuthBearer,
        ];
        let logins = SaslOptions::new(mechanisms).user(ClientIdentity::USER, ClientIdentity::PASSWORDS[0]);
        Certificates { tls, mutual, own, logins }
    })
}

/// For all names that brokers have, also once they have moved.
pub(super) fn good_certificate() -> CertificateOptions {
    let servers = (1..=3).map(|broker| format!("server-{broker}"));
    let brokers = (1..=3).map(|broker| format!("broker-{broker}"));
    let moved =
        (1..=3).flat_map(|broker| (1..=MOST_MOVES).map(move |moved| format!("broker-{broker}-{moved}")));
    CertificateOptions::for_names(servers.chain(brokers).chain(moved))
}

/// How often a broker moves at most where its certificate has to have its names.
pub(super) const MOST_MOVES: u8 = 8;
