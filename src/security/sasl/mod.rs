//! SASL: telling brokers who we are, by one of several mechanisms.
//!
//! Owns: what `sasl.mechanism` and `sasl.jaas.config` mean, and the exchange with the broker. Must not know: sockets, TLS.
//! Holds: what is wrong is said with the setting's name and never with a secret; nothing weaker than what is asked for is
//! tried in its place.

mod authenticator;
mod credentials;
mod jaas;
mod login_modules;
mod mechanism;
pub(crate) mod oauthbearer;
mod pending;
mod plain;
mod refresh_time;
mod refreshing_login;
mod scram;
mod stream_tokenizer;

#[cfg(feature = "oidc")]
mod form;
#[cfg(feature = "gssapi")]
mod gssapi;
#[cfg(feature = "oidc")]
mod http_answer;
#[cfg(feature = "oidc")]
mod http_client;
#[cfg(feature = "oidc")]
mod http_proxy;
#[cfg(test)]
#[cfg(feature = "oidc")]
mod http_test_server;
#[cfg(feature = "oidc")]
mod login_https;
mod login_settings;
#[cfg(feature = "msk-iam")]
mod msk_iam;

use std::error::Error as StdError;
use std::sync::Arc;

use crate::class_registry::ClassRegistry;
use crate::config::{Faults, ProducerConfig, SecurityProtocol, Settings};
use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use crate::secret::Secret;
use crate::sync::Mutex;

pub(crate) use authenticator::authentication;
pub(crate) use credentials::AskForCredentials;
use credentials::CredentialsSource;
pub use credentials::SaslCredentials;
use jaas::JaasEntry;
use login_modules::MechanismKind;
use login_settings::JaasOptions;
pub(crate) use mechanism::Mechanisms;
use oauthbearer::{OAuthBearer, TokenProviders, oauth_bearer};
use plain::PlainMechanisms;
pub(crate) use scram::read_scram_messages;
use scram::{ScramHash, ScramMechanisms};

/// What the program has given beside its settings.
#[derive(Default)]
pub(crate) struct GivenLogins {
    /// What is asked for name and password.
    pub(crate) credentials: Option<AskForCredentials>,
    /// The same under names that `sasl.client.callback.handler.class` may have.
    names: ClassRegistry,
    /// What is asked for tokens.
    pub(crate) tokens: TokenProviders,
}

/// A closure under a name.
type NamedCredentials = dyn Fn() -> Result<SaslCredentials, Box<dyn StdError + Send + Sync>> + Send + Sync;

impl GivenLogins {
    /// Makes a name stand for a closure.
    pub(crate) fn register(&mut self, name: &str, ask: AskForCredentials) {
        self.names.register::<NamedCredentials>(name, "logins", move || {
            let ask = Arc::clone(&ask);
            Box::new(move || ask())
        });
    }

    /// The closure that is to be asked, as a value or by its name; none where neither is there.
    fn ask(&self, settings: &Settings) -> Result<Option<AskForCredentials>, Error> {
        if let Some(ask) = &self.credentials {
            return Ok(Some(Arc::clone(ask)));
        }
        let Some(name) = &settings.sasl_client_callback_handler_class else { return Ok(None) };
        let noun = "source of credentials";
        let made = self.names.create::<NamedCredentials>(CALLBACK_HANDLER, name, noun, "others are wanted");
        Ok(Some(Arc::from(made.map_err(Error::config)?)))
    }
}

/// The mechanism that the settings name, with what they say that it needs. What is wrong is added to the faults.
pub(crate) fn mechanisms(
    settings: &Settings,
    given: GivenLogins,
    faults: &mut Faults,
) -> Option<Arc<dyn Mechanisms>> {
    if settings.sasl_mechanism.is_empty() {
        // A fault of the configuration by itself.
        return None;
    }
    let kind = MechanismKind::of(&settings.sasl_mechanism).map_err(|expected| {
        let shown = settings.shown(ProducerConfig::SASL_MECHANISM);
        Error::config(format!(
            "Invalid value {} for configuration sasl.mechanism: {expected}",
            Escaped(shown)
        ))
    });
    let kind = faults.keep(kind)?;
    match kind {
        MechanismKind::Plain => {
            let source = faults.keep(credentials_source(settings, &given, kind))?;
            if settings.security_protocol == SecurityProtocol::SaslPlaintext {
                logging::warn!(
                    "sasl.mechanism=PLAIN with security.protocol=SASL_PLAINTEXT: whoever sees the network sees the \
                     password; SASL_SSL encrypts it"
                );
            }
            Some(Arc::new(PlainMechanisms::new(source)))
        }
        MechanismKind::ScramSha256 | MechanismKind::ScramSha512 => {
            let source = faults.keep(credentials_source(settings, &given, kind))?;
            let hash = match kind {
                MechanismKind::ScramSha512 => ScramHash::Sha512,
                _ => ScramHash::Sha256,
            };
            Some(Arc::new(ScramMechanisms::new(hash, source)))
        }
        MechanismKind::OAuthBearer => Some(Arc::new(by_token(settings, given.tokens, faults)?)),
        #[cfg(feature = "msk-iam")]
        MechanismKind::AwsMskIam => {
            faults.keep(known_client_handler(settings, &["IAMClientCallbackHandler"]));
            let options = faults.keep(options(settings, kind))?;
            Some(Arc::new(msk_iam::msk_iam(settings, &options, faults)?))
        }
        #[cfg(not(feature = "msk-iam"))]
        MechanismKind::AwsMskIam => {
            faults.add(not_there(kind, "it needs the feature `msk-iam` of the crate kafka-producer"));
            None
        }
        #[cfg(feature = "gssapi")]
        MechanismKind::Gssapi => Some(Arc::new(by_ticket(settings, faults)?)),
        #[cfg(not(feature = "gssapi"))]
        MechanismKind::Gssapi => {
            faults.add(not_there(kind, NO_GSSAPI));
            None
        }
    }
}

/// GSSAPI, with tickets of whoever the settings name.
#[cfg(feature = "gssapi")]
fn by_ticket(settings: &Settings, faults: &mut Faults) -> Option<gssapi::Gssapi> {
    let kind = MechanismKind::Gssapi;
    faults.keep(known_client_handler(settings, &["KerberosClientCallbackHandler"]));
    let wanted = "useKeyTab=true keyTab=\"…\" principal=\"…\"";
    faults.keep(settings.sasl_jaas_config.as_ref().ok_or_else(|| without_jaas(kind, wanted)))?;
    let options = faults.keep(options(settings, kind))?;
    gssapi::gssapi(settings, &options, faults)
}

/// OAUTHBEARER, with tokens of whoever the settings name.
fn by_token(settings: &Settings, tokens: TokenProviders, faults: &mut Faults) -> Option<OAuthBearer> {
    faults.keep(known_client_handler(settings, &OAUTHBEARER_HANDLERS));
    let options = faults.keep(options(settings, MechanismKind::OAuthBearer))?;
    #[cfg(feature = "msk-iam")]
    if tokens.given.is_none() && msk_iam::signs_tokens(settings) {
        return msk_iam::iam_oauth_bearer(settings, &options, faults);
    }
    oauth_bearer(settings, &options, tokens, faults)
}

/// Nobody need have named it.
#[cfg(not(feature = "gssapi"))]
const NO_GSSAPI: &str = "it needs the feature `gssapi` of the crate kafka-producer. (It is the default: for another login set \
                         sasl.mechanism, for example to PLAIN or SCRAM-SHA-512)";

#[cfg(not(all(feature = "gssapi", feature = "msk-iam")))]
fn not_there(kind: MechanismKind, why: &str) -> Error {
    Error::config(format!("Invalid value {} for configuration sasl.mechanism: {why}", kind.name()))
}

/// The options of the login module; none where there is none: what is needed then is said by whoever needs it.
fn options(settings: &Settings, kind: MechanismKind) -> Result<JaasOptions, Error> {
    match &settings.sasl_jaas_config {
        Some(text) => Ok(read_entry(text, kind)?.into_options()),
        None => Ok(JaasOptions::new()),
    }
}

/// `sasl.client.callback.handler.class` names what belongs to the mechanism anyway, or nothing.
fn known_client_handler(settings: &Settings, known: &[&str]) -> Result<(), Error> {
    let class = settings.sasl_client_callback_handler_class.as_ref();
    match class.filter(|class| !known.contains(&class.class())) {
        None => Ok(()),
        Some(class) => Err(Error::config(format!(
            "Invalid value {} for configuration {CALLBACK_HANDLER}: with sasl.mechanism={} it can be {}",
            Escaped(&class.shown),
            settings.sasl_mechanism,
            known.join(" or ")
        ))),
    }
}

fn without_jaas(kind: MechanismKind, options: &str) -> Error {
    Error::config(format!(
        "Missing configuration sasl.jaas.config: sasl.mechanism={} needs {} required {options}; \
         (the file of java.security.auth.login.config is not read)",
        kind.name(),
        kind.module()
    ))
}

/// Where name and password come from.
fn credentials_source(
    settings: &Settings,
    given: &GivenLogins,
    kind: MechanismKind,
) -> Result<CredentialsSource, Error> {
    if let Some(ask) = given.ask(settings)? {
        return Ok(CredentialsSource::asked(ask));
    }
    let Some(text) = &settings.sasl_jaas_config else {
        return Err(without_jaas(kind, "username=\"…\" password=\"…\""));
    };
    let credentials = read_credentials(text, kind)?;
    let Some(text) = settings.variable_text(ProducerConfig::SASL_JAAS_CONFIG) else {
        return Ok(CredentialsSource::Fixed(credentials));
    };
    // What stands for the variables may change.
    let last = Mutex::new(credentials);
    Ok(CredentialsSource::asked(Arc::new(move || {
        match text.read().and_then(|text| read_credentials(&text, kind)) {
            Ok(credentials) => *last.lock() = credentials,
            Err(error) => logging::warn!("{error}; the login goes on with what was there before"),
        }
        Ok(last.lock().clone())
    })))
}

fn read_credentials(text: &Secret, kind: MechanismKind) -> Result<SaslCredentials, Error> {
    read_entry(text, kind).and_then(|entry| SaslCredentials::of(&entry).map_err(refused))
}

/// The login module and its options, if it is this mechanism's.
fn read_entry(text: &Secret, kind: MechanismKind) -> Result<JaasEntry, Error> {
    let entry = JaasEntry::parse(text.expose()).map_err(refused)?;
    kind.check_module(&entry).map_err(refused)?;
    Ok(entry)
}

fn refused(why: String) -> Error {
    Error::config(format!("Invalid value [hidden] for configuration sasl.jaas.config: {why}"))
}

/// Reads a text of `sasl.jaas.config`: for tests of what may be written there.
pub(crate) fn read_jaas(text: &str) -> Result<usize, String> {
    let entry = JaasEntry::parse(text)?;
    let _ = SaslCredentials::of(&entry);
    Ok(entry.module().len())
}

/// What Java takes tokens from the login with.
const OAUTHBEARER_HANDLERS: [&str; 2] =
    ["OAuthBearerSaslClientCallbackHandler", "IAMOAuthBearerLoginCallbackHandler"];
const CALLBACK_HANDLER: &str = "sasl.client.callback.handler.class";
