//! `OAuthExchange`: what OAUTHBEARER says to a broker (RFC 7628).
//!
//! Owns: the messages and their order. Must not know: where tokens come from, Kafka's requests.
//! Holds: a broker that refuses is answered as the RFC wants it before anything ends, so that its own error comes; its
//! words are kept for the case that none does.
//! Source: Java's `OAuthBearerSaslClient` and `OAuthBearerClientInitialResponse`.

use std::sync::Arc;
use std::time::Instant;

use super::token_provider::OAuthBearerToken;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::network::Upkeep;
use crate::security::sasl::mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
use crate::security::sasl::refreshing_login::{LoginReply, RefreshingLogin};

/// OAUTHBEARER, with one login for all connections.
#[derive(Debug)]
pub(crate) struct OAuthBearer {
    login: Arc<RefreshingLogin<OAuthBearerToken>>,
}

impl OAuthBearer {
    pub(crate) fn new(login: Arc<RefreshingLogin<OAuthBearerToken>>) -> OAuthBearer {
        OAuthBearer { login }
    }
}

impl Mechanisms for OAuthBearer {
    fn name(&self) -> &'static str {
        OAUTHBEARER
    }

    fn begin(&self, _host: &str) -> Result<Box<dyn Mechanism>, Error> {
        Ok(Box::new(OAuthExchange { login: self.login.clone(), said: Said::Nothing }))
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        self.login.upkeep(now)
    }
}

#[derive(Debug)]
struct OAuthExchange {
    login: Arc<RefreshingLogin<OAuthBearerToken>>,
    said: Said,
}

/// How far it is.
#[derive(Debug)]
enum Said {
    Nothing,
    Token(Arc<OAuthBearerToken>),
    /// That the broker's refusal was heard, which was this.
    Heard(String),
}

impl Mechanism for OAuthExchange {
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
        match &self.said {
            Said::Nothing => match self.login.credential()? {
                LoginReply::Wait(work) => Ok(MechanismReply::Wait(work)),
                LoginReply::Has(token) => {
                    let message = client_first_message(&token);
                    self.said = Said::Token(token);
                    Ok(MechanismReply::Continue(message))
                }
            },
            Said::Token(_) if challenge.is_empty() => Ok(MechanismReply::Done),
            Said::Token(token) => {
                self.login.refused(token);
                self.said = Said::Heard(String::from_utf8_lossy(challenge).into_owned());
                Ok(MechanismReply::Continue(SaslToken::from(vec![CONTROL_A])))
            }
            Said::Heard(refusal) => {
                let refusal = Escaped(refusal);
                let text = format!("the broker refused the token for {OAUTHBEARER}: {refusal}");
                Err(Error::new(ErrorKind::Authentication, text))
            }
        }
    }

    fn refused(&mut self) {
        if let Said::Token(token) = &self.said {
            self.login.refused(token);
        }
    }
}

/// `n,,^Aauth=Bearer TOKEN^Aname=value^A^A`
fn client_first_message(token: &OAuthBearerToken) -> SaslToken {
    let extensions = token.extensions();
    let beside: usize = extensions.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    // Without growing, which would leave a copy behind.
    let mut message = Vec::with_capacity(token.value().len() + beside + 24);
    message.extend_from_slice(b"n,,\x01auth=Bearer ");
    message.extend_from_slice(token.value().as_bytes());
    message.push(CONTROL_A);
    for (name, value) in extensions {
        message.extend_from_slice(name.as_bytes());
        message.push(b'=');
        message.extend_from_slice(value.as_bytes());
        message.push(CONTROL_A);
    }
    message.push(CONTROL_A);
    SaslToken::from(message)
}

/// What parts fields, and what a refusal is answered with.
const CONTROL_A: u8 = 1;

/// The mechanism's name.
const OAUTHBEARER: &str = "OAUTHBEARER";

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::backoff::ExponentialBackoff;
    use crate::network::Job;
    use crate::security::sasl::refresh_time::RefreshRules;
    use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

    struct Counting(std::sync::atomic::AtomicU32);

    impl CredentialSource<OAuthBearerToken> for Counting {
        fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
            let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let token =
                OAuthBearerToken::new(format!("t{number}"), SystemTime::now() + Duration::from_secs(3600));
            Ok(token.with_extension("zone", "b c").with_extension("logicalCluster", "lkc-7"))
        }
    }

    fn mechanism() -> OAuthBearer {
        let rules = RefreshRules {
            window_factor: 0.8,
            window_jitter: 0.0,
            min_period: Duration::ZERO,
            buffer: Duration::ZERO,
        };
        let retry = ExponentialBackoff::new(Duration::ZERO, Duration::ZERO);
        OAuthBearer::new(RefreshingLogin::new("a token", Box::new(Counting(0.into())), rules, retry))
    }

    /// Begins an exchange, with a token.
    fn begun(mechanism: &OAuthBearer) -> (Box<dyn Mechanism>, Vec<u8>) {
        let mut exchange = mechanism.begin("broker").unwrap();
        loop {
            match exchange.evaluate(b"").unwrap() {
                MechanismReply::Wait(work) => {
                    work.into_iter().for_each(|work| drop(Job::Work(work).run()));
                }
                MechanismReply::Continue(token) => return (exchange, token.as_bytes().to_vec()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_first_message_is_that_of_the_rfc_with_the_extensions_of_kip_342() {
        let (mut exchange, message) = begun(&mechanism());
        let expected = "n,,\u{1}auth=Bearer t0\u{1}logicalCluster=lkc-7\u{1}zone=b c\u{1}\u{1}";
        assert_eq!(String::from_utf8(message).unwrap(), expected);
        assert!(matches!(exchange.evaluate(b""), Ok(MechanismReply::Done)));
    }

    /// Behaviour 109.
    #[test]
    fn a_refusal_is_answered_with_control_a_and_the_next_connection_has_another_token() {
        let mechanism = mechanism();
        let (mut exchange, _) = begun(&mechanism);
        let reply = exchange.evaluate(br#"{"status":"invalid_token"}"#).unwrap();
        assert!(matches!(reply, MechanismReply::Continue(token) if token.as_bytes() == [1]));
        let error = exchange.evaluate(b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains(r#"{"status":"invalid_token"}"#), "{error}");
        let (_, message) = begun(&mechanism);
        assert!(String::from_utf8(message).unwrap().contains("Bearer t1"));
    }
}
