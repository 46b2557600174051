//! The options of Strimzi's OAuth client, as those of Kafka's own classes.
//!
//! Owns: Strimzi's names of options. Must not know: how tokens are fetched.
//! Holds: what would be needed and is not there is an error that names it; no value is in an error.
//! Source: `ClientConfig` and `Config` of `strimzi-kafka-oauth`.

use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use crate::security::sasl::login_settings::JaasOptions;

/// What Strimzi's users name in `sasl.login.callback.handler.class`.
pub(super) const STRIMZI_HANDLER: &str = "JaasClientOauthLoginCallbackHandler";

/// Where tokens come from, and the options under Kafka's names.
#[derive(Debug)]
pub(super) struct StrimziOptions {
    pub(super) endpoint_url: String,
    pub(super) options: JaasOptions,
}

impl StrimziOptions {
    pub(super) fn read(given: &JaasOptions) -> Result<StrimziOptions, Error> {
        let (mut endpoint_url, mut options) = (None, JaasOptions::new());
        for (name, value) in given {
            let Some(own) = name.strip_prefix("oauth.") else {
                options.insert(name.clone(), value.clone());
                continue;
            };
            if own == "token.endpoint.uri" {
                endpoint_url = Some(value.expose().trim().to_owned());
            } else if let Some((_, kafkas)) = RENAMED.iter().find(|(strimzis, _)| *strimzis == own) {
                options.insert((*kafkas).to_owned(), value.clone());
            } else if own.starts_with("ssl.") {
                options.insert(own.to_owned(), value.clone());
            } else if UNUSED.contains(&own) {
                logging::warn!("sasl.jaas.config: the option oauth.{own} of Strimzi's has no effect here");
            } else {
                let supported = RENAMED.map(|(strimzis, _)| format!("oauth.{strimzis}")).join(", ");
                return Err(Error::config(format!(
                    "sasl.jaas.config: the option {} of {STRIMZI_HANDLER} is not supported; supported are {ENDPOINT}, \
                     {supported} and oauth.ssl.*; tokens from elsewhere are handed over by a token provider of the \
                     program's",
                    Escaped(name)
                )));
            }
        }
        let endpoint_url = endpoint_url.filter(|url| !url.is_empty()).ok_or_else(|| {
            Error::config(format!(
                "sasl.jaas.config: the option {ENDPOINT} of {STRIMZI_HANDLER} is not set: where tokens come from"
            ))
        })?;
        Ok(StrimziOptions { endpoint_url, options })
    }
}

const ENDPOINT: &str = "oauth.token.endpoint.uri";

/// Strimzi's names, without their `oauth.`, and Kafka's.
const RENAMED: [(&str, &str); 3] =
    [("client.id", "clientId"), ("client.secret", "clientSecret"), ("scope", "scope")];

/// What changes nothing about which token is fetched: how Strimzi looks into it, and its own times and metrics, in whose
/// place are the `sasl.login.*` settings.
const UNUSED: [&str; 12] = [
    "access.token.is.jwt",
    "username.claim",
    "username.prefix",
    "fallback.username.claim",
    "fallback.username.prefix",
    "max.token.expiry.seconds",
    "connect.timeout.seconds",
    "read.timeout.seconds",
    "http.retries",
    "http.retry.pause.millis",
    "config.id",
    "enable.metrics",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<StrimziOptions, String> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        StrimziOptions::read(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_get_kafkas_names() {
        let read = read(&[
            ("oauth.token.endpoint.uri", " https://auth/token "),
            ("oauth.client.id", "me"),
            ("oauth.client.secret", "tiger"),
            ("oauth.scope", "kafka"),
            ("oauth.ssl.truststore.location", "/t.p12"),
            ("oauth.ssl.endpoint.identification.algorithm", ""),
            ("oauth.username.claim", "sub"),
            ("extension_pool", "p"),
        ])
        .unwrap();
        assert_eq!(read.endpoint_url, "https://auth/token");
        let options: Vec<_> =
            read.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(
            options,
            [
                ("clientId", "me"),
                ("clientSecret", "tiger"),
                ("extension_pool", "p"),
                ("scope", "kafka"),
                ("ssl.endpoint.identification.algorithm", ""),
                ("ssl.truststore.location", "/t.p12"),
            ]
        );
    }

    #[test]
    fn what_would_be_needed_is_an_error_that_names_it_and_no_secret() {
        let endpoint = ("oauth.token.endpoint.uri", "https://auth/token");
        let error = read(&[endpoint, ("oauth.refresh.token", "tiger")]).unwrap_err();
        assert!(
            error.contains("the option oauth.refresh.token") && error.contains("oauth.client.secret"),
            "{error}"
        );
        assert!(!error.contains("tiger"), "{error}");
        let error = read(&[("oauth.client.id", "me"), ("oauth.token.endpoint.uri", " ")]).unwrap_err();
        assert!(error.contains("oauth.token.endpoint.uri") && error.contains("is not set"), "{error}");
    }
}
