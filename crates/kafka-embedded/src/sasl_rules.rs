//! The rules of logging in: what a broker does with a request of a client that it does not know yet, or not any more.
//!
//! Owns: which request may come when, and how a failed login ends. Must not know: what is said in a mechanism.
//! Source: Kafka's `SaslServerAuthenticator`, `KafkaChannel` and `SocketServer`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{
    RequestHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_rules::{
    ClusterRules, ConnectionId, Incoming, RequestOutcome, START_BYTES, elapsed_ms, read_start,
};
use super::fault::FaultPlan;
use super::request_log::SeenLogin;
use super::sasl::{ExchangeStep, Judging, Login, LoginExchange, LoginPhase, LoginSession, SaslSettings};
use super::shape;

type Handled = (FaultPlan, RequestOutcome);

impl ClusterRules {
    /// What becomes of a frame that is about who the client is, or comes before that is known; `None`: it is a request
    /// like any other.
    pub(super) fn login_step(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        frame: &Bytes,
    ) -> Option<Handled> {
        let settings = self.settings.sasl.clone()?;
        let known = self.connections.get_mut(&connection)?;
        let (broker, start) = (known.broker, read_start(frame));
        let (api, version, correlation_id) = start.unwrap_or((Api::Produce, -1, 0));
        let (incoming, login) = (Incoming { now, api, broker, version, correlation_id }, &mut known.login);
        let speaks = |api: Api| self.settings.versions.get(&api).is_some_and(|it| it.contains(&version));
        match (&login.phase, start.map(|_| api)) {
            (LoginPhase::Done, Some(Api::SaslHandshake)) if login.may_begin_again(now) => {
                login.began_again = Some(now);
                Some(self.handshake(&incoming, connection, frame, &settings))
            }
            (LoginPhase::Done, _) => login.is_expired(now).then(at_once),
            (LoginPhase::Begun, Some(Api::ApiVersions)) => {
                if speaks(Api::ApiVersions) {
                    login.phase = LoginPhase::VersionsTold;
                }
                None
            }
            (LoginPhase::VersionsTold, Some(Api::ApiVersions)) => Some(at_once()),
            (LoginPhase::Begun | LoginPhase::VersionsTold, Some(Api::SaslHandshake))
                if speaks(Api::SaslHandshake) =>
            {
                Some(self.handshake(&incoming, connection, frame, &settings))
            }
            (LoginPhase::Exchange { is_framed: false, .. }, _) => {
                self.request_log.count(Api::SaslAuthenticate);
                Some(self.bare_token(&incoming, connection, frame, &settings))
            }
            (LoginPhase::Exchange { .. }, Some(Api::SaslAuthenticate)) if speaks(Api::SaslAuthenticate) => {
                Some(self.framed_token(&incoming, connection, frame, &settings))
            }
            (LoginPhase::Failed, _) => Some((FaultPlan::default(), RequestOutcome::Silence)),
            _ => {
                login.phase = LoginPhase::Failed;
                Some((FaultPlan::default(), refused(None, &settings)))
            }
        }
    }

    /// Where nobody has to say who he is, or has said it.
    pub(super) fn login_out_of_place(&mut self, incoming: &Incoming) -> Handled {
        let plan = self.faults.plan(incoming.api, incoming.broker, |_, _| false);
        let error = plan.failure().map_or(BrokerError::ILLEGAL_SASL_STATE, |failure| failure.error).code();
        let outcome = if incoming.api == Api::SaslHandshake {
            incoming.encode(&SaslHandshakeResponse::default().with_error_code(error))
        } else {
            let text = "SaslAuthenticate request received after successful authentication";
            let response = SaslAuthenticateResponse::default().with_error_code(error);
            incoming.encode(&response.with_error_message(Some(StrBytes::from_static_str(text))))
        };
        (plan, outcome)
    }

    fn login(&mut self, connection: ConnectionId) -> Option<&mut Login> {
        self.connections.get_mut(&connection).map(|known| &mut known.login)
    }

    fn handshake(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        frame: &Bytes,
        settings: &SaslSettings,
    ) -> Handled {
        self.request_log.count(Api::SaslHandshake);
        let plan = self.faults.plan(Api::SaslHandshake, incoming.broker, |_, _| false);
        let Some(request) = read::<SaslHandshakeRequest>(incoming, frame) else { return at_once() };
        let chosen = settings.mechanisms.iter().find(|it| it.name() == &*request.mechanism).copied();
        let unknown = (chosen.is_none()).then_some(BrokerError::UNSUPPORTED_SASL_MECHANISM);
        let error = plan.failure().map(|failure| failure.error).or(unknown);
        let names = settings.mechanisms.iter().map(|it| StrBytes::from_static_str(it.name())).collect();
        let response = SaslHandshakeResponse::default()
            .with_error_code(error.unwrap_or(BrokerError::NONE).code())
            .with_mechanisms(names);
        let Some(login) = self.login(connection) else { return at_once() };
        let before = login.session.as_ref().map(|session| session.mechanism);
        match chosen.filter(|_| error.is_none()) {
            None => {
                login.phase = LoginPhase::Failed;
                let answer = incoming.frame(&response);
                (plan, RequestOutcome::Refuse { answer, delay: settings.failure_delay })
            }
            Some(mechanism) => {
                let is_other = before.is_some_and(|before| before != mechanism);
                let exchange = LoginExchange::new(mechanism);
                let is_framed = incoming.version >= 1;
                login.phase = match is_other {
                    true => LoginPhase::OtherMechanism,
                    false => LoginPhase::Exchange { exchange, is_framed },
                };
                (plan, incoming.encode(&response))
            }
        }
    }

    fn framed_token(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        frame: &Bytes,
        settings: &SaslSettings,
    ) -> Handled {
        self.request_log.count(Api::SaslAuthenticate);
        let Some(request) = read::<SaslAuthenticateRequest>(incoming, frame) else { return at_once() };
        let (plan, told) = self.judge(incoming, connection, &request.auth_bytes, settings);
        let response = SaslAuthenticateResponse::default();
        match told {
            JudgedToken::Token { token, session } => {
                let ms = session.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
                let mut response = response.with_error_message(None).with_auth_bytes(Bytes::from(token));
                if incoming.version >= 1 {
                    response.session_lifetime_ms = ms;
                }
                (plan, incoming.encode(&response))
            }
            JudgedToken::Refused { code, text } => {
                let response = response.with_error_code(code.code());
                let response = response.with_error_message(Some(StrBytes::from_string(text)));
                let answer = incoming.frame(&response);
                (plan, RequestOutcome::Refuse { answer, delay: settings.failure_delay })
            }
        }
    }

    /// After SaslHandshake in version 0 tokens come without the form of a request, and so go the answers; a refusal has
    /// none.
    fn bare_token(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        frame: &Bytes,
        settings: &SaslSettings,
    ) -> Handled {
        let (plan, told) = self.judge(incoming, connection, frame, settings);
        match told {
            JudgedToken::Token { token, .. } => {
                let length = i32::try_from(token.len()).unwrap_or(i32::MAX);
                (plan, RequestOutcome::Bare([&length.to_be_bytes()[..], &token].concat()))
            }
            JudgedToken::Refused { .. } => (plan, refused(None, settings)),
        }
    }

    /// What a token comes to.
    fn judge(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        token: &[u8],
        settings: &SaslSettings,
    ) -> (FaultPlan, JudgedToken) {
        self.request_log.tokens += 1;
        let chance = [self.request_log.tokens.to_be_bytes(), connection.0.to_be_bytes()].concat();
        let ms = self.start_ms.saturating_add(elapsed_ms(self.start, incoming.now));
        let since_1970 = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let refusal = |code, text: &str| JudgedToken::Refused { code, text: text.to_owned() };
        let phase =
            self.login(connection).map(|login| std::mem::replace(&mut login.phase, LoginPhase::Failed));
        let Some(LoginPhase::Exchange { mut exchange, is_framed }) = phase else {
            return (FaultPlan::default(), refusal(BrokerError::ILLEGAL_SASL_STATE, ""));
        };
        let plan = self.faults.plan_login(incoming.broker, exchange.is_last());
        if let Some(failure) = plan.failure() {
            let text = format!("a fault: {}", failure.error);
            self.note(incoming, connection, &exchange, Err(text.clone()));
            return (plan, refusal(failure.error, &text));
        }
        let told = match exchange.step(token, Judging { settings, since_1970, chance: &chance }) {
            ExchangeStep::Challenge(token) => {
                if let Some(login) = self.login(connection) {
                    login.phase = LoginPhase::Exchange { exchange, is_framed };
                }
                JudgedToken::Token { token: plan.spoiled(token), session: None }
            }
            ExchangeStep::Done { principal, answer, lifetime } => {
                let max = self.settings.sasl.as_ref().and_then(|sasl| sasl.max_reauth);
                let lifetime = [lifetime, max].into_iter().flatten().min();
                let (session, real) =
                    plan.session().map_or((lifetime, lifetime), |(told, real)| (Some(told), Some(real)));
                match self.believe(incoming, connection, &exchange, principal, real) {
                    Ok(()) => JudgedToken::Token { token: plan.spoiled(answer), session },
                    Err(text) => refusal(BrokerError::SASL_AUTHENTICATION_FAILED, &text),
                }
            }
            ExchangeStep::Refused(text) => {
                let again = self.login(connection).is_some_and(|login| login.session.is_some());
                let text = text.unwrap_or_else(|| {
                    let kind = if again { "re-authentication" } else { "authentication" };
                    let name = exchange.mechanism.name();
                    format!("Authentication failed during {kind} due to invalid credentials with SASL mechanism {name}")
                });
                self.note(incoming, connection, &exchange, Err(text.clone()));
                refusal(BrokerError::SASL_AUTHENTICATION_FAILED, &text)
            }
        };
        (plan, told)
    }

    /// The client is believed for this long (none: as long as the connection stands), or why it is not in spite of all.
    fn believe(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        exchange: &LoginExchange,
        principal: String,
        lifetime: Option<Duration>,
    ) -> Result<(), String> {
        let before = self.login(connection).and_then(|login| login.session.clone());
        if let Some(before) = before.filter(|before| before.principal != principal) {
            let text = format!(
                "Cannot change principals during re-authentication from User.{}: User.{principal}",
                before.principal
            );
            self.note(incoming, connection, exchange, Err(text.clone()));
            return Err(text);
        }
        self.note(incoming, connection, exchange, Ok(principal.clone()));
        if let Some(login) = self.login(connection) {
            let ends = lifetime.map(|lifetime| incoming.now + lifetime);
            login.session = Some(LoginSession { mechanism: exchange.mechanism, principal, ends });
            login.phase = LoginPhase::Done;
        }
        Ok(())
    }

    fn note(
        &mut self,
        incoming: &Incoming,
        connection: ConnectionId,
        exchange: &LoginExchange,
        outcome: Result<String, String>,
    ) {
        let is_again = self.login(connection).is_some_and(|login| login.session.is_some());
        let (at, broker, mechanism) = (incoming.now, incoming.broker, exchange.mechanism);
        self.request_log.logins.push(SeenLogin { at, broker, mechanism, is_again, outcome });
    }
}

/// What a client is told.
enum JudgedToken {
    Token { token: Vec<u8>, session: Option<Duration> },
    Refused { code: BrokerError, text: String },
}

fn at_once() -> Handled {
    (FaultPlan::default(), RequestOutcome::Close)
}

fn refused(answer: Option<super::rewrite::Frame>, settings: &SaslSettings) -> RequestOutcome {
    RequestOutcome::Refuse { answer, delay: settings.failure_delay }
}

fn read<R: Decodable>(incoming: &Incoming, frame: &Bytes) -> Option<R> {
    let (api, version) = (incoming.api, incoming.version);
    if !shape::is_sound(api, version, frame.get(START_BYTES..)?) {
        return None;
    }
    let mut frame = frame.clone();
    RequestHeader::decode(&mut frame, if version >= api.flexible_from() { 2 } else { 1 }).ok()?;
    R::decode(&mut frame, version).ok()
}
