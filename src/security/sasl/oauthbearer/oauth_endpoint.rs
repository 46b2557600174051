//! Tokens from a URL of HTTP, by the settings.
//!
//! Owns: which settings make which request; whom HTTPS trusts. Must not know: how requests are made.
//! Holds: all that is wrong is told at once; no secret is in an error.
//! Source: Java's `ClientCredentialsRequestFormatterFactory`, `ConfigOrJaas`, `AssertionSupplierFactory`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::assertion::{Assertion, AssertionAlgorithm, AssertionMaker};
use super::oauth_configuration::{ENDPOINT_URL, OAuthReading, TokenSource};
use super::token_endpoint::{Grant, TokenEndpoint};
use super::token_file::TokenRules;
use crate::config::Faults;
use crate::error::Error;
use crate::logging;
use crate::security::sasl::http_client::shown_url;
use crate::security::sasl::login_https::{login_http, login_tls};
use crate::security::sasl::login_settings::login_retry;
use crate::security::tls::TlsContext;

impl OAuthReading<'_> {
    pub(super) fn endpoint(
        &self,
        jwt_bearer: bool,
        rules: TokenRules,
        faults: &mut Faults,
    ) -> Option<TokenSource> {
        let url = faults.keep(self.url());
        let tls = login_tls(self.options, faults);
        let grant = self.grant(jwt_bearer, tls.as_deref(), faults);
        let (url, tls, grant) = (url?, tls?, grant?);
        let http = login_http(self.settings, &tls);
        let retry = login_retry(self.settings);
        Some(Box::new(TokenEndpoint { http, url, grant, rules, retry, told: AtomicBool::new(false) }))
    }

    fn url(&self) -> Result<String, Error> {
        let Some(url) = self.endpoint_url else {
            return Err(Error::config(format!("{ENDPOINT_URL} is not set: where tokens come from")));
        };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("https") => Ok(url.to_owned()),
            Some("http") => {
                logging::warn!(
                    "{ENDPOINT_URL} is {}: tokens and secrets go over the network for all to read",
                    shown_url(url)
                );
                Ok(url.to_owned())
            }
            _ => Err(Error::config(format!(
                "{ENDPOINT_URL} is {}, which is no URL that begins with https://, http:// or file:",
                shown_url(url)
            ))),
        }
    }

    fn grant(&self, jwt_bearer: bool, tls: Option<&TlsContext>, faults: &mut Faults) -> Option<Grant> {
        let settings = self.settings;
        let scope = self.setting_or_option(settings.sasl_oauthbearer_scope.clone(), "scope");
        let client_id = self.setting_or_option(settings.sasl_oauthbearer_client_id.clone(), "clientId");
        let has_assertion = settings.sasl_oauthbearer_assertion_file.is_some()
            || settings.sasl_oauthbearer_assertion_claim_iss.is_some();
        if jwt_bearer {
            let scope = settings.sasl_oauthbearer_scope.clone();
            return Some(Grant::JwtBearer { scope, assertion: self.assertion(tls, faults)? });
        }
        if has_assertion {
            return Some(Grant::ClientAssertion {
                client_id,
                scope,
                assertion: self.assertion(tls, faults)?,
            });
        }
        let secret = settings.sasl_oauthbearer_client_secret.clone();
        let secret = secret.or_else(|| self.options.get("clientSecret").cloned());
        let secret = secret.filter(|secret| !secret.expose().trim().is_empty());
        let missing = |setting, option| {
            Error::config(format!(
                "{setting} is not set, nor the option {option} of sasl.jaas.config, and tokens are fetched with it"
            ))
        };
        let client_id =
            client_id.ok_or_else(|| missing("sasl.oauthbearer.client.credentials.client.id", "clientId"));
        let secret = secret
            .ok_or_else(|| missing("sasl.oauthbearer.client.credentials.client.secret", "clientSecret"));
        let (client_id, secret) = (faults.keep(client_id), faults.keep(secret));
        let urlencode = settings.sasl_oauthbearer_header_urlencode;
        Some(Grant::client_secret(&client_id?, secret?.expose().trim(), scope.as_deref(), urlencode))
    }

    fn assertion(&self, tls: Option<&TlsContext>, faults: &mut Faults) -> Option<Assertion> {
        let settings = self.settings;
        if let Some(path) = &settings.sasl_oauthbearer_assertion_file {
            return Some(Assertion::File(PathBuf::from(path)));
        }
        let key_file = settings.sasl_oauthbearer_assertion_private_key_file.as_ref().ok_or_else(|| {
            Error::config(
                "sasl.oauthbearer.assertion.private.key.file is not set: the key that assertions are signed with; or \
                 sasl.oauthbearer.assertion.file names one that is signed already",
            )
        });
        let key_file = PathBuf::from(faults.keep(key_file)?);
        let claims = [
            ("aud", &settings.sasl_oauthbearer_assertion_claim_aud),
            ("iss", &settings.sasl_oauthbearer_assertion_claim_iss),
            ("sub", &settings.sasl_oauthbearer_assertion_claim_sub),
        ];
        let claims = claims.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        Some(Assertion::Made(Box::new(AssertionMaker {
            provider: tls?.client_config().crypto_provider().clone(),
            algorithm: AssertionAlgorithm::from_name(&settings.sasl_oauthbearer_assertion_algorithm),
            key_file,
            passphrase: settings.sasl_oauthbearer_assertion_private_key_passphrase.clone(),
            template_file: settings.sasl_oauthbearer_assertion_template_file.as_ref().map(PathBuf::from),
            claims: claims.collect(),
            exp_seconds: settings.sasl_oauthbearer_assertion_claim_exp.as_secs(),
            nbf_seconds: settings.sasl_oauthbearer_assertion_claim_nbf.as_secs(),
            include_jti: settings.sasl_oauthbearer_assertion_claim_jti_include,
        })))
    }

    /// The setting, or else the option that Java had before it.
    fn setting_or_option(&self, setting: Option<String>, option: &str) -> Option<String> {
        let option = || Some(self.options.get(option)?.expose().trim().to_owned());
        setting.or_else(option).filter(|text| !text.is_empty())
    }
}
