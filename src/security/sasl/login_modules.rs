//! Which mechanisms there are, and which of Java's login modules belongs to each.
//!
//! Owns: both tables, and the errors for what is not in them. Must not know: what a mechanism does.
//! Holds: a mechanism with another's module is refused, although Java takes some such pairs: whoever writes one has
//! mixed up something, and that something is how his password travels.

use super::jaas::JaasEntry;
use crate::config::jaas_text::{PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE};
use crate::escape::Escaped;
use crate::nearest_name::nearest;

/// A mechanism, as `sasl.mechanism` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MechanismKind {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
    Gssapi,
    AwsMskIam,
}

/// Name, kind and login module of each.
const MECHANISMS: [(&str, MechanismKind, &str); 6] = [
    ("PLAIN", MechanismKind::Plain, PLAIN_LOGIN_MODULE),
    ("SCRAM-SHA-256", MechanismKind::ScramSha256, SCRAM_LOGIN_MODULE),
    ("SCRAM-SHA-512", MechanismKind::ScramSha512, SCRAM_LOGIN_MODULE),
    (
        "OAUTHBEARER",
        MechanismKind::OAuthBearer,
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
    ),
    ("GSSAPI", MechanismKind::Gssapi, "com.sun.security.auth.module.Krb5LoginModule"),
    ("AWS_MSK_IAM", MechanismKind::AwsMskIam, "software.amazon.msk.auth.iam.IAMLoginModule"),
];

impl MechanismKind {
    /// The mechanism of this name; the error is what would be accepted.
    pub(super) fn of(name: &str) -> Result<MechanismKind, String> {
        let known = MECHANISMS.iter().find(|(known, ..)| *known == name);
        known.map(|(_, kind, _)| *kind).ok_or_else(|| {
            let names: Vec<&str> = MECHANISMS.iter().map(|(name, ..)| *name).collect();
            let meant = names.iter().copied().find(|known| known.eq_ignore_ascii_case(name));
            let meant = meant.or_else(|| nearest(name, names.iter().copied()));
            let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            format!("expected one of {}{meant}", names.join(", "))
        })
    }

    pub(super) fn name(self) -> &'static str {
        self.row().map_or("", |(name, ..)| name)
    }

    /// The login module that belongs to it.
    pub(super) fn module(self) -> &'static str {
        self.row().map_or("", |(.., module)| module)
    }

    fn row(self) -> Option<&'static (&'static str, MechanismKind, &'static str)> {
        MECHANISMS.iter().find(|(_, kind, _)| *kind == self)
    }

    /// Whether this is its login module; the error says which would be. The class may stand under another package, as
    /// programs have it that carry Kafka's client in themselves (`kafkashaded.org.apache.kafka…`).
    pub(super) fn check_module(self, entry: &JaasEntry) -> Result<(), String> {
        let (given, wanted, name) = (entry.module(), self.module(), self.name());
        let is = |module: &str| {
            given.strip_suffix(module).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is(wanted) {
            return Ok(());
        }
        let others = MECHANISMS.iter().filter(|(.., module)| is(module));
        let others: Vec<&str> = others.map(|(name, ..)| *name).collect();
        if !others.is_empty() {
            let others = others.join(" and ");
            return Err(format!(
                "its login module is for {others}, but sasl.mechanism is {name}, whose module is {wanted}"
            ));
        }
        // The name of a class, and nothing else, may be shown.
        let is_class = given.contains('.')
            && given.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
        let given = if is_class { format!("{} ", Escaped(given)) } else { String::new() };
        Err(format!("its login module {given}is not known; for sasl.mechanism={name} it is {wanted}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(module: &str) -> JaasEntry {
        JaasEntry::parse(&format!("{module} required;")).unwrap()
    }

    #[test]
    fn mechanisms_are_found_by_their_names_alone() {
        for (name, kind, _) in MECHANISMS {
            assert_eq!((MechanismKind::of(name), kind.name()), (Ok(kind), name));
        }
        for (name, words) in [
            ("plain", "did you mean PLAIN?"),
            ("SCRAM-SHA256", "did you mean SCRAM-SHA-256?"),
            (
                "EXTERNAL",
                "expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI, AWS_MSK_IAM",
            ),
        ] {
            assert!(MechanismKind::of(name).unwrap_err().contains(words), "{name}");
        }
    }

    /// Behaviour 104.
    #[test]
    fn a_module_fits_its_mechanism_wherever_its_package_was_moved() {
        for (_, kind, module) in MECHANISMS {
            for prefix in ["", "kafkashaded.", "org.apache.flink.kafka.shaded."] {
                assert_eq!(kind.check_module(&entry(&format!("{prefix}{module}"))), Ok(()));
            }
            let error = kind.check_module(&entry(&format!("x{module}"))).unwrap_err();
            assert!(error.contains(module) && error.contains("is not known"), "{error}");
        }
        let error = MechanismKind::Plain.check_module(&entry(SCRAM_LOGIN_MODULE)).unwrap_err();
        assert!(
            error.contains("is for SCRAM-SHA-256 and SCRAM-SHA-512, but sasl.mechanism is PLAIN")
                && error.ends_with(PLAIN_LOGIN_MODULE),
            "{error}"
        );
        let error = MechanismKind::Plain.check_module(&entry("tiger")).unwrap_err();
        assert!(!error.contains("tiger"), "{error}");
    }
}
