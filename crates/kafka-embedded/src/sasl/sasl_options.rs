//! Who may log in to an embedded cluster, and how.
//!
//! Owns: users, tokens and who judges them, mechanisms, times. Must not know: exchanges, connections.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::scram_challenge::StoredKeys;

/// A mechanism of SASL, by Kafka's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SaslMechanism {
    /// User and password in plain text.
    Plain,
    /// A proof that one has the password, with SHA-256.
    ScramSha256,
    /// A proof that one has the password, with SHA-512.
    ScramSha512,
    /// A token of somebody whom the broker trusts.
    OAuthBearer,
    /// A signed request, as Amazon MSK takes it.
    AwsMskIam,
}

impl SaslMechanism {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OAuthBearer, Self::AwsMskIam];

    /// What it is called in `sasl.mechanism`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::AwsMskIam => "AWS_MSK_IAM",
        }
    }
}

/// SASL for the brokers of an embedded cluster: [`EmbeddedClusterBuilder::sasl`](crate::EmbeddedClusterBuilder::sasl).
///
/// ```
/// use std::time::Duration;
///
/// use kafka_embedded::{EmbeddedCluster, SaslMechanism, SaslOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sasl = SaslOptions::new([SaslMechanism::Plain, SaslMechanism::ScramSha512])
///     .user("alice", "alice-secret")
///     .max_reauth(Duration::from_secs(60));
/// let cluster = EmbeddedCluster::builder().sasl(sasl).start()?;
/// // The password changes while the cluster runs.
/// cluster.set_user("alice", "another-secret");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SaslOptions(pub(crate) SaslSettings);

/// What is set.
#[derive(Clone)]
pub(crate) struct SaslSettings {
    pub(crate) mechanisms: Vec<SaslMechanism>,
    pub(crate) users: BTreeMap<String, String>,
    /// Delegation tokens: their secret (HMAC) and their owner, by their ids.
    pub(crate) delegated: BTreeMap<String, (String, String)>,
    pub(crate) iterations: u32,
    pub(crate) stored_keys: StoredKeys,
    pub(crate) max_reauth: Option<Duration>,
    pub(crate) failure_delay: Duration,
    pub(crate) judge_token: Option<Arc<JudgeToken>>,
    pub(crate) judge_msk_iam: Option<Arc<JudgeMskIam>>,
}

type JudgeToken = dyn Fn(&PresentedToken<'_>) -> TokenVerdict + Send + Sync;
type JudgeMskIam = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// A token with which a client logs in by OAUTHBEARER.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PresentedToken<'a> {
    /// The token.
    pub token: &'a str,
    /// As whom the client wants to be taken; empty: as whom the token is for.
    pub authorization_id: &'a str,
    /// The extensions (`extension_NAME` in a JAAS text), in order.
    pub extensions: &'a [(String, String)],
}

/// What a broker thinks of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenVerdict {
    /// It is accepted.
    Accepted {
        /// Whom it is for.
        principal: String,
        /// For how long it is valid from now on; none: for ever.
        lifetime: Option<Duration>,
    },
    /// It is refused, with this status; Kafka says `invalid_token` whatever is wrong.
    Refused(String),
}

impl SaslOptions {
    /// These mechanisms (`sasl.enabled.mechanisms`) in this order, and no users.
    #[must_use]
    pub fn new(mechanisms: impl IntoIterator<Item = SaslMechanism>) -> Self {
        Self(SaslSettings {
            mechanisms: mechanisms.into_iter().collect(),
            users: BTreeMap::new(),
            delegated: BTreeMap::new(),
            iterations: 4096,
            stored_keys: StoredKeys::default(),
            max_reauth: None,
            failure_delay: Duration::from_millis(100),
            judge_token: None,
            judge_msk_iam: None,
        })
    }

    /// A user with this password, for PLAIN and SCRAM.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.0.users.insert(name.into(), password.into());
        self
    }

    /// A delegation token, for SCRAM with `tokenauth=true`: its id, its secret (HMAC), and as whom one logs in with it.
    #[must_use]
    pub fn delegation_token(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
        owner: impl Into<String>,
    ) -> Self {
        self.0.delegated.insert(id.into(), (secret.into(), owner.into()));
        self
    }

    /// How often SCRAM hashes a password; 4096 if not said, which is the least that Kafka takes.
    #[must_use]
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.0.iterations = iterations;
        self
    }

    /// `connections.max.reauth.ms`: for how long a login counts. The broker closes the connection at the first request
    /// after that, unless the client has logged in again. For as long as the connection stands, if not said.
    #[must_use]
    pub fn max_reauth(mut self, time: Duration) -> Self {
        self.0.max_reauth = Some(time);
        self
    }

    /// `connection.failed.authentication.delay.ms`: how much later a failed login is answered. 100 ms if not said.
    #[must_use]
    pub fn failure_delay(mut self, time: Duration) -> Self {
        self.0.failure_delay = time;
        self
    }

    /// Who judges the tokens of OAUTHBEARER. If nobody does, a token has to be an unsecured one (`"alg":"none"`) with a
    /// subject (`sub`) that has not expired (`exp`), as Kafka's brokers take it for development.
    ///
    /// ```
    /// use kafka_embedded::{SaslMechanism, SaslOptions, TokenVerdict};
    ///
    /// let sasl = SaslOptions::new([SaslMechanism::OAuthBearer]).judge_tokens(|presented| {
    ///     match presented.token {
    ///         "good" => {
    ///             TokenVerdict::Accepted { principal: "alice".to_owned(), lifetime: None }
    ///         }
    ///         _ => TokenVerdict::Refused("invalid_token".to_owned()),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn judge_tokens(
        mut self,
        judge: impl Fn(&PresentedToken<'_>) -> TokenVerdict + Send + Sync + 'static,
    ) -> Self {
        self.0.judge_token = Some(Arc::new(judge));
        self
    }

    /// Who judges what clients present by AWS_MSK_IAM, a JSON object: the principal, or the text of the refusal. If nobody
    /// does, all are refused.
    #[must_use]
    pub fn judge_msk_iam(
        mut self,
        judge: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.judge_msk_iam = Some(Arc::new(judge));
        self
    }
}

impl fmt::Debug for SaslOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// Without secrets.
impl fmt::Debug for SaslSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<&String> = self.users.keys().collect();
        formatter
            .debug_struct("SaslOptions")
            .field("mechanisms", &self.mechanisms)
            .field("users", &users)
            .finish()
    }
}
