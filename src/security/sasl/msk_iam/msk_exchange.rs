//! `MskExchange`: what AWS_MSK_IAM says to a broker: a request of AWS's that we have signed, as JSON.
//!
//! Owns: the messages. Must not know: where keys come from, Kafka's requests.
//! Source: `IAMSaslClient`, `AWS4SignedPayloadGenerator`, `AuthenticationResponse`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value as Json, json};

use super::aws_identity::{AwsIdentity, region_of_host};
use super::sigv4::Signing;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::logging;
use crate::network::Upkeep;
use crate::security::sasl::mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
use crate::security::sasl::refreshing_login::{LoginReply, RefreshingLogin};

/// AWS_MSK_IAM, with one login for all connections.
#[derive(Debug)]
pub(crate) struct MskIam {
    login: Arc<RefreshingLogin<AwsIdentity>>,
}

impl MskIam {
    pub(super) fn new(login: Arc<RefreshingLogin<AwsIdentity>>) -> MskIam {
        MskIam { login }
    }
}

impl Mechanisms for MskIam {
    fn name(&self) -> &'static str {
        AWS_MSK_IAM
    }

    fn begin(&self, host: &str) -> Result<Box<dyn Mechanism>, Error> {
        Ok(Box::new(MskExchange { login: self.login.clone(), host: host.to_owned(), identity: None }))
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        self.login.upkeep(now)
    }
}

#[derive(Debug)]
struct MskExchange {
    login: Arc<RefreshingLogin<AwsIdentity>>,
    host: String,
    /// Whom we have said to be.
    identity: Option<Arc<AwsIdentity>>,
}

impl Mechanism for MskExchange {
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
        if self.identity.is_some() {
            return accepted(challenge).map(|()| MechanismReply::Done);
        }
        match self.login.credential()? {
            LoginReply::Wait(work) => Ok(MechanismReply::Wait(work)),
            LoginReply::Has(identity) => {
                let payload = payload(&identity, &self.host, SystemTime::now())?;
                self.identity = Some(identity);
                Ok(MechanismReply::Continue(SaslToken::from(payload.into_bytes())))
            }
        }
    }

    fn refused(&mut self) {
        // Keys in a file or in the environment's service may have been replaced.
        if let Some(identity) = self.identity.take() {
            self.login.refused(&identity);
        }
    }
}

/// The signed request, names in lower case.
fn payload(identity: &AwsIdentity, host: &str, now: SystemTime) -> Result<String, Error> {
    let region = region_of_host(host).or(identity.region.as_deref()).ok_or_else(|| {
        let host = Escaped(host);
        let text = format!(
            "{AWS_MSK_IAM}: the region of the broker {host} is not known: it is not in its name, and neither AWS_REGION nor \
             the profile says it"
        );
        Error::new(ErrorKind::Authentication, text)
    })?;
    let signing = Signing { keys: &identity.keys, region, service: SERVICE, now };
    let parameters = signing.presigned_parameters(host, "/", &[ACTION], EXPIRES);
    let mut payload = Map::new();
    payload.insert("version".to_owned(), json!(VERSION));
    payload.insert("host".to_owned(), json!(host));
    payload.insert("user-agent".to_owned(), json!(USER_AGENT));
    payload
        .extend(parameters.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), Json::String(value))));
    Ok(Json::Object(payload).to_string())
}

/// The broker's answer: a client that is refused gets none.
fn accepted(challenge: &[u8]) -> Result<(), Error> {
    let wrong = |text: &str| {
        Error::new(ErrorKind::Authentication, format!("{AWS_MSK_IAM}: the broker's answer {text}"))
    };
    let answer =
        serde_json::from_slice::<Map<String, Json>>(challenge).map_err(|_| wrong("is not a JSON object"))?;
    let field = |name| answer.get(name).and_then(Json::as_str);
    if field("version") != Some(VERSION) {
        return Err(wrong(&format!("is not of the version {VERSION}")));
    }
    let id = field("request-id").ok_or_else(|| wrong("has no request-id"))?;
    logging::debug!("{AWS_MSK_IAM}: accepted, request {}", Escaped(id));
    Ok(())
}

/// The mechanism's name.
pub(crate) const AWS_MSK_IAM: &str = "AWS_MSK_IAM";

pub(super) const SERVICE: &str = "kafka-cluster";
pub(super) const ACTION: (&str, &str) = ("Action", "kafka-cluster:Connect");
/// For how many seconds a signature is good.
pub(super) const EXPIRES: u64 = 900;
pub(super) const USER_AGENT: &str = concat!("kafka-producer/", env!("CARGO_PKG_VERSION"));
const VERSION: &str = "2020_10_22";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::aws_identity::AwsKeys;
    use super::*;
    use crate::secret::Secret;

    fn identity(region: Option<&str>) -> AwsIdentity {
        let keys = AwsKeys {
            access_key_id: "ACCESS_KEY".to_owned(),
            secret_access_key: Secret::from("SECRET_KEY"),
            session_token: None,
            expires_at: None,
        };
        AwsIdentity { keys, region: region.map(str::to_owned) }
    }

    /// What `aws_msk_iam_v2` of segmentio/kafka-go has in its test, which signs for 300 seconds.
    #[test]
    fn the_signature_is_the_one_that_another_client_makes_with_awss_library() {
        let identity = identity(None);
        // 2021-10-14T13:05:00Z
        let now = UNIX_EPOCH + Duration::from_secs(1_634_216_700);
        let signing = Signing { keys: &identity.keys, region: "us-east-1", service: SERVICE, now };
        let parameters = signing.presigned_parameters("localhost", "/", &[ACTION], 300);
        let expected = [
            ("Action", "kafka-cluster:Connect"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "ACCESS_KEY/20211014/us-east-1/kafka-cluster/aws4_request"),
            ("X-Amz-Date", "20211014T130500Z"),
            ("X-Amz-Expires", "300"),
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-Signature", "6b8d25f9b45b9c7db9da855a49112d80379224153a27fd279c305a5b7940d1a7"),
        ];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// As the test of `AWS4SignedPayloadGenerator` checks it.
    #[test]
    fn the_payload_has_what_awss_library_puts_into_it() {
        let host = "b-3.unit-test.abcdef.kafka.us-west-2.amazonaws.com";
        let mut identity = identity(Some("eu-central-1"));
        for token in [None, Some("tok/en")] {
            identity.keys.session_token = token.map(Secret::from);
            let payload = payload(&identity, host, SystemTime::now()).unwrap();
            let payload: Map<String, Json> = serde_json::from_str(&payload).unwrap();
            let field = |name: &str| payload.get(name).and_then(Json::as_str);
            assert_eq!(payload.len(), if token.is_some() { 11 } else { 10 });
            assert_eq!(field("version"), Some("2020_10_22"));
            assert_eq!(field("host"), Some(host));
            assert_eq!(field("action"), Some("kafka-cluster:Connect"));
            assert_eq!(field("x-amz-signedheaders"), Some("host"));
            assert_eq!(field("x-amz-algorithm"), Some("AWS4-HMAC-SHA256"));
            assert_eq!(field("x-amz-expires"), Some("900"));
            assert_eq!(field("x-amz-security-token"), token);
            assert_eq!(field("x-amz-signature").map(str::len), Some(64));
            let credential: Vec<&str> = field("x-amz-credential").unwrap().split('/').collect();
            let ["ACCESS_KEY", _, "us-west-2", "kafka-cluster", "aws4_request"] = credential[..] else {
                panic!("{credential:?}")
            };
        }
    }

    #[test]
    fn a_region_that_nobody_says_is_asked_for_by_name() {
        assert!(payload(&identity(Some("eu-north-1")), "kafka", SystemTime::now()).is_ok());
        let error = payload(&identity(None), "kafka", SystemTime::now()).unwrap_err().to_string();
        assert!(error.contains("AWS_REGION") && error.contains("kafka"), "{error}");
    }

    #[test]
    fn only_the_answer_of_who_accepts_is_one() {
        assert!(accepted(br#"{"version":"2020_10_22","request-id":"7"}"#).is_ok());
        for bad in ["", "{}", "[]", r#"{"version":"1","request-id":"7"}"#, r#"{"version":"2020_10_22"}"#] {
            let error = accepted(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{bad}");
        }
    }
}
