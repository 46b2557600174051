//! `LoginExchange`: the broker's side of one login, token by token, in each mechanism.
//!
//! Owns: what follows on a client's token. Must not know: frames, connections, how a failure is told.

use std::time::Duration;

use super::bearer_token::{self, BearerMessage};
use super::sasl_options::{PresentedToken, SaslMechanism, SaslSettings, TokenVerdict};
use super::scram_challenge::{FirstMessage, ScramChallenge, ServerHash};

/// A login on its way.
#[derive(Debug)]
pub(crate) struct LoginExchange {
    pub(crate) mechanism: SaslMechanism,
    progress: ExchangeProgress,
}

#[derive(Debug)]
enum ExchangeProgress {
    Begun,
    Challenged {
        challenge: Box<ScramChallenge>,
        principal: String,
    },
    /// The token was refused with this text; the client has to say that it has heard it.
    Refused(String),
}

/// What follows on a client's token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExchangeStep {
    /// This is sent, and the client goes on.
    Challenge(Vec<u8>),
    /// The client is believed.
    Done { principal: String, answer: Vec<u8>, lifetime: Option<Duration> },
    /// It is not, for a reason that it may read; none: Kafka does not say why.
    Refused(Option<String>),
}

/// What an exchange is judged by: who may log in, the time since 1970, chance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judging<'a> {
    pub(crate) settings: &'a SaslSettings,
    pub(crate) since_1970: Duration,
    pub(crate) chance: &'a [u8],
}

impl LoginExchange {
    pub(crate) fn new(mechanism: SaslMechanism) -> Self {
        Self { mechanism, progress: ExchangeProgress::Begun }
    }

    /// Whether the next token is the last, if all is well.
    pub(crate) fn is_last(&self) -> bool {
        !matches!(
            (self.mechanism, &self.progress),
            (SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512, ExchangeProgress::Begun)
        )
    }

    pub(crate) fn step(&mut self, token: &[u8], judging: Judging<'_>) -> ExchangeStep {
        match self.mechanism {
            SaslMechanism::Plain => plain(token, judging.settings),
            SaslMechanism::ScramSha256 => self.scram(token, ServerHash::Sha256, judging),
            SaslMechanism::ScramSha512 => self.scram(token, ServerHash::Sha512, judging),
            SaslMechanism::OAuthBearer => self.bearer(token, judging),
            SaslMechanism::AwsMskIam => msk_iam(token, judging.settings),
        }
    }

    fn scram(&mut self, token: &[u8], hash: ServerHash, judging: Judging<'_>) -> ExchangeStep {
        if let ExchangeProgress::Challenged { challenge, principal } = &self.progress {
            let Some(answer) = challenge.verify(token) else { return ExchangeStep::Refused(None) };
            let (principal, answer) = (principal.clone(), answer.into_bytes());
            return ExchangeStep::Done { principal, answer, lifetime: None };
        }
        let Some(first) = FirstMessage::read(token) else { return ExchangeStep::Refused(None) };
        let settings = judging.settings;
        let found = if first.is_token {
            settings.delegated.get(&first.user).map(|(secret, owner)| (secret, owner.clone()))
        } else {
            settings.users.get(&first.user).map(|password| (password, first.user.clone()))
        };
        let Some((password, principal)) = found else { return ExchangeStep::Refused(None) };
        if is_another(&first.authorization_id, &first.user) {
            return ExchangeStep::Refused(Some(OTHER_ID.to_owned()));
        }
        let password = (password.as_str(), settings.iterations);
        let challenge = ScramChallenge::new(hash, first, password, &settings.stored_keys, judging.chance);
        let message = challenge.message().as_bytes().to_vec();
        self.progress = ExchangeProgress::Challenged { challenge: Box::new(challenge), principal };
        ExchangeStep::Challenge(message)
    }

    fn bearer(&mut self, token: &[u8], judging: Judging<'_>) -> ExchangeStep {
        if let ExchangeProgress::Refused(text) = &self.progress {
            return ExchangeStep::Refused((token == [1]).then(|| text.clone()));
        }
        let Some(message) = BearerMessage::read(token) else { return ExchangeStep::Refused(None) };
        let BearerMessage { authorization_id, token, extensions } = &message;
        let presented = PresentedToken { token, authorization_id, extensions };
        let verdict = match &judging.settings.judge_token {
            Some(judge) => judge(&presented),
            None => unsecured(token, judging.since_1970),
        };
        match verdict {
            TokenVerdict::Accepted { principal, .. } if is_another(authorization_id, &principal) => {
                ExchangeStep::Refused(Some(format!(
                    "Authentication failed: Client requested an authorization id ({authorization_id}) that is different from \
                     the token's principal name ({principal})"
                )))
            }
            TokenVerdict::Accepted { principal, lifetime } => {
                ExchangeStep::Done { principal, answer: Vec::new(), lifetime }
            }
            TokenVerdict::Refused(status) => {
                let text = format!("{{\"status\":\"{status}\"}}");
                self.progress = ExchangeProgress::Refused(text.clone());
                ExchangeStep::Challenge(text.into_bytes())
            }
        }
    }
}

fn unsecured(token: &str, since_1970: Duration) -> TokenVerdict {
    match bearer_token::unsecured(token) {
        Some((principal, end)) if end.is_none_or(|end| end > since_1970) => {
            TokenVerdict::Accepted { principal, lifetime: end.map(|end| end - since_1970) }
        }
        _ => TokenVerdict::Refused("invalid_token".to_owned()),
    }
}

/// Source: Kafka's `PlainSaslServer`.
fn plain(token: &[u8], settings: &SaslSettings) -> ExchangeStep {
    let refused = |text: &str| ExchangeStep::Refused(Some(text.to_owned()));
    let text = String::from_utf8_lossy(token);
    let parts: Vec<&str> = text.splitn(4, '\0').collect();
    let [authorization_id, user, password] = parts.as_slice() else {
        return refused(&format!("Invalid SASL/PLAIN response: expected 3 tokens, got {}", parts.len()));
    };
    if user.is_empty() {
        return refused("Authentication failed: username not specified");
    }
    if password.is_empty() {
        return refused("Authentication failed: password not specified");
    }
    if settings.users.get(*user).is_none_or(|known| known != password) {
        return refused("Authentication failed: Invalid username or password");
    }
    if is_another(authorization_id, user) {
        return refused(OTHER_ID);
    }
    ExchangeStep::Done { principal: (*user).to_owned(), answer: Vec::new(), lifetime: None }
}

fn msk_iam(token: &[u8], settings: &SaslSettings) -> ExchangeStep {
    let refused = |text: String| ExchangeStep::Refused(Some(text));
    let Ok(payload) = std::str::from_utf8(token) else { return refused("Invalid payload".to_owned()) };
    match settings.judge_msk_iam.as_ref().map(|judge| judge(payload)) {
        Some(Ok(principal)) => {
            let answer = br#"{"version":"2020_10_22","request-id":"embedded"}"#.to_vec();
            ExchangeStep::Done { principal, answer, lifetime: None }
        }
        Some(Err(text)) => refused(text),
        None => refused("Access denied".to_owned()),
    }
}

fn is_another(authorization_id: &str, user: &str) -> bool {
    !authorization_id.is_empty() && authorization_id != user
}

const OTHER_ID: &str =
    "Authentication failed: Client requested an authorization id that is different from username";
