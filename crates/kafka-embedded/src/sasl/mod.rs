//! SASL on the brokers' side: who may log in, and what is said in each mechanism.
//!
//! Nothing in here knows sockets, frames or answers in the wire's form: `cluster_rules.rs` asks.

mod bearer_token;
mod login;
mod login_exchange;
mod sasl_options;
mod scram_challenge;

pub(super) use self::login::{Login, LoginPhase, LoginSession};
pub(super) use self::login_exchange::{ExchangeStep, Judging, LoginExchange};
pub(super) use self::sasl_options::SaslSettings;
pub use self::sasl_options::{PresentedToken, SaslMechanism, SaslOptions, TokenVerdict};
