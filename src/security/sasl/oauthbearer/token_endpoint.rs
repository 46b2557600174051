//! `TokenEndpoint`: fetches tokens from an OAuth 2 or OIDC provider: `sasl.oauthbearer.token.endpoint.url`.
//!
//! Owns: the requests of each grant, when to ask once more. Must not know: settings, connections to brokers.
//! Threads: a worker's; blocks, and sleeps between two attempts.
//! Source: Java's `ClientCredentialsJwtRetriever`, `JwtBearerJwtRetriever`, `HttpJwtRetriever` and what they use (KIP-768,
//! KIP-1139, KIP-1258); RFC 6749, RFC 7521, RFC 7523.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::assertion::Assertion;
use super::token_answer::token_of_answer;
use super::token_file::TokenRules;
use super::token_provider::OAuthBearerToken;
use crate::backoff::ExponentialBackoff;
use crate::logging;
use crate::secret::Secret;
use crate::security::sasl::form::form_encoded;
use crate::security::sasl::http_client::{HttpClient, HttpMethod, HttpQuestion, shown_url};
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

#[derive(Debug)]
pub(super) struct TokenEndpoint {
    pub(super) http: HttpClient,
    pub(super) url: String,
    pub(super) grant: Grant,
    pub(super) rules: TokenRules,
    /// How long to wait before it is asked again; for as long as its longest wait it is asked again and again.
    pub(super) retry: ExponentialBackoff,
    /// That there is trouble has been told in the log.
    pub(super) told: AtomicBool,
}

/// What is offered for a token.
#[derive(Debug)]
pub(super) enum Grant {
    /// `client_credentials` with a secret, in a header.
    ClientSecret { authorization: Secret, scope: Option<String> },
    /// `client_credentials` with an assertion in the secret's place.
    ClientAssertion { client_id: Option<String>, scope: Option<String>, assertion: Assertion },
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`
    JwtBearer { scope: Option<String>, assertion: Assertion },
}

impl Grant {
    /// With id and secret; `urlencode` is `sasl.oauthbearer.header.urlencode`, by which the RFC is followed to the letter.
    pub(super) fn client_secret(id: &str, secret: &str, scope: Option<&str>, urlencode: bool) -> Grant {
        let pair = if urlencode {
            Zeroizing::new(format!("{}:{}", *form_encoded(id), *form_encoded(secret)))
        } else {
            Zeroizing::new(format!("{id}:{secret}"))
        };
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        let authorization = Secret::from(format!("Basic {}", *encoded));
        // Without encoding a scope goes as it is, as in Java: some write "a&audience=b". A blank cannot.
        let scope = scope
            .map(|scope| if urlencode { form_encoded(scope).to_string() } else { scope.replace(' ', "+") });
        Grant::ClientSecret { authorization, scope }
    }

    /// The header and the body of the request.
    fn request(&self) -> Result<(Option<Secret>, Secret), String> {
        let with_scope = |mut body: Zeroizing<String>, scope: Option<&str>| {
            if let Some(scope) = scope {
                body.push_str("&scope=");
                body.push_str(scope);
            }
            Secret::from(body.to_string())
        };
        match self {
            Grant::ClientSecret { authorization, scope } => {
                let body = Zeroizing::new("grant_type=client_credentials".to_owned());
                Ok((Some(authorization.clone()), with_scope(body, scope.as_deref())))
            }
            Grant::ClientAssertion { client_id, scope, assertion } => {
                let assertion = assertion.create()?;
                let mut body = Zeroizing::new(format!(
                    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                     &client_assertion={}&grant_type=client_credentials",
                    *form_encoded(&assertion)
                ));
                if let Some(id) = client_id {
                    body.push_str("&client_id=");
                    body.push_str(&form_encoded(id));
                }
                let scope = scope.as_deref().map(form_encoded);
                Ok((None, with_scope(body, scope.as_ref().map(|scope| scope.as_str()))))
            }
            Grant::JwtBearer { scope, assertion } => {
                let assertion = assertion.create()?;
                let body = Zeroizing::new(format!(
                    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
                    *form_encoded(&assertion)
                ));
                let scope = scope.as_deref().map(form_encoded);
                Ok((None, with_scope(body, scope.as_ref().map(|scope| scope.as_str()))))
            }
        }
    }
}

impl TokenEndpoint {
    fn ask(&self) -> Result<OAuthBearerToken, NoCredential> {
        let (authorization, body) = self.grant.request().map_err(NoCredential::passing)?;
        let mut headers = vec![
            ("accept", Secret::from("application/json")),
            ("cache-control", Secret::from("no-cache")),
            ("content-type", Secret::from("application/x-www-form-urlencoded")),
        ];
        headers.extend(authorization.map(|authorization| ("authorization", authorization)));
        let url = &self.url;
        let answer = self.http.ask(&HttpQuestion { method: HttpMethod::Post, url, headers, body });
        let answer = answer.map_err(|text| NoCredential::passing(format!("{} {text}", self.named())))?;
        let token = token_of_answer(answer.status, &answer.body).map_err(|reason| NoCredential {
            text: format!("{}: {}", self.named(), reason.text),
            ..reason
        })?;
        let refused =
            |text| NoCredential::lasting(format!("{} gave one that cannot be used: {text}", self.named()));
        self.rules.token(&token).map_err(refused)
    }

    fn named(&self) -> String {
        format!("the token endpoint {}", shown_url(&self.url))
    }
}

impl CredentialSource<OAuthBearerToken> for TokenEndpoint {
    fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
        let begun = Instant::now();
        let mut random = fastrand::Rng::new();
        let mut failures = 0;
        loop {
            let reason = match self.ask() {
                Ok(token) => {
                    self.told.store(false, Ordering::Relaxed);
                    return Ok(token);
                }
                Err(reason) => reason,
            };
            let wait = self.retry.after(failures, &mut random).max(SHORTEST_PAUSE);
            if reason.is_final || begun.elapsed() + wait > self.retry.longest() {
                return Err(reason);
            }
            let text = format!("{}; it is asked again in {} ms", reason.text, wait.as_millis());
            // Whoever waits is told when it is given up, which may be later than he waits.
            match self.told.swap(true, Ordering::Relaxed) {
                false => logging::warn!("{text}"),
                true => logging::debug!("{text}"),
            }
            thread::sleep(wait);
            failures += 1;
        }
    }
}

/// Whatever the settings say, it is not asked without end.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::security::sasl::http_test_server::{HttpTestServer, TestAnswer, test_client};

    fn jwt() -> String {
        format!("aGVhZA.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"sub":"svc","exp":7}"#))
    }

    fn token_answer() -> TestAnswer {
        Some((200, format!(r#"{{"access_token":"{}"}}"#, jwt())))
    }

    fn endpoint(answers: Vec<TestAnswer>, grant: Grant) -> (HttpTestServer, TokenEndpoint) {
        let server = HttpTestServer::start(answers);
        let retry = ExponentialBackoff::new(Duration::from_millis(5), Duration::from_millis(500));
        let (http, url) = (test_client(Duration::from_millis(300)), format!("{}/token?key=lion", server.url));
        (
            server,
            TokenEndpoint {
                http,
                url,
                grant,
                rules: TokenRules::default(),
                retry,
                told: AtomicBool::new(false),
            },
        )
    }

    /// It is asked once.
    fn asked_once(answers: Vec<TestAnswer>) -> String {
        let (_server, endpoint) = endpoint(answers, secret(false));
        let endpoint =
            TokenEndpoint { retry: ExponentialBackoff::new(Duration::ZERO, Duration::ZERO), ..endpoint };
        endpoint.fetch().unwrap_err().text
    }

    fn secret(urlencode: bool) -> Grant {
        Grant::client_secret("svc", "tig er", Some("a b"), urlencode)
    }

    #[test]
    fn client_credentials_are_asked_for_as_java_asks() {
        for (urlencode, pair) in [(false, "svc:tig er"), (true, "svc:tig+er")] {
            let (server, endpoint) = endpoint(vec![token_answer()], secret(urlencode));
            let token = endpoint.fetch().unwrap();
            assert_eq!((token.value(), token.principal_name()), (jwt().as_str(), Some("svc")));
            let asked = server.asked();
            assert!(asked.starts_with("POST /token?key=lion HTTP/1.1\r\n"), "{asked}");
            let (head, body) = asked.split_once("\r\n\r\n").unwrap();
            let authorization = format!("authorization: basic {}", STANDARD.encode(pair)).to_lowercase();
            let head = head.to_lowercase();
            for line in [
                &authorization,
                "content-type: application/x-www-form-urlencoded",
                "accept: application/json",
            ] {
                assert!(head.lines().any(|it| it == line), "{line}: {head}");
            }
            assert_eq!(body, "grant_type=client_credentials&scope=a+b");
            assert!(!format!("{endpoint:?}").contains("tig"), "{endpoint:?}");
        }
    }

    #[test]
    fn a_provider_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
        let busy = || Some((503, "busy".to_owned()));
        let (server, busy_endpoint) = endpoint(vec![busy(), busy(), token_answer()], secret(false));
        assert!(busy_endpoint.fetch().is_ok());
        (0..3).for_each(|_| drop(server.asked()));

        let refusal = Some((401, r#"{"error":"invalid_client","error_description":"bad"}"#.to_owned()));
        let (_server, refusing) = endpoint(vec![refusal], secret(false));
        let NoCredential { text, is_final, .. } = refusing.fetch().unwrap_err();
        let ends = text.strip_prefix("the token endpoint http://127.0.0.1:").unwrap();
        assert!(ends.ends_with("/token: it answered 401: invalid_client: bad") && is_final, "{text}");
    }

    /// Behaviour 110.
    #[test]
    fn who_does_not_answer_or_answers_without_end_is_given_up() {
        let text = asked_once(vec![None]);
        assert!(text.contains("did not answer in time"), "{text}");
        assert!(!text.contains("lion") && !text.contains("tig"), "{text}");
        let text = asked_once(vec![Some((200, "x".repeat(2 << 20)))]);
        assert!(text.contains("more than 1048576 bytes"), "{text}");
        let text = asked_once(vec![]);
        assert!(text.contains("could not be reached"), "{text}");
    }

    /// A pause of 0 ms is none.
    #[test]
    fn nobody_is_asked_without_a_pause() {
        let (server, endpoint) =
            endpoint((0..100).map(|_| Some((503, String::new()))).collect(), secret(false));
        let retry = ExponentialBackoff::new(Duration::ZERO, Duration::from_millis(200));
        assert!(TokenEndpoint { retry, ..endpoint }.fetch().is_err());
        let asked = std::iter::from_fn(|| server.asked_so_far()).count();
        assert!((2..=20).contains(&asked), "{asked}");
    }

    #[test]
    fn a_redirection_is_not_followed() {
        assert!(asked_once(vec![Some((307, String::new()))]).ends_with("it answered 307"));
    }

    #[test]
    fn assertions_are_offered_by_either_grant() {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-assertion", std::process::id()));
        std::fs::write(&path, "he-ad.pay_load.sig\n").unwrap();
        let assertion = || Assertion::File(path.clone());
        let scope = Some("a b".to_owned());
        let client_id = Some("s/vc".to_owned());
        for (grant, body) in [
            (
                Grant::JwtBearer { scope: scope.clone(), assertion: assertion() },
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=he-ad.pay_load.sig&scope=a+b",
            ),
            (
                Grant::ClientAssertion { client_id, scope, assertion: assertion() },
                "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=\
                 he-ad.pay_load.sig&grant_type=client_credentials&client_id=s%2Fvc&scope=a+b",
            ),
        ] {
            let (server, endpoint) = endpoint(vec![token_answer()], grant);
            endpoint.fetch().unwrap();
            let asked = server.asked();
            assert_eq!(asked.split_once("\r\n\r\n").unwrap().1, body);
            assert!(!asked.to_lowercase().contains("authorization:"), "{asked}");
        }
        std::fs::write(&path, "tiger").unwrap();
        let text = assertion().create().unwrap_err();
        assert!(text.contains("not a JWT") && !text.contains("tiger"), "{text}");
        std::fs::remove_file(&path).unwrap();
        let text = assertion().create().unwrap_err();
        assert!(text.contains("sasl.oauthbearer.assertion.file"), "{text}");
    }
}
