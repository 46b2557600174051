//! Which tokens OAUTHBEARER has, by the settings.
//!
//! Owns: Java's class names, which settings belong to which of them. Must not know: how tokens are fetched.
//! Holds: all that is wrong is told at once; no secret is in an error.
//! Source: Java's `OAuthBearerLoginCallbackHandler`, `DefaultJwtRetriever`, `ClientCredentialsRequestFormatterFactory`,
//! `ConfigurationUtils`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::jwt::ClaimNames;
use super::oauth_exchange::OAuthBearer;
use super::strimzi::{STRIMZI_HANDLER, StrimziOptions};
use super::token_file::{TokenFile, TokenRules};
use super::token_provider::{OAuthBearerToken, TokenProvider, check_extension};
use super::unsecured_token::UnsecuredLogin;
use crate::catch_panic::{Harmless, catch_panic};
use crate::class_registry::ClassRegistry;
use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::escape::Escaped;
use crate::properties::{Named, Properties};
use crate::security::sasl::login_settings::{JaasOptions, login_retry, refresh_rules};
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential, RefreshingLogin};

/// The program's own providers.
#[derive(Default)]
pub(crate) struct TokenProviders {
    /// As a value; it wins over what the settings say.
    pub(crate) given: Option<Box<dyn TokenProvider>>,
    /// By name.
    pub(crate) named: ClassRegistry,
}

pub(super) type TokenSource = Box<dyn CredentialSource<OAuthBearerToken>>;

/// The mechanism; what is wrong is added to the faults.
pub(crate) fn oauth_bearer(
    settings: &Settings,
    options: &JaasOptions,
    providers: TokenProviders,
    faults: &mut Faults,
) -> Option<OAuthBearer> {
    let source = match providers.given {
        Some(provider) => Some(Box::new(ProviderSource(Harmless::new(provider))) as TokenSource),
        None => token_source(settings, options, &providers.named, faults),
    };
    let login = RefreshingLogin::new(
        "a token for OAUTHBEARER",
        source?,
        refresh_rules(settings),
        login_retry(settings),
    );
    Some(OAuthBearer::new(login))
}

/// By what the settings say.
fn token_source(
    settings: &Settings,
    options: &JaasOptions,
    named: &ClassRegistry,
    faults: &mut Faults,
) -> Option<TokenSource> {
    let class = settings.sasl_login_callback_handler_class.as_ref();
    if class.is_some_and(|class| class.class() == STRIMZI_HANDLER && !named.has(&class.name)) {
        let StrimziOptions { endpoint_url, options } = faults.keep(StrimziOptions::read(options))?;
        let reading = OAuthReading { settings, options: &options, endpoint_url: Some(&endpoint_url) };
        return reading.fetched(faults);
    }
    let endpoint_url = settings.sasl_oauthbearer_token_endpoint_url.as_deref();
    OAuthReading { settings, options, endpoint_url }.source(named, faults)
}

/// What the settings say.
pub(super) struct OAuthReading<'a> {
    pub(super) settings: &'a Settings,
    pub(super) options: &'a JaasOptions,
    /// `sasl.oauthbearer.token.endpoint.url`, or what another option has in its place.
    pub(super) endpoint_url: Option<&'a str>,
}

impl OAuthReading<'_> {
    /// By `sasl.login.callback.handler.class`.
    fn source(&self, named: &ClassRegistry, faults: &mut Faults) -> Option<TokenSource> {
        let class = self.settings.sasl_login_callback_handler_class.as_ref();
        match class.map(Named::class) {
            // Java makes unsecured tokens then, whatever else is set.
            None if self.endpoint_url.is_some() => self.fetched(faults),
            None | Some(UNSECURED_HANDLER) => self.unsecured(faults),
            Some(LOGIN_HANDLER) => self.fetched(faults),
            #[cfg(not(feature = "msk-iam"))]
            Some(MSK_IAM_HANDLER) => {
                faults.add(Error::config(format!("{HANDLER}={MSK_IAM_HANDLER} needs the feature msk-iam")));
                None
            }
            Some(_) => {
                let provider = class.map(|class| self.own(named, class))?;
                faults.keep(provider)
            }
        }
    }

    /// One of the program's.
    fn own(&self, named: &ClassRegistry, class: &Named) -> Result<TokenSource, Error> {
        let provider =
            named.create::<dyn TokenProvider>(HANDLER, class, "token provider", "tokens are wanted");
        let mut provider = provider.map_err(Error::config)?;
        let given = self.settings.properties.iter().map(|(name, value)| (name.clone(), value.clone()));
        let given: HashMap<String, String> = given.collect();
        let exposed = self.options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let options: HashMap<String, String> = exposed.collect();
        let properties = Properties::new(&given).with_written(&self.settings.written);
        let configured = catch_panic(|| provider.configure(&properties, &Properties::new(&options)));
        let shown = Escaped(&class.shown).to_string();
        match configured {
            Some(Ok(())) => Ok(Box::new(ProviderSource(Harmless::new(provider)))),
            Some(Err(error)) => {
                let text = error.to_string();
                Err(Error::config(format!("{HANDLER}={shown}: {}", Escaped(&text))).with_source(error))
            }
            None => Err(Error::config(format!("{HANDLER}={shown} has panicked while it was configured"))),
        }
    }

    fn unsecured(&self, faults: &mut Faults) -> Option<TokenSource> {
        if !self.settings.sasl_oauthbearer_allow_unsecured_tokens {
            faults.add(Error::config(format!(
                "sasl.mechanism=OAUTHBEARER has no tokens but unsecured ones, which prove nothing: {HANDLER} names what \
                 fetches tokens ({LOGIN_HANDLER} with sasl.oauthbearer.token.endpoint.url, or a registered provider of the \
                 program's); for tests, {ALLOW_UNSECURED}=true allows tokens made of the options unsecuredLogin* of \
                 sasl.jaas.config"
            )));
            return None;
        }
        let options = self.options.iter().map(|(name, value)| (name.as_str(), value.expose()));
        let login = faults.keep(UnsecuredLogin::read(options).map_err(Error::config))?;
        Some(Box::new(login))
    }

    /// By `sasl.oauthbearer.jwt.retriever.class`.
    fn fetched(&self, faults: &mut Faults) -> Option<TokenSource> {
        let rules = self.token_rules(faults);
        let file = self.endpoint_url.and_then(file_of_url);
        let class = self.settings.sasl_oauthbearer_jwt_retriever_class.as_ref();
        let source = match class.map_or(DEFAULT_RETRIEVER, Named::class) {
            FILE_RETRIEVER => self.file(file, rules),
            DEFAULT_RETRIEVER if file.is_some() => self.file(file, rules),
            DEFAULT_RETRIEVER | CLIENT_CREDENTIALS_RETRIEVER => return self.endpoint(false, rules, faults),
            JWT_BEARER_RETRIEVER => return self.endpoint(true, rules, faults),
            _ => Err(Error::config(format!(
                "sasl.oauthbearer.jwt.retriever.class is {}, which is not known; known are {DEFAULT_RETRIEVER}, \
                 {FILE_RETRIEVER}, {CLIENT_CREDENTIALS_RETRIEVER} and {JWT_BEARER_RETRIEVER}; a provider of the program's \
                 is registered and named by {HANDLER}",
                Escaped(class.map_or("", |class| &class.shown))
            ))),
        };
        faults.keep(source)
    }

    fn file(&self, file: Option<PathBuf>, rules: TokenRules) -> Result<TokenSource, Error> {
        let url = self.endpoint_url.unwrap_or("not set");
        match file {
            Some(path) => Ok(Box::new(TokenFile { path, rules })),
            None => Err(Error::config(format!(
                "{ENDPOINT_URL} is {}, where {FILE_RETRIEVER} needs a file: file:///path/to/token",
                Escaped(url)
            ))),
        }
    }

    fn token_rules(&self, faults: &mut Faults) -> TokenRules {
        let settings = self.settings;
        let claim = |name: &str, setting| match name.trim() {
            "" => Err(Error::config(format!("{setting} is empty, and has to name a claim"))),
            name => Ok(name.to_owned()),
        };
        let scope = faults
            .keep(claim(&settings.sasl_oauthbearer_scope_claim_name, "sasl.oauthbearer.scope.claim.name"));
        let subject =
            faults.keep(claim(&settings.sasl_oauthbearer_sub_claim_name, "sasl.oauthbearer.sub.claim.name"));
        let names = ClaimNames { scope: scope.unwrap_or_default(), subject: subject.unwrap_or_default() };
        let class = settings.sasl_oauthbearer_jwt_validator_class.as_ref();
        if let Some(class) = class.filter(|class| !VALIDATORS.contains(&class.class())) {
            faults.add(Error::config(format!(
                "sasl.oauthbearer.jwt.validator.class is {}; known are {}, which look at a token's claims: its signature is \
                 the broker's to check",
                Escaped(&class.shown),
                VALIDATORS.join(" and ")
            )));
        }
        let mut extensions = BTreeMap::new();
        for (option, value) in self.options {
            let Some(name) = option.strip_prefix("extension_") else { continue };
            let checked = check_extension(name, value.expose());
            faults.keep(checked.map_err(|text| Error::config(format!("sasl.jaas.config: {text}"))));
            extensions.insert(name.to_owned(), value.expose().to_owned());
        }
        TokenRules { names, extensions }
    }

    #[cfg(not(feature = "oidc"))]
    fn endpoint(&self, _jwt_bearer: bool, _rules: TokenRules, faults: &mut Faults) -> Option<TokenSource> {
        faults.add(Error::config(format!(
            "{ENDPOINT_URL}: tokens from a URL that is not a file's need the feature oidc"
        )));
        None
    }
}

/// A provider of the program's.
struct ProviderSource(Harmless<Box<dyn TokenProvider>>);

impl CredentialSource<OAuthBearerToken> for ProviderSource {
    fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
        let Some(provider) = self.0.get() else { return Err(NoCredential::lasting("its provider is gone")) };
        let token = provider.token().map_err(|error| {
            let text = catch_panic(|| error.to_string()).unwrap_or_default();
            let text = format!("its provider has failed: {}", Escaped(&text));
            NoCredential { text, is_final: false, source: Some(error) }
        })?;
        token.check().map(|()| token).map_err(|text| {
            NoCredential::lasting(format!("its provider gave one that cannot be used: {text}"))
        })
    }
}

/// The path in a URL of a file, as Java takes it: `file:///path`, `file:/path`.
fn file_of_url(url: &str) -> Option<PathBuf> {
    let (scheme, rest) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.get(rest.find('/')?..)?,
        None => rest,
    };
    (path.len() > 1).then(|| PathBuf::from(path))
}

const HANDLER: &str = "sasl.login.callback.handler.class";
pub(super) const ENDPOINT_URL: &str = "sasl.oauthbearer.token.endpoint.url";
const ALLOW_UNSECURED: &str = "sasl.oauthbearer.allow.unsecured.tokens";

// Java's classes.
const LOGIN_HANDLER: &str = "OAuthBearerLoginCallbackHandler";
const UNSECURED_HANDLER: &str = "OAuthBearerUnsecuredLoginCallbackHandler";
#[cfg(not(feature = "msk-iam"))]
const MSK_IAM_HANDLER: &str = "IAMOAuthBearerLoginCallbackHandler";
const DEFAULT_RETRIEVER: &str = "DefaultJwtRetriever";
const FILE_RETRIEVER: &str = "FileJwtRetriever";
const CLIENT_CREDENTIALS_RETRIEVER: &str = "ClientCredentialsJwtRetriever";
const JWT_BEARER_RETRIEVER: &str = "JwtBearerJwtRetriever";
const VALIDATORS: [&str; 2] = ["DefaultJwtValidator", "ClientJwtValidator"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProducerConfig;
    use crate::network::Job;
    use crate::security::sasl::mechanism::{MechanismReply, Mechanisms};
    use crate::security::sasl::oauthbearer::TokenProviderError;

    fn mechanism(
        pairs: &[(&str, &str)],
        options: &[(&str, &str)],
        providers: TokenProviders,
    ) -> Result<OAuthBearer, String> {
        let servers = [("bootstrap.servers", "localhost:1")];
        let config = ProducerConfig::from_properties(servers.iter().chain(pairs).copied()).unwrap();
        let mut faults = Faults::default();
        let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let mechanism = oauth_bearer(&settings, &options, providers, &mut faults);
        faults.into_result().map_err(|error| error.to_string())?;
        mechanism.ok_or_else(|| "nothing, and no fault".to_owned())
    }

    fn refused(pairs: &[(&str, &str)], options: &[(&str, &str)]) -> String {
        mechanism(pairs, options, TokenProviders::default()).unwrap_err()
    }

    /// What is said to a broker first.
    fn first_message(mechanism: &OAuthBearer) -> Result<String, Error> {
        let mut exchange = mechanism.begin("broker")?;
        loop {
            match exchange.evaluate(b"")? {
                MechanismReply::Wait(work) => work.into_iter().for_each(|work| drop(Job::Work(work).run())),
                MechanismReply::Continue(token) => {
                    return Ok(String::from_utf8(token.as_bytes().to_vec()).unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    const HANDLER_SET: (&str, &str) =
        (HANDLER, "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler");

    /// Behaviour 107.
    #[test]
    fn unsecured_tokens_are_only_for_those_who_allow_them() {
        let sub = [("unsecuredLoginStringClaim_sub", "alice")];
        for pairs in [&[][..], &[(HANDLER, UNSECURED_HANDLER)]] {
            let text = refused(pairs, &sub);
            assert!(
                text.contains("sasl.oauthbearer.allow.unsecured.tokens=true") && text.contains(HANDLER),
                "{text}"
            );
            let allowed = [pairs, &[(ALLOW_UNSECURED, "true")]].concat();
            let mechanism = mechanism(&allowed, &sub, TokenProviders::default()).unwrap();
            let message = first_message(&mechanism).unwrap();
            assert!(
                message.starts_with("n,,\u{1}auth=Bearer eyJhbGciOiJub25lIn0.")
                    && message.ends_with(".\u{1}\u{1}")
            );
        }
        assert!(refused(&[(ALLOW_UNSECURED, "true")], &[]).contains("unsecuredLoginStringClaim_sub"));
    }

    #[test]
    fn a_file_is_read_by_its_url_with_extensions_of_the_options() {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-by-url", std::process::id()));
        // {"sub":"svc","exp":7}
        std::fs::write(&path, "aGVhZA.eyJzdWIiOiJzdmMiLCJleHAiOjd9.c2ln").unwrap();
        for url in [format!("file://{}", path.display()), format!("FILE:{}", path.display())] {
            for pairs in [&[(ENDPOINT_URL, url.as_str())][..], &[HANDLER_SET, (ENDPOINT_URL, &url)]] {
                let options = [("extension_logicalCluster", "lkc-7")];
                let mechanism = mechanism(pairs, &options, TokenProviders::default()).unwrap();
                let message = first_message(&mechanism).unwrap();
                assert!(message.ends_with(".c2ln\u{1}logicalCluster=lkc-7\u{1}\u{1}"), "{message}");
            }
        }
        let retriever = (
            "sasl.oauthbearer.jwt.retriever.class",
            "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
        );
        let text = refused(&[HANDLER_SET, retriever, (ENDPOINT_URL, "https://idp")], &[]);
        assert!(text.contains("https://idp") && text.contains("file:///path/to/token"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_named_all_at_once_and_without_secrets() {
        let text = refused(
            &[
                HANDLER_SET,
                (ENDPOINT_URL, "file:///nowhere"),
                ("sasl.oauthbearer.jwt.validator.class", "BrokerJwtValidator"),
                ("sasl.oauthbearer.sub.claim.name", " "),
            ],
            &[("extension_auth", "tiger"), ("clientSecret", "tiger")],
        );
        for named in ["BrokerJwtValidator", "sub.claim.name", "\"auth\""] {
            assert!(text.contains(named) && !text.contains("tiger"), "{text}");
        }
        let text = refused(&[HANDLER_SET, ("sasl.oauthbearer.jwt.retriever.class", "x.Mine")], &[]);
        assert!(text.contains("x.Mine") && text.contains(JWT_BEARER_RETRIEVER), "{text}");
        let text = refused(&[(HANDLER, "com.example.Mine")], &[]);
        assert!(text.contains("com.example.Mine") && text.contains("token provider"), "{text}");
    }

    #[cfg(feature = "oidc")]
    #[test]
    fn what_a_grant_lacks_is_named() {
        let url = (ENDPOINT_URL, "https://idp.example/token");
        let text = refused(&[url], &[("clientId", "svc")]);
        assert!(
            text.contains("client.secret") && text.contains("clientSecret") && !text.contains("client.id"),
            "{text}"
        );
        assert!(refused(&[HANDLER_SET], &[]).contains("sasl.oauthbearer.token.endpoint.url is not set"));
        let text = refused(&[(ENDPOINT_URL, "ldap://me:tiger@x/y?tiger"), HANDLER_SET], &[]);
        assert!(text.contains("ldap://x/y") && !text.contains("tiger"), "{text}");
        let bearer = ("sasl.oauthbearer.jwt.retriever.class", JWT_BEARER_RETRIEVER);
        assert!(refused(&[url, bearer], &[]).contains("assertion.private.key.file is not set"));
        let text = refused(
            &[url],
            &[("clientId", "a"), ("clientSecret", "b"), ("ssl.truststore.location", "/nowhere.pem")],
        );
        assert!(text.contains("ssl. options of sasl.jaas.config") && text.contains("/nowhere.pem"), "{text}");
        let own = [
            url,
            ("sasl.oauthbearer.client.credentials.client.id", "a"),
            ("sasl.oauthbearer.client.credentials.client.secret", "tiger"),
        ];
        let mechanism = mechanism(&own, &[], TokenProviders::default()).unwrap();
        assert!(!format!("{mechanism:?}").contains("tiger"));
    }

    struct Named(Option<String>);

    impl TokenProvider for Named {
        fn configure(
            &mut self,
            properties: &Properties<'_>,
            options: &Properties<'_>,
        ) -> Result<(), TokenProviderError> {
            let both = properties.get("mine.place").zip(options.get("zone"));
            self.0 = Some(both.map(|(place, zone)| format!("{place}.{zone}")).ok_or("no mine.place")?);
            Ok(())
        }

        fn token(&self) -> Result<OAuthBearerToken, TokenProviderError> {
            let ends = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
            Ok(OAuthBearerToken::new(self.0.clone().ok_or("not configured")?, ends))
        }
    }

    #[test]
    fn a_provider_of_the_programs_is_found_by_its_name_and_configured() {
        let providers = || {
            let mut providers = TokenProviders::default();
            providers
                .named
                .register::<dyn TokenProvider>("com.example.Mine", "tokens", || Box::new(Named(None)));
            providers
        };
        let set = [(HANDLER, "Mine"), ("mine.place", "vault")];
        let mechanism = mechanism(&set, &[("zone", "b")], providers()).unwrap();
        assert_eq!(first_message(&mechanism).unwrap(), "n,,\u{1}auth=Bearer vault.b\u{1}\u{1}");
        let text = super::tests::mechanism(&set[..1], &[], providers()).unwrap_err();
        assert!(text.ends_with("sasl.login.callback.handler.class=Mine: no mine.place"), "{text}");
    }

    #[test]
    fn a_provider_as_a_value_wins_and_its_troubles_are_told() {
        let given = |provider: Box<dyn TokenProvider>| {
            let providers = TokenProviders { given: Some(provider), ..TokenProviders::default() };
            mechanism(&[(HANDLER, "com.example.Unknown")], &[], providers).unwrap()
        };
        let failing = given(Box::new(|| -> Result<OAuthBearerToken, TokenProviderError> {
            Err("the vault\nis shut".into())
        }));
        let error = first_message(&failing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no token for OAUTHBEARER: its provider has failed: the vault\\nis shut"
        );
        assert_eq!(error.get_ref().unwrap().to_string(), "the vault\nis shut");
        let bad = given(Box::new(|| -> Result<OAuthBearerToken, TokenProviderError> {
            Ok(OAuthBearerToken::new("ti ger", std::time::SystemTime::now()))
        }));
        let text = first_message(&bad).unwrap_err().to_string();
        assert!(text.contains("characters that no token has") && !text.contains("ti ger"), "{text}");
        let panicking =
            given(Box::new(|| -> Result<OAuthBearerToken, TokenProviderError> { panic!("on purpose") }));
        assert!(first_message(&panicking).unwrap_err().to_string().contains("has panicked"));
    }
}
