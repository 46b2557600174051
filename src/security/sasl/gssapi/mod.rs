//! Kerberos: the mechanism GSSAPI.
//!
//! Owns: from the settings and the options of `Krb5LoginModule` to the mechanism; tickets, the exchange. Must not know:
//! sockets, JAAS texts, other mechanisms.
//! Threads: whatever talks to a KDC, reads a file or runs `kinit` is work in the background; all else is the sender's.
//! Locks: that of the login, and that of the tickets for brokers.
//! Source: Java's `KerberosLogin`, `SaslClientAuthenticator`, JDK's `Krb5LoginModule` and `GssKrb5Client`; RFC 4752.

mod gss_exchange;
mod kerberos_errors;
mod kinit;
mod krb5_options;
mod security_layer;
#[cfg(test)]
mod test_realm;
mod tickets;

use std::time::Duration;

use crate::backoff::ExponentialBackoff;
use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::escape::Escaped;
use crate::security::sasl::login_settings::JaasOptions;
use crate::security::sasl::refresh_time::RefreshRules;
use crate::security::sasl::refreshing_login::RefreshingLogin;
pub(crate) use gss_exchange::Gssapi;
use kinit::Kinit;
use krb5_options::Krb5Options;
use tickets::KerberosLogin;

/// The mechanism; what is wrong is added to the faults. Reads `krb5.conf` and the keytab.
pub(super) fn gssapi(settings: &Settings, options: &JaasOptions, faults: &mut Faults) -> Option<Gssapi> {
    let service = faults.keep(service_name(settings, options));
    let options = Krb5Options::read(options, |why| faults.add(of_jaas(&why)))?;
    let login = KerberosLogin::new(options, Kinit::new(&settings.sasl_kerberos_kinit_cmd));
    faults.keep(login.check().map_err(|why| of_jaas(&why)))?;
    let shortest = settings.sasl_kerberos_min_time_before_relogin;
    let rules = RefreshRules {
        window_factor: finite(settings.sasl_kerberos_ticket_renew_window_factor),
        window_jitter: finite(settings.sasl_kerberos_ticket_renew_jitter),
        min_period: shortest,
        buffer: Duration::ZERO,
    };
    // A KDC may lock the account of whoever comes too often with a wrong key.
    let retry = ExponentialBackoff::new(FIRST_RETRY.min(shortest), shortest);
    let login = RefreshingLogin::new("a Kerberos ticket", Box::new(login), rules, retry);
    Some(Gssapi::new(login, &service?))
}

/// Java takes any number: what is none is as good as 0, which is as soon as the other settings let it.
fn finite(share: f64) -> f64 {
    if share.is_finite() { share } else { 0.0 }
}

/// The brokers' name, of either place; as in Java both may have it, if they agree.
fn service_name(settings: &Settings, options: &JaasOptions) -> Result<String, Error> {
    let of_setting = settings.sasl_kerberos_service_name.as_deref();
    let of_options = options.get("serviceName").map(|name| name.expose());
    match (of_options, of_setting) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(Error::config(format!(
            "Invalid value {} for configuration {SERVICE_NAME}: sasl.jaas.config has another serviceName",
            Escaped(settings.shown(SERVICE_NAME))
        ))),
        (Some(name), _) | (None, Some(name)) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        _ => Err(Error::config(format!(
            "Missing configuration {SERVICE_NAME}: sasl.mechanism=GSSAPI needs the name that the brokers have in Kerberos, \
             mostly kafka"
        ))),
    }
}

fn of_jaas(why: &str) -> Error {
    Error::config(format!("Invalid value [hidden] for configuration sasl.jaas.config: {why}"))
}

const SERVICE_NAME: &str = "sasl.kerberos.service.name";
/// After the first failure; twice as much after each further one, up to `sasl.kerberos.min.time.before.relogin`.
const FIRST_RETRY: Duration = Duration::from_secs(1);
