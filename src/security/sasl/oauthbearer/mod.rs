//! OAUTHBEARER: who we are is what a token says that somebody else has signed (KIP-255, KIP-768, KIP-1139).
//!
//! Owns: tokens, where they come from, the exchange with the broker. Must not know: sockets, JAAS texts, other mechanisms.
//! Threads: tokens are fetched on those of work in the background; all else is the sender's. Locks: that of the login.

mod jwt;
mod oauth_configuration;
mod oauth_exchange;
mod strimzi;
#[cfg(any(test, fuzzing, feature = "oidc"))]
mod token_answer;
mod token_file;
mod token_provider;
mod unsecured_token;

#[cfg(feature = "oidc")]
mod assertion;
#[cfg(feature = "oidc")]
mod oauth_endpoint;
#[cfg(feature = "oidc")]
mod token_endpoint;

pub(crate) use oauth_configuration::{TokenProviders, oauth_bearer};
pub(super) use oauth_exchange::OAuthBearer;
#[cfg(feature = "msk-iam")]
pub(super) use token_file::read_secret_file;
pub use token_provider::{OAuthBearerToken, TokenProvider, TokenProviderError};

/// Reads what a token endpoint may answer, and the claims of the token in it: for tests of what strangers may say.
#[cfg(any(test, fuzzing, feature = "oidc"))]
pub(crate) fn read_token_answer(status: u16, body: &[u8]) -> Result<usize, String> {
    let token = token_answer::token_of_answer(status, body).map_err(|reason| reason.text)?;
    let claims = jwt::Claims::read(&token, &jwt::ClaimNames::default())?;
    Ok(claims.subject.len())
}

/// Reads the claims of a token: for tests of what strangers may say.
pub(crate) fn read_claims(token: &str) -> Result<usize, String> {
    jwt::Claims::read(token, &jwt::ClaimNames::default()).map(|claims| claims.subject.len())
}
