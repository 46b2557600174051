//! What several logins read of the settings.
//!
//! Owns: the options of `sasl.jaas.config`, `sasl.login.refresh.*`, `sasl.login.retry.backoff.*`. Must not know: which
//! mechanism it is for.

use std::collections::BTreeMap;

use super::refresh_time::RefreshRules;
use crate::backoff::ExponentialBackoff;
use crate::config::Settings;
use crate::secret::Secret;

/// The options of the login module in `sasl.jaas.config`.
pub(super) type JaasOptions = BTreeMap<String, Secret>;

/// `sasl.login.refresh.*`
pub(super) fn refresh_rules(settings: &Settings) -> RefreshRules {
    RefreshRules {
        window_factor: settings.sasl_login_refresh_window_factor,
        window_jitter: settings.sasl_login_refresh_window_jitter,
        min_period: settings.sasl_login_refresh_min_period,
        buffer: settings.sasl_login_refresh_buffer,
    }
}

/// `sasl.login.retry.backoff.*`
pub(super) fn login_retry(settings: &Settings) -> ExponentialBackoff {
    ExponentialBackoff::new(settings.sasl_login_retry_backoff, settings.sasl_login_retry_backoff_max)
}
