//! AWS's own way in: the mechanism AWS_MSK_IAM, and its tokens for OAUTHBEARER.
//!
//! Owns: AWS's keys, signatures, the exchange with MSK's brokers. Must not know: sockets, JAAS texts, other mechanisms.
//! Threads: keys are fetched on those of work in the background; all else is the sender's. Locks: that of the login.
//! Source: `aws-msk-iam-auth` (`IAMSaslClient`, `AWS4SignedPayloadGenerator`, `MSKCredentialProvider`,
//! `IAMOAuthBearerLoginCallbackHandler`).

mod aws_answers;
mod aws_identity;
mod aws_profiles;
mod aws_time;
mod credential_chain;
mod iam_token;
mod msk_exchange;
mod sigv4;

use std::sync::Arc;

use crate::config::{Faults, Settings};
use crate::security::sasl::login_https::{local_http, login_http, login_tls};
use crate::security::sasl::login_settings::{JaasOptions, login_retry, refresh_rules};
use crate::security::sasl::oauthbearer::OAuthBearer;
use crate::security::sasl::refreshing_login::RefreshingLogin;
use credential_chain::{AwsOptions, ChainClients, CredentialChain};
use iam_token::IamTokenSource;
use msk_exchange::MskIam;

/// The mechanism; what is wrong is added to the faults.
pub(super) fn msk_iam(settings: &Settings, options: &JaasOptions, faults: &mut Faults) -> Option<MskIam> {
    let chain = chain(settings, options, faults)?;
    let login = RefreshingLogin::new(
        "AWS credentials",
        Box::new(chain),
        refresh_rules(settings),
        login_retry(settings),
    );
    Some(MskIam::new(login))
}

/// Whether `sasl.login.callback.handler.class` names the handler that signs tokens.
pub(super) fn signs_tokens(settings: &Settings) -> bool {
    let class = settings.sasl_login_callback_handler_class.as_ref();
    class.is_some_and(|class| class.class() == "IAMOAuthBearerLoginCallbackHandler")
}

/// OAUTHBEARER with tokens that we sign ourselves.
pub(super) fn iam_oauth_bearer(
    settings: &Settings,
    options: &JaasOptions,
    faults: &mut Faults,
) -> Option<OAuthBearer> {
    let source = Box::new(IamTokenSource(Arc::new(chain(settings, options, faults)?)));
    let (rules, retry) = (refresh_rules(settings), login_retry(settings));
    Some(OAuthBearer::new(RefreshingLogin::new("a token for OAUTHBEARER", source, rules, retry)))
}

fn chain(settings: &Settings, options: &JaasOptions, faults: &mut Faults) -> Option<CredentialChain> {
    let tls = login_tls(options, faults);
    let options = faults.keep(AwsOptions::read(options));
    let tls = tls?;
    let http = ChainClients { outside: login_http(settings, &tls), inside: local_http(&tls) };
    Some(CredentialChain::new(options?, http))
}
