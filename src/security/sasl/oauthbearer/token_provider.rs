//! `OAuthBearerToken` and `TokenProvider`: what says who we are, and what fetches it.
//!
//! Owns: the type, the trait, what may stand in a token. Must not know: where tokens come from, connections.
//! Holds: a token is never printed.
//! Source: Java's `OAuthBearerToken`, `OAuthBearerTokenCallback` and `SaslExtensions` (KIP-255, KIP-342).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::jwt::{ClaimNames, Claims};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::properties::Properties;
use crate::secret::Secret;
use crate::security::sasl::refresh_time::Lifetime;
use crate::security::sasl::refreshing_login::ExpiringCredential;

/// A token of OAuth 2, with which `OAUTHBEARER` logs in.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kafka_producer::OAuthBearerToken;
///
/// let token =
///     OAuthBearerToken::new("abc.def.ghi", SystemTime::now() + Duration::from_secs(300))
///         .with_extension("logicalCluster", "lkc-7");
/// assert!(!format!("{token:?}").contains("abc.def.ghi"));
/// ```
#[derive(Clone)]
pub struct OAuthBearerToken {
    value: Secret,
    expires_at: SystemTime,
    starts_at: Option<SystemTime>,
    principal_name: Option<String>,
    extensions: BTreeMap<String, String>,
}

/// Why a provider has no token.
pub type TokenProviderError = Box<dyn std::error::Error + Send + Sync>;

/// Fetches tokens for `OAUTHBEARER`: what Java's `sasl.login.callback.handler.class` names.
///
/// A closure is one:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kafka_producer::{KafkaProducer, OAuthBearerToken, ProducerConfig, TokenProviderError};
///
/// fn from_our_vault() -> Result<String, std::io::Error> {
///     Ok("abc.def.ghi".to_owned())
/// }
///
/// let config = ProducerConfig::new().bootstrap_servers("localhost:9092");
/// let builder = KafkaProducer::<str, str>::builder(config).token_provider(
///     || -> Result<_, TokenProviderError> {
///         Ok(OAuthBearerToken::new(
///             from_our_vault()?,
///             SystemTime::now() + Duration::from_secs(300),
///         ))
///     },
/// );
/// ```
pub trait TokenProvider: Send + Sync {
    /// Reads settings. Called once, by `KafkaProducer::new`, and only for a provider that is named in the configuration; one
    /// that is passed as a value comes configured. `jaas_options` are those of `sasl.jaas.config`.
    ///
    /// # Errors
    ///
    /// A setting does not fit: `new` fails with an error of kind [`Config`](crate::ErrorKind::Config).
    fn configure(
        &mut self,
        properties: &Properties<'_>,
        jaas_options: &Properties<'_>,
    ) -> Result<(), TokenProviderError> {
        let _ = (properties, jaas_options);
        Ok(())
    }

    /// Fetches a token. Called when the first connection logs in, and again before each token ends
    /// (`sasl.login.refresh.*`): one call at a time, on a thread in the background, so it may block. All connections of the
    /// producer share what it returns. A panic counts as an error.
    ///
    /// # Errors
    ///
    /// No token can be had now. It is tried again after `sasl.login.retry.backoff.ms`, and the last token is used as long as
    /// it is valid. If there has been no token at all, calls and records that wait for a connection fail at once, with this
    /// error's text, as an error of kind [`Authentication`](crate::ErrorKind::Authentication); if there was one, it is as if
    /// the broker could not be reached.
    fn token(&self) -> Result<OAuthBearerToken, TokenProviderError>;
}

impl<F> TokenProvider for F
where
    F: Fn() -> Result<OAuthBearerToken, TokenProviderError> + Send + Sync,
{
    fn token(&self) -> Result<OAuthBearerToken, TokenProviderError> {
        self()
    }
}

/// One provider for several producers. It can be configured only while nobody shares it.
impl<P: TokenProvider + ?Sized> TokenProvider for Arc<P> {
    fn configure(
        &mut self,
        properties: &Properties<'_>,
        jaas_options: &Properties<'_>,
    ) -> Result<(), TokenProviderError> {
        match Arc::get_mut(self) {
            Some(provider) => provider.configure(properties, jaas_options),
            None => Err("a provider that is shared already cannot be configured".into()),
        }
    }

    fn token(&self) -> Result<OAuthBearerToken, TokenProviderError> {
        (**self).token()
    }
}

impl OAuthBearerToken {
    /// A token and when it ends; it is fetched anew before that.
    pub fn new(value: impl Into<String>, expires_at: SystemTime) -> OAuthBearerToken {
        OAuthBearerToken {
            value: Secret::from(value.into()),
            expires_at,
            starts_at: None,
            principal_name: None,
            extensions: BTreeMap::new(),
        }
    }

    /// A token that is a JWT: end, start and principal are taken from its claims `exp`, `iat` and `sub`. Its signature is not
    /// checked here; the broker does that.
    ///
    /// # Errors
    ///
    /// [`Authentication`](ErrorKind::Authentication): it is not a JWT, or has no `exp` or `sub`.
    pub fn from_jwt(value: impl Into<String>) -> Result<OAuthBearerToken, Error> {
        let value = value.into();
        let refused = |text| Error::new(ErrorKind::Authentication, text);
        OAuthBearerToken::of_claims(&value, &ClaimNames::default()).map_err(refused)
    }

    pub(super) fn of_claims(value: &str, names: &ClaimNames) -> Result<OAuthBearerToken, String> {
        let claims = Claims::read(value, names)?;
        let token = OAuthBearerToken::new(value.trim(), claims.expires_at);
        let token = token.with_principal_name(claims.subject);
        Ok(OAuthBearerToken { starts_at: claims.issued_at, ..token })
    }

    /// When it begins to be valid; the time of the next fetch is computed from this and the end. Without it, the time at which
    /// it was fetched is taken.
    pub fn with_start_time(self, starts_at: SystemTime) -> OAuthBearerToken {
        OAuthBearerToken { starts_at: Some(starts_at), ..self }
    }

    /// The name of the principal, for log lines.
    pub fn with_principal_name(self, name: impl Into<String>) -> OAuthBearerToken {
        OAuthBearerToken { principal_name: Some(name.into()), ..self }
    }

    /// A SASL extension that is sent with the token (KIP-342). The name is made of letters and is not `auth`, the value of
    /// printable ASCII.
    pub fn with_extension(mut self, name: impl Into<String>, value: impl Into<String>) -> OAuthBearerToken {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// The token itself.
    pub fn value(&self) -> &str {
        self.value.expose()
    }

    /// When it ends.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// When it begins to be valid, if that is known.
    pub fn start_time(&self) -> Option<SystemTime> {
        self.starts_at
    }

    /// The name of the principal, if it is known.
    pub fn principal_name(&self) -> Option<&str> {
        self.principal_name.as_deref()
    }

    /// The SASL extensions that are sent with the token.
    pub fn extensions(&self) -> &BTreeMap<String, String> {
        &self.extensions
    }

    /// What may be said to a broker and nothing else.
    pub(super) fn check(&self) -> Result<(), String> {
        let value = self.value();
        let body = value.trim_end_matches('=');
        if body.is_empty()
            || !body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~+/.".contains(&byte))
        {
            return Err(format!(
                "the token of {} bytes is empty or has characters that no token has: A-Z, a-z, 0-9, - _ ~ + / . and = at \
                 its end",
                value.len()
            ));
        }
        self.extensions.iter().try_for_each(|(name, value)| check_extension(name, value))
    }
}

/// An extension as KIP-342 allows it.
pub(super) fn check_extension(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name == "auth" || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let name = Escaped(name);
        return Err(format!("\"{name}\" cannot be the name of an extension: letters, and not \"auth\""));
    }
    let may_stand = |byte: u8| matches!(byte, 0x21..=0x7E | b' ' | b'\t' | b'\r' | b'\n');
    if value.is_empty() || !value.bytes().all(may_stand) {
        return Err(format!("the value of the extension {name} is empty or not printable ASCII"));
    }
    Ok(())
}

impl ExpiringCredential for OAuthBearerToken {
    fn lifetime(&self) -> Lifetime {
        Lifetime { starts: self.starts_at, ends: Some(self.expires_at) }
    }
}

/// Everything but the token and the values beside it.
impl fmt::Debug for OAuthBearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthBearerToken")
            .field("principal_name", &self.principal_name)
            .field("expires_at", &self.expires_at)
            .field("extensions", &self.extensions.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(value: &str) -> OAuthBearerToken {
        OAuthBearerToken::new(value, SystemTime::UNIX_EPOCH + Duration::from_secs(7))
    }

    #[test]
    fn a_token_is_not_shown() {
        let shown = format!("{:?}", token("tiger").with_principal_name("me").with_extension("place", "lion"));
        assert!(shown.contains("me") && shown.contains("place"), "{shown}");
        assert!(!shown.contains("tiger") && !shown.contains("lion"), "{shown}");
    }

    #[test]
    fn only_what_can_be_a_token_is_one() {
        for good in ["a", "a.b-c_d~e+f/g", "YQ==", "0"] {
            assert_eq!(token(good).check(), Ok(()), "{good}");
        }
        for bad in ["", "=", "a b", "a\u{1}b", "a=b", "ä", "a\n"] {
            let error = token(bad).check().unwrap_err();
            assert!(error.contains("characters that no token has"), "{error}");
            assert!(bad.len() < 3 || !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn only_what_can_be_an_extension_is_one() {
        assert_eq!(token("a").with_extension("logicalCluster", "lkc-7 \t!~").check(), Ok(()));
        for (name, value) in
            [("auth", "x"), ("", "x"), ("a1", "x"), ("a=", "x"), ("a", ""), ("a", "\u{1}"), ("a", "ä")]
        {
            assert!(token("a").with_extension(name, value).check().is_err(), "{name}={value}");
        }
    }

    #[test]
    fn closures_and_shared_providers_are_providers() {
        let mut shared: Arc<dyn TokenProvider> = Arc::new(|| Ok(token("t")));
        assert_eq!(shared.token().unwrap().value(), "t");
        let nothing = std::collections::HashMap::new();
        let properties = Properties::new(&nothing);
        assert!(shared.configure(&properties, &properties).is_ok());
        let _other = shared.clone();
        assert!(shared.configure(&properties, &properties).is_err());
    }
}
