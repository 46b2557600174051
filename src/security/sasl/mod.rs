//! SASL: telling brokers who we are, by one of several mechanisms.
//!
//! Owns: what `sasl.mechanism` and `sasl.jaas.config` mean, and the exchange with the broker. Must not know: sockets, TLS.

mod mechanism;
pub(crate) mod oauthbearer;
mod refresh_time;
mod refreshing_login;

#[cfg(feature = "oidc")]
mod form;
#[cfg(feature = "oidc")]
mod http_client;

#[cfg_attr(not(test), expect(unused_imports, reason = "the authenticator that asks them follows"))]
pub(crate) use mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
