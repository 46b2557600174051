//! The steps of a handshake that say who we are: SaslHandshake, then SaslAuthenticate as often as the mechanism needs.
//!
//! Owns: the order of the two, what a broker's refusal means, in words. Must not know: mechanisms, connections, when it is
//! to be said again.
//! Holds: a refusal is an authentication error with the broker's code and words; nothing weaker is tried in its place.
//! Source: Kafka's `SaslClientAuthenticator`; KIP-43, KIP-152, KIP-368.

use std::sync::Arc;
use std::time::Duration;

use super::mechanism::{Mechanism, MechanismReply, Mechanisms};
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::escape::Escaped;
use crate::network::{Asking, HandshakeStep, StepAction, StepFindings, StepProgress, StepRequest};
use crate::protocol::{
    BrokerVersions, Request, SaslAuthenticateRequest, SaslHandshakeRequest, decode_response, encode_request,
};

/// The steps that tell the broker that was connected to by this name who we are.
pub(crate) fn authentication(mechanisms: &Arc<dyn Mechanisms>, host: &str) -> Vec<Box<dyn HandshakeStep>> {
    let (handshake, login) = (Arc::clone(mechanisms), Arc::clone(mechanisms));
    vec![
        Box::new(SaslHandshakeStep { mechanisms: handshake, version: 0 }),
        Box::new(SaslAuthenticateStep {
            mechanisms: login,
            host: host.to_owned(),
            exchange: None,
            challenge: Vec::new(),
            reply: None,
            is_last: false,
            version: 0,
            session: None,
        }),
    ]
}

/// By which mechanism.
#[derive(Debug)]
struct SaslHandshakeStep {
    mechanisms: Arc<dyn Mechanisms>,
    version: i16,
}

impl HandshakeStep for SaslHandshakeStep {
    fn name(&self) -> &'static str {
        SaslHandshakeRequest::NAME
    }

    fn next(&mut self, asking: &Asking<'_>) -> Result<StepAction, Error> {
        let request = SaslHandshakeRequest { mechanism: self.mechanisms.name() };
        self.version = choose(asking.versions, &request)?;
        Ok(step_request(&request, self.version, asking))
    }

    fn answered(&mut self, frame: &[u8]) -> Result<StepProgress, Error> {
        let response = decode_response::<SaslHandshakeRequest>(self.version, frame)
            .map_err(|error| Error::new(ErrorKind::Network, error.to_string()))?;
        let mechanism = self.mechanisms.name();
        let theirs = response.mechanisms.join(", ");
        let theirs = if theirs.is_empty() { "none" } else { &theirs };
        match response.error_code {
            ErrorCode::NONE => Ok(StepProgress::Done(StepFindings::default())),
            code @ ErrorCode::UNSUPPORTED_SASL_MECHANISM => Err(refusal(
                code,
                format!(
                    "the broker does not log in by {mechanism} on this listener ({code}): see sasl.mechanism; switched on \
                     there: {}",
                    Escaped(theirs)
                ),
            )),
            code @ ErrorCode::ILLEGAL_SASL_STATE => Err(without_sasl(code, self.name())),
            code => Err(refusal(
                code,
                format!(
                    "the broker answered {} with {code}; mechanism {mechanism}, switched on there: {}",
                    self.name(),
                    Escaped(theirs)
                ),
            )),
        }
    }
}

/// The mechanism's own exchange.
#[derive(Debug)]
struct SaslAuthenticateStep {
    mechanisms: Arc<dyn Mechanisms>,
    host: String,
    exchange: Option<Box<dyn Mechanism>>,
    /// What the broker said last.
    challenge: Vec<u8>,
    /// What the mechanism says to that, as far as it was asked.
    reply: Option<MechanismReply>,
    /// The mechanism has said all that it has to say.
    is_last: bool,
    version: i16,
    session: Option<Duration>,
}

impl SaslAuthenticateStep {
    fn evaluate(&mut self) -> Result<MechanismReply, Error> {
        let exchange = match &mut self.exchange {
            Some(exchange) => exchange,
            none => none.insert(self.mechanisms.begin(&self.host)?),
        };
        exchange.evaluate(&self.challenge)
    }

    fn findings(&self) -> StepFindings {
        StepFindings { session: self.session, ..StepFindings::default() }
    }

    /// The broker does not believe us.
    fn refused(&self, code: ErrorCode, words: Option<&str>) -> Error {
        let mechanism = self.mechanisms.name();
        let words = words.filter(|words| !words.is_empty()).map(|words| format!(": {}", Escaped(words)));
        let words = words.unwrap_or_default();
        match code {
            ErrorCode::SASL_AUTHENTICATION_FAILED => {
                refusal(code, format!("the broker refused the login by {mechanism} ({code}){words}"))
            }
            ErrorCode::ILLEGAL_SASL_STATE => without_sasl(code, self.name()),
            code => {
                let text = format!("the broker answered {} by {mechanism} with {code}{words}", self.name());
                Error::new(Error::from_code(code, None).kind(), text).with_code(code)
            }
        }
    }
}

impl HandshakeStep for SaslAuthenticateStep {
    fn name(&self) -> &'static str {
        SaslAuthenticateRequest::NAME
    }

    fn next(&mut self, asking: &Asking<'_>) -> Result<StepAction, Error> {
        let reply = match self.reply.take() {
            Some(reply) => reply,
            None => self.evaluate()?,
        };
        let token = match reply {
            MechanismReply::Continue(token) => token,
            MechanismReply::Last(token) => {
                self.is_last = true;
                token
            }
            MechanismReply::Wait(work) => return Ok(StepAction::Wait(work)),
            MechanismReply::Done => {
                let text = format!("{} is done without a word to the broker", self.mechanisms.name());
                return Err(Error::new(ErrorKind::Bug, text));
            }
        };
        let request = SaslAuthenticateRequest { auth_bytes: token.as_bytes() };
        self.version = choose(asking.versions, &request)?;
        Ok(step_request(&request, self.version, asking))
    }

    fn answered(&mut self, frame: &[u8]) -> Result<StepProgress, Error> {
        let response = decode_response::<SaslAuthenticateRequest<'_>>(self.version, frame)
            .map_err(|error| Error::new(ErrorKind::Network, error.to_string()))?;
        if response.error_code != ErrorCode::NONE {
            if response.error_code == ErrorCode::SASL_AUTHENTICATION_FAILED {
                self.exchange.iter_mut().for_each(|exchange| exchange.refused());
            }
            return Err(self.refused(response.error_code, response.error_message.as_deref()));
        }
        if let Ok(millis @ 1..) = u64::try_from(response.session_lifetime_ms) {
            self.session = Some(Duration::from_millis(millis).min(LONGEST_SESSION));
        }
        if self.is_last {
            return Ok(StepProgress::Done(self.findings()));
        }
        self.challenge = response.auth_bytes;
        Ok(match self.evaluate()? {
            MechanismReply::Done => StepProgress::Done(self.findings()),
            reply => {
                self.reply = Some(reply);
                StepProgress::Continue
            }
        })
    }
}

fn step_request<R: Request>(request: &R, version: i16, asking: &Asking<'_>) -> StepAction {
    let message = encode_request(request, version, asking.correlation_id, asking.client_id);
    StepAction::Send(StepRequest { message, version, name: R::NAME })
}

fn choose<R: Request>(versions: Option<&BrokerVersions>, request: &R) -> Result<i16, Error> {
    versions
        .ok_or_else(|| Error::new(ErrorKind::Bug, "a login before the broker's versions are known"))?
        .choose(request)
}

/// An error that nobody overcomes by trying again at once.
fn refusal(code: ErrorCode, text: String) -> Error {
    Error::new(ErrorKind::Authentication, text).with_code(code)
}

fn without_sasl(code: ErrorCode, request: &str) -> Error {
    let text = format!(
        "the broker does not expect {request} here ({code}): the listener may be one without SASL, for \
         security.protocol=PLAINTEXT or SSL"
    );
    refusal(code, text)
}

/// Longer ones are as good as none.
const LONGEST_SESSION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages as theirs;
    use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

    use super::*;
    use crate::network::Job;
    use crate::protocol::{ApiVersion, ApiVersionsResponse};
    use crate::security::sasl::mechanism::tests::ScriptedMechanisms;

    fn versions(newest_handshake: i16, newest_authenticate: i16) -> BrokerVersions {
        let api = |api_key, max_version| ApiVersion { api_key, min_version: 0, max_version };
        let api_keys = vec![api(17, newest_handshake), api(36, newest_authenticate)];
        BrokerVersions::from(&ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() })
    }

    /// A broker's answer.
    fn frame<T: Encodable + HeaderVersion>(response: T, version: i16) -> Vec<u8> {
        let mut out = BytesMut::new();
        let header = theirs::ResponseHeader::default().with_correlation_id(7);
        header.encode(&mut out, T::header_version(version)).unwrap();
        response.encode(&mut out, version).unwrap();
        out.to_vec()
    }

    fn handshake(code: ErrorCode, mechanisms: &[&str]) -> Vec<u8> {
        let mechanisms = mechanisms.iter().map(|name| StrBytes::from_string((*name).to_owned())).collect();
        frame(theirs::SaslHandshakeResponse::default().with_error_code(code.0).with_mechanisms(mechanisms), 1)
    }

    fn login(code: ErrorCode, words: Option<&str>, challenge: &[u8], session: i64, version: i16) -> Vec<u8> {
        let words = words.map(|words| StrBytes::from_string(words.to_owned()));
        let response = theirs::SaslAuthenticateResponse::default()
            .with_error_code(code.0)
            .with_error_message(words)
            .with_auth_bytes(challenge.to_vec().into());
        let response = if version > 0 { response.with_session_lifetime_ms(session) } else { response };
        frame(response, version)
    }

    fn next(step: &mut Box<dyn HandshakeStep>, versions: &BrokerVersions) -> Result<StepAction, Error> {
        step.next(&Asking { correlation_id: 7, client_id: "c", versions: Some(versions) })
    }

    fn sent(step: &mut Box<dyn HandshakeStep>, versions: &BrokerVersions) -> (i16, Vec<u8>) {
        match next(step, versions) {
            Ok(StepAction::Send(request)) => (request.version, request.message.bytes.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn steps(script: &'static [&'static str]) -> [Box<dyn HandshakeStep>; 2] {
        let mechanisms: Arc<dyn Mechanisms> = Arc::new(ScriptedMechanisms(script));
        authentication(&mechanisms, "broker").try_into().unwrap()
    }

    #[test]
    fn a_login_is_a_handshake_and_as_many_rounds_as_the_mechanism_has() {
        for version in 0..=2 {
            let versions = versions(1, version);
            let [mut first, mut second] = steps(&["one", "wait", "two", "done"]);
            assert_eq!((first.name(), second.name()), ("SaslHandshake", "SaslAuthenticate"));
            let (asked, bytes) = sent(&mut first, &versions);
            assert!(asked == 1 && bytes.ends_with(b"\0\x08SCRIPTED"));
            let answer = handshake(ErrorCode::NONE, &["SCRIPTED"]);
            assert!(matches!(first.answered(&answer), Ok(StepProgress::Done(_))));

            let (asked, bytes) = sent(&mut second, &versions);
            assert!(asked == version && bytes.windows(4).any(|bytes| bytes == b"one:"), "{bytes:?}");
            let answer = login(ErrorCode::NONE, None, b"why?", 0, version);
            assert!(matches!(second.answered(&answer), Ok(StepProgress::Continue)));
            let Ok(StepAction::Wait(Some(work))) = next(&mut second, &versions) else { panic!() };
            assert!(matches!(next(&mut second, &versions), Ok(StepAction::Wait(None))));
            Job::Work(work).run();
            let (_, bytes) = sent(&mut second, &versions);
            assert!(bytes.windows(8).any(|bytes| bytes == b"two:why?"), "{bytes:?}");
            let answer = login(ErrorCode::NONE, None, b"!", 60_000, version);
            let Ok(StepProgress::Done(findings)) = second.answered(&answer) else { panic!() };
            let session = (version > 0).then_some(Duration::from_secs(60));
            assert!(findings.session == session && findings.versions.is_none(), "{findings:?}");
        }
    }

    #[test]
    fn a_last_word_needs_no_more_than_the_brokers_consent() {
        let versions = versions(9, 9);
        for (lifetime, session) in [
            (0, None),
            (-1, None),
            (i64::MIN, None),
            (1, Some(Duration::from_millis(1))),
            (i64::MAX, Some(LONGEST_SESSION)),
        ] {
            let [_, mut second] = steps(&["last"]);
            assert_eq!(sent(&mut second, &versions).0, 2);
            let answer = login(ErrorCode::NONE, None, b"anything", lifetime, 2);
            let Ok(StepProgress::Done(findings)) = second.answered(&answer) else { panic!() };
            assert_eq!(findings.session, session);
        }
    }

    #[test]
    fn what_the_broker_refuses_is_said_with_its_code_and_in_its_words() {
        let refused = |step: &mut Box<dyn HandshakeStep>, answer: &[u8]| {
            sent(step, &versions(1, 1));
            let error = step.answered(answer).unwrap_err();
            (error.kind(), error.code().map_or(0, |code| code.0), error.to_string())
        };
        for (code, mechanisms, text) in [
            (
                33,
                &["PLAIN", "GSSAPI\x07"][..],
                "the broker does not log in by SCRIPTED on this listener (33 UNSUPPORTED_SASL_MECHANISM): see sasl.mechanism; \
                 switched on there: PLAIN, GSSAPI\\u{7}",
            ),
            (33, &[], "switched on there: none"),
            (34, &[], "the listener may be one without SASL, for security.protocol=PLAINTEXT or SSL"),
            (58, &["PLAIN"], "the broker answered SaslHandshake with 58 SASL_AUTHENTICATION_FAILED"),
        ] {
            let [mut first, _] = steps(&[]);
            let (kind, told, error) = refused(&mut first, &handshake(ErrorCode(code), mechanisms));
            assert_eq!((kind, told), (ErrorKind::Authentication, code));
            assert!(error.contains(text), "{error}");
        }
        for (code, words, kind, text) in [
            (
                58,
                Some("wrong\npassword"),
                ErrorKind::Authentication,
                "the broker refused the login by SCRIPTED (58 SASL_AUTHENTICATION_FAILED): wrong\\npassword",
            ),
            (58, None, ErrorKind::Authentication, "by SCRIPTED (58 SASL_AUTHENTICATION_FAILED)"),
            (34, None, ErrorKind::Authentication, "the listener may be one without SASL"),
            (
                -1,
                Some("oops"),
                ErrorKind::Broker,
                "answered SaslAuthenticate by SCRIPTED with -1 UNKNOWN_SERVER_ERROR: oops",
            ),
        ] {
            let [_, mut second] = steps(&["one"]);
            let (told_kind, told, error) = refused(&mut second, &login(ErrorCode(code), words, b"", 0, 1));
            assert_eq!((told_kind, told), (kind, code));
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_broker_without_the_requests_is_too_old() {
        for (step, versions) in [(0, versions(0, 2)), (1, BrokerVersions::default())] {
            let error = next(&mut steps(&["one"])[step], &versions).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
        }
    }

    #[test]
    fn garbage_is_an_error_that_names_the_field() {
        let whole = login(ErrorCode::NONE, Some("x"), b"token", 1, 2);
        for cut in 0..whole.len() {
            let [_, mut second] = steps(&["last"]);
            sent(&mut second, &versions(1, 2));
            let error = second.answered(&whole[..cut]).unwrap_err();
            assert!(error.kind() == ErrorKind::Network && error.to_string().contains("SaslAuthenticate"));
        }
    }
}
