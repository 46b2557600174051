//! Who the brokers are, and who we are to them: TLS and SASL.
//!
//! Owns: what `security.protocol` and the settings of its mechanisms mean. Must not know: requests of the caller, batches.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub(crate) mod sasl;
#[cfg(feature = "tls")]
pub(crate) mod stores;

pub(crate) use sasl::oauthbearer::TokenProviders;
pub use sasl::oauthbearer::{OAuthBearerToken, TokenProvider, TokenProviderError};
