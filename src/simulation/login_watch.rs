//! `LoginWatch`: what the client says of who it is, connection by connection, and whether it waits for the answers.
//!
//! Owns: what may be written when. Must not know: how it travels.
//! Holds: before a broker believes who we are, and while that is said again, nothing else is written to it; a session that is
//! over is not used; whoever has not proven that he is the broker gets nothing; what ended or was refused is not presented.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::SaslMechanism;
use kafka_protocol::messages::{
    ApiKey, RequestHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeResponse,
};
use kafka_protocol::protocol::Decodable;

use crate::network::SocketId;
use crate::simulation::frame_reader::{answer_id, decode, request_head};
use crate::simulation::history::Violation;
use crate::simulation::identity::ClientIdentity;
use crate::stage::Clock;

#[derive(Default)]
pub(super) struct LoginWatch {
    /// None where nobody asks who we are.
    rules: Option<WatchRules>,
    lines: BTreeMap<SocketId, LoginLine>,
    pub(super) remarks: Vec<Violation>,
    /// Refusals by second, and by broker as the client has it.
    pub(super) refusals: BTreeMap<(i32, u64), u32>,
    counts: BTreeMap<&'static str, u64>,
}

struct WatchRules {
    mechanism: SaslMechanism,
    identity: Arc<ClientIdentity>,
    clock: Clock,
    /// A session may be used so much longer, since nobody looks at the clock meanwhile.
    slack: Duration,
}

#[derive(Default)]
struct LoginLine {
    phase: WatchedPhase,
    /// The broker has believed us before.
    is_again: bool,
    open: BTreeMap<i32, (ApiKey, i16)>,
    /// Good answers to tokens since the handshake.
    rounds: u32,
    token: Option<String>,
    /// When the broker stops to believe us, as far as the client was told, since the beginning of the run.
    ends: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum WatchedPhase {
    /// Nobody has asked yet.
    #[default]
    Begun,
    /// It is being said.
    Saying,
    /// The broker believes us.
    Believed,
    /// It does not, or is not the one that it says it is.
    Refused,
}

impl LoginWatch {
    pub(super) fn begin(
        &mut self,
        mechanism: SaslMechanism,
        identity: &Arc<ClientIdentity>,
        clock: &Clock,
        slack: Duration,
    ) {
        let (identity, clock) = (Arc::clone(identity), clock.clone());
        self.rules = Some(WatchRules { mechanism, identity, clock, slack });
    }

    /// What the client is about on this connection, for counting.
    pub(super) fn is_saying(&self, id: SocketId) -> bool {
        let phase = self.lines.get(&id).map_or(WatchedPhase::Begun, |line| line.phase);
        self.rules.is_some() && matches!(phase, WatchedPhase::Begun | WatchedPhase::Saying)
    }

    /// How often what was seen.
    pub(super) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// The client writes this request; `is_now`: it was decided upon now.
    pub(super) fn wrote(&mut self, id: SocketId, frame: &[u8], is_now: bool) {
        let Some(rules) = &self.rules else { return };
        let Some((key, version, correlation_id)) = request_head(frame) else { return };
        let Ok(api) = ApiKey::try_from(key) else { return };
        let line = self.lines.entry(id).or_default();
        line.open.insert(correlation_id, (api, version));
        let now = rules.clock.elapsed();
        let wrong = match (api, line.phase) {
            (ApiKey::ApiVersions, WatchedPhase::Begun) => None,
            (ApiKey::SaslHandshake, WatchedPhase::Begun | WatchedPhase::Believed) => {
                (line.phase, line.rounds) = (WatchedPhase::Saying, 0);
                None
            }
            (ApiKey::SaslAuthenticate, WatchedPhase::Saying) => {
                let token = presented_token(frame, version);
                line.token = token.or(line.token.take());
                let token = line.token.as_ref().filter(|_| is_now && line.rounds == 0);
                token.and_then(|token| rules.identity.presented(token))
            }
            (_, WatchedPhase::Believed) => {
                let over = line.ends.filter(|ends| is_now && now > *ends + rules.slack);
                over.map(|ends| format!("{api:?} goes {:?} after the end of the session", now - ends))
            }
            (_, phase) => Some(format!("{api:?} goes to one to whom who we are is {phase:?}")),
        };
        let wrong = wrong.map(|text| format!("broker {}, at {now:?}: {text}", broker_of(id)));
        self.remarks.extend(wrong.map(Violation::Insecure));
    }

    /// The client has read this answer.
    pub(super) fn read(&mut self, id: SocketId, frame: &Bytes) {
        let Some(rules) = &self.rules else { return };
        let Some(line) = self.lines.get_mut(&id) else { return };
        let Some((api, version)) = answer_id(frame).and_then(|id| line.open.remove(&id)) else { return };
        let found = match api {
            ApiKey::SaslHandshake => {
                decode::<SaslHandshakeResponse>(frame, version).is_none_or(|it| it.error_code == 0)
            }
            ApiKey::SaslAuthenticate => match decode::<SaslAuthenticateResponse>(frame, version) {
                Some(answer) => line.answered(&answer, rules, &mut self.counts),
                None => false,
            },
            _ => return,
        };
        if !found {
            let again = if line.is_again { "refused again" } else { "refused" };
            line.phase = WatchedPhase::Refused;
            *self.counts.entry(again).or_default() += 1;
            *self.refusals.entry((peer_of(id), rules.clock.elapsed().as_secs())).or_default() += 1;
        }
    }

    /// The connection is over.
    pub(super) fn closed(&mut self, id: SocketId) {
        if self.is_saying(id) && self.lines.get(&id).is_some_and(|line| line.phase == WatchedPhase::Saying) {
            *self.counts.entry("given up").or_default() += 1;
        }
        self.lines.remove(&id);
    }
}

impl LoginLine {
    /// A token was answered. False where that is a refusal, or comes from nobody who knows the password.
    fn answered(
        &mut self,
        answer: &SaslAuthenticateResponse,
        rules: &WatchRules,
        counts: &mut BTreeMap<&'static str, u64>,
    ) -> bool {
        let bytes = answer.auth_bytes.as_ref();
        // Only SCRAM lets the client see through that.
        let is_scram = matches!(rules.mechanism, SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512);
        if answer.error_code != 0 || is_scram && is_nobodys(bytes) {
            let token = self.token.as_ref().filter(|_| answer.error_code == SASL_AUTHENTICATION_FAILED);
            token.into_iter().for_each(|token| rules.identity.refused(token));
            return false;
        }
        self.rounds += 1;
        let is_over = match rules.mechanism {
            _ if is_scram => self.rounds == 2,
            // What a broker says to a token is why it does not believe it.
            SaslMechanism::OAuthBearer => bytes.is_empty(),
            _ => true,
        };
        if let Some(token) = self.token.as_ref().filter(|_| !is_over) {
            rules.identity.refused(token);
        }
        if is_over {
            let lifetime = u64::try_from(answer.session_lifetime_ms).ok().filter(|ms| *ms > 0);
            self.ends = lifetime.map(|ms| rules.clock.elapsed() + Duration::from_millis(ms));
            let again = if self.is_again { "believed again" } else { "believed" };
            *counts.entry(again).or_default() += 1;
            (self.phase, self.is_again) = (WatchedPhase::Believed, true);
        }
        true
    }
}

/// What the embedded brokers' faults say in place of their own words.
fn is_nobodys(challenge: &[u8]) -> bool {
    challenge == b"r=another,s=AAAA,i=4096" || challenge.starts_with(b"v=AAAAAAAAAAAAAAAA")
}

/// The token of OAUTHBEARER in the first message of an exchange.
fn presented_token(frame: &[u8], version: i16) -> Option<String> {
    let mut rest = Bytes::copy_from_slice(frame);
    RequestHeader::decode(&mut rest, if version >= 2 { 2 } else { 1 }).ok()?;
    let request = SaslAuthenticateRequest::decode(&mut rest, version).ok()?;
    let text = String::from_utf8(request.auth_bytes.to_vec()).ok()?;
    let (_, behind) = text.split_once("auth=Bearer ")?;
    behind.split('\u{1}').next().map(str::to_owned)
}

/// The broker lies in a socket's name; servers to begin with are the same with a minus.
fn broker_of(id: SocketId) -> i32 {
    peer_of(id).abs()
}

pub(super) fn peer_of(id: SocketId) -> i32 {
    (id.0 as u32).cast_signed()
}

const SASL_AUTHENTICATION_FAILED: i16 = 58;
