//! `ClientIdentity`: what the client logs in with, and what brokers believe: a user's password, and tokens.
//!
//! Owns: who has which password, all tokens that were ever given, and what is wrong with using one. Must not know: what is
//! said on connections.
//! Two clocks: whoever gives tokens and judges them has the true time; the client has the clock on its wall.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kafka_embedded::TokenVerdict;

use crate::security::{OAuthBearerToken, SaslCredentials, TokenProviderError};
use crate::stage::Clock;

pub(super) struct ClientIdentity {
    state: Mutex<IdentityState>,
    /// How long tokens last.
    life: Duration,
}

/// What becomes of whoever asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenMood {
    /// He gets one.
    Given,
    /// There is none.
    Missing,
    /// He gets one that has ended.
    Ended,
    /// He gets one that ends very soon.
    Brief,
}

struct IdentityState {
    clock: Option<(Clock, i64)>,
    password: &'static str,
    mood: TokenMood,
    tokens: BTreeMap<String, GivenToken>,
    /// Those that were given before this one are not believed.
    revoked_before: usize,
    counts: BTreeMap<&'static str, u64>,
}

struct GivenToken {
    number: usize,
    /// By the true time since 1970.
    ends: Duration,
    /// By the client's clock on the wall, and by the one that nobody sets: after either it may not be presented.
    usable_until: SystemTime,
    usable_for: Duration,
    /// The client has heard that it is not believed.
    is_refused: bool,
}

impl ClientIdentity {
    pub(super) const USER: &str = "alice";
    pub(super) const PASSWORDS: [&str; 3] = ["first-secret", "other-secret", "third-secret"];

    pub(super) fn new(life: Duration) -> ClientIdentity {
        let state = IdentityState {
            clock: None,
            password: Self::PASSWORDS[0],
            mood: TokenMood::Given,
            tokens: BTreeMap::new(),
            revoked_before: 0,
            counts: BTreeMap::new(),
        };
        ClientIdentity { state: Mutex::new(state), life }
    }

    fn state(&self) -> MutexGuard<'_, IdentityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run begins, at this time of all clocks on walls, in milliseconds since 1970.
    pub(super) fn begin(&self, clock: &Clock, unix_ms: i64) {
        self.state().clock = Some((clock.clone(), unix_ms));
    }

    /// The client has this password from now on.
    pub(super) fn set_password(&self, password: &'static str) {
        self.state().password = password;
    }

    pub(super) fn set_mood(&self, mood: TokenMood) {
        self.state().mood = mood;
    }

    /// Nothing goes wrong any more: whatever was given is believed while it lasts.
    pub(super) fn calm(&self) {
        let mut state = self.state();
        (state.mood, state.password, state.revoked_before) = (TokenMood::Given, Self::PASSWORDS[0], 0);
    }

    /// All tokens given so far are not believed any more.
    pub(super) fn revoke(&self) {
        let mut state = self.state();
        state.revoked_before = state.tokens.len();
    }

    /// What the client is told that asks for name and password.
    pub(super) fn credentials(&self) -> SaslCredentials {
        SaslCredentials::new(Self::USER, self.state().password)
    }

    /// What the client is told that asks for a token.
    pub(super) fn token(&self) -> Result<OAuthBearerToken, TokenProviderError> {
        let mut state = self.state();
        let (now, wall) = state.clocks();
        let life = match state.mood {
            TokenMood::Missing => {
                state.count("token missing");
                return Err("nobody gives tokens now".into());
            }
            TokenMood::Given => self.life,
            TokenMood::Brief => self.life / 8,
            TokenMood::Ended => Duration::ZERO,
        };
        let ends = if life.is_zero() { now - Duration::from_secs(1) } else { now + life };
        let name = match state.mood {
            TokenMood::Ended => "token ended",
            TokenMood::Brief => "token brief",
            _ => "token given",
        };
        state.count(name);
        let number = state.tokens.len();
        let value = format!("token-{number:06}");
        let expires_at = SystemTime::UNIX_EPOCH + ends;
        // What comes over is for the broker to refuse, and may be used for so long.
        let usable_until = expires_at.max(wall + Duration::from_secs(10));
        let usable_for = now + usable_until.duration_since(wall).unwrap_or_default();
        let given = GivenToken { number, ends, usable_until, usable_for, is_refused: false };
        state.tokens.insert(value.clone(), given);
        Ok(OAuthBearerToken::new(value, expires_at).with_start_time(SystemTime::UNIX_EPOCH + now))
    }

    /// What brokers think of a token.
    pub(super) fn judge(&self, token: &str) -> TokenVerdict {
        let mut state = self.state();
        let (now, _) = state.clocks();
        let given = state.tokens.get(token);
        let (name, left) = match given {
            None => ("token unknown", None),
            Some(given) if given.number < state.revoked_before => ("token revoked", None),
            Some(given) if given.ends <= now => ("token presented late", None),
            Some(given) => ("token believed", Some(given.ends - now)),
        };
        state.count(name);
        match left {
            Some(left) => TokenVerdict::Accepted { principal: Self::USER.to_owned(), lifetime: Some(left) },
            None => TokenVerdict::Refused("invalid_token".to_owned()),
        }
    }

    /// The client presents a token now: what is wrong with that, if something is.
    pub(super) fn presented(&self, token: &str) -> Option<String> {
        let state = self.state();
        let (now, wall) = state.clocks();
        let Some(given) = state.tokens.get(token) else { return Some(format!("nobody has given {token}")) };
        if given.is_refused {
            return Some(format!("{token} goes again, though it was refused"));
        }
        let by_wall = wall.duration_since(given.usable_until).unwrap_or_default();
        let over = Some(by_wall.max(now.saturating_sub(given.usable_for))).filter(|over| *over > MOMENT)?;
        Some(format!("{token} goes {over:?} after its end"))
    }

    /// The client has heard that this token is not believed.
    pub(super) fn refused(&self, token: &str) {
        self.state().tokens.get_mut(token).into_iter().for_each(|given| given.is_refused = true);
    }

    /// What became of tokens, and how often.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.state().counts.clone()
    }
}

impl IdentityState {
    fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// The true time since 1970, and what the clock on the client's wall shows.
    fn clocks(&self) -> (Duration, SystemTime) {
        let (clock, unix_ms) = self.clock.as_ref().expect("the run has begun");
        let wall = Duration::from_millis(u64::try_from(clock.wall_ms()).unwrap_or(0));
        (
            Duration::from_millis(u64::try_from(*unix_ms).unwrap_or(0)) + clock.elapsed(),
            SystemTime::UNIX_EPOCH + wall,
        )
    }
}

/// Clocks on walls show milliseconds.
const MOMENT: Duration = Duration::from_millis(2);
