//! `Krb5Options`: what the options of `Krb5LoginModule` ask for.
//!
//! Owns: their meaning, and which of them contradict each other. Must not know: keytabs, caches, KDCs.
//! Holds: what cannot be kept is an error that names the option; what means nothing here is a warning. Names that the
//! module does not have are not shown: they may be pieces of something else.
//! Source: JDK's `Krb5LoginModule`.

use crate::logging;
use crate::security::sasl::login_settings::JaasOptions;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilePlace {
    /// Where Kerberos has it.
    Usual,
    At(String),
}

/// What a login is made with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Krb5Options {
    /// Tickets that somebody else has got: tried first.
    pub(super) cache: Option<FilePlace>,
    /// The key of the principal.
    pub(super) keytab: Option<FilePlace>,
    /// Whose tickets and key.
    pub(super) principal: Option<String>,
    /// A ticket that is getting old is renewed when it is read.
    pub(super) renews: bool,
}

impl Krb5Options {
    /// Reads them; what is wrong is told, each by itself.
    pub(super) fn read(options: &JaasOptions, mut fault: impl FnMut(String)) -> Option<Krb5Options> {
        let reading = OptionReading(options);
        let place = |name| reading.text(name).map_or(FilePlace::Usual, FilePlace::At);
        let mut told = false;
        for why in reading.faults() {
            fault(why);
            told = true;
        }
        if told {
            return None;
        }
        reading.warn();
        Some(Krb5Options {
            cache: reading.is_on("useTicketCache").then(|| place("ticketCache")),
            keytab: reading.is_on("useKeyTab").then(|| place("keyTab")),
            principal: reading.text("principal"),
            renews: reading.is_on("renewTGT"),
        })
    }
}

struct OptionReading<'a>(&'a JaasOptions);

impl OptionReading<'_> {
    /// A value that is not empty.
    fn text(&self, name: &str) -> Option<String> {
        let text = self.0.get(name).map(|value| value.expose().trim().to_owned());
        text.filter(|text| !text.is_empty())
    }

    fn says(&self, name: &str, what: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.expose().eq_ignore_ascii_case(what))
    }

    fn is_on(&self, name: &str) -> bool {
        self.says(name, "true")
    }

    fn faults(&self) -> Vec<String> {
        let (cache, keytab) = (self.is_on("useTicketCache"), self.is_on("useKeyTab"));
        let mut faults = Vec::new();
        let mut fault = |is_one: bool, text: &str| {
            if is_one {
                faults.push(text.to_owned());
            }
        };
        fault(
            !cache && !keytab,
            "it needs useKeyTab=true with keyTab and principal, or useTicketCache=true: nobody is asked for a password",
        );
        fault(self.text("ticketCache").is_some() && !cache, "ticketCache needs useTicketCache=true");
        fault(self.text("keyTab").is_some() && !keytab, "keyTab needs useKeyTab=true");
        fault(self.is_on("renewTGT") && !cache, "renewTGT=true needs useTicketCache=true");
        fault(
            keytab && !cache && self.text("principal").is_none(),
            "useKeyTab=true needs principal: whose key in the keytab it is",
        );
        fault(
            self.says("isInitiator", "false"),
            "isInitiator=false is for brokers: a producer begins the login",
        );
        for name in ["useFirstPass", "tryFirstPass"] {
            let why = format!(
                "{name}=true cannot be kept: there is no login module before this one that has a password"
            );
            fault(self.is_on(name), &why);
        }
        faults
    }

    fn warn(&self) {
        for name in WITHOUT_MEANING {
            if self.is_on(name) {
                logging::warn!("sasl.jaas.config: {name}=true means nothing here");
            }
        }
        if self.is_on("debug") {
            logging::warn!("sasl.jaas.config: debug=true means nothing here; see the level debug of the log");
        }
        let is_known = |name: &str| KNOWN.contains(&name) || WITHOUT_MEANING.contains(&name);
        let unknown = self.0.keys().filter(|name| !is_known(name)).count();
        if unknown > 0 {
            logging::warn!(
                "sasl.jaas.config: {unknown} of its options are none of Krb5LoginModule's, and mean nothing"
            );
        }
    }
}

/// Passwords for other login modules.
const WITHOUT_MEANING: [&str; 2] = ["storePass", "clearPass"];

/// All others. Nobody is asked for anything (`doNotPrompt`), no key is handed on (`storeKey`), and `krb5.conf` is read at
/// each login (`refreshKrb5Config`), whatever they say.
const KNOWN: [&str; 14] = [
    "debug",
    "doNotPrompt",
    "isInitiator",
    "keyTab",
    "principal",
    "refreshKrb5Config",
    "renewTGT",
    "serviceName",
    "storeKey",
    "ticketCache",
    "tryFirstPass",
    "useFirstPass",
    "useKeyTab",
    "useTicketCache",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn read(pairs: &[(&str, &str)]) -> Result<Krb5Options, Vec<String>> {
        let options = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect();
        let mut faults = Vec::new();
        Krb5Options::read(&options, |why| faults.push(why)).ok_or(faults)
    }

    #[test]
    fn a_keytab_and_a_ticket_cache_are_what_a_login_is_made_with() {
        let file = [
            ("useKeyTab", "true"),
            ("storeKey", "true"),
            ("keyTab", "/etc/security/keytabs/kafka_client.keytab"),
            ("principal", "kafka-client-1@EXAMPLE.COM"),
        ];
        let expected = Krb5Options {
            cache: None,
            keytab: Some(FilePlace::At("/etc/security/keytabs/kafka_client.keytab".to_owned())),
            principal: Some("kafka-client-1@EXAMPLE.COM".to_owned()),
            renews: false,
        };
        assert_eq!(read(&file), Ok(expected));
        let cache =
            Krb5Options { cache: Some(FilePlace::Usual), keytab: None, principal: None, renews: false };
        assert_eq!(read(&[("useTicketCache", "TRUE")]), Ok(cache));
        let all = read(&[
            ("useTicketCache", "true"),
            ("ticketCache", "FILE:/run/tickets"),
            ("renewTGT", "true"),
            ("useKeyTab", "true"),
            ("doNotPrompt", "true"),
            ("refreshKrb5Config", "true"),
            ("debug", "true"),
            ("tiger", "true"),
        ]);
        let all = all.unwrap();
        assert_eq!(all.cache, Some(FilePlace::At("FILE:/run/tickets".to_owned())));
        assert!(all.keytab == Some(FilePlace::Usual) && all.renews, "{all:?}");
    }

    #[test]
    fn what_cannot_be_kept_is_an_error_that_names_the_option() {
        let keytab = [("useKeyTab", "true"), ("principal", "alice")];
        for (pairs, names) in [
            (&[][..], &["useKeyTab", "useTicketCache", "password"][..]),
            (&[("useKeyTab", "yes"), ("doNotPrompt", "false")], &["useKeyTab"]),
            (&[("useKeyTab", "true")], &["principal"]),
            (&[("useTicketCache", "true"), ("keyTab", "/k")], &["keyTab", "useKeyTab"]),
            (&[keytab[0], keytab[1], ("ticketCache", "/c")], &["ticketCache", "useTicketCache"]),
            (&[keytab[0], keytab[1], ("renewTGT", "true")], &["renewTGT", "useTicketCache"]),
            (&[keytab[0], keytab[1], ("isInitiator", "false")], &["isInitiator"]),
            (&[keytab[0], keytab[1], ("useFirstPass", "true")], &["useFirstPass"]),
            (&[keytab[0], keytab[1], ("tryFirstPass", "true")], &["tryFirstPass"]),
        ] {
            let faults = read(pairs).unwrap_err();
            let [fault] = &faults[..] else { panic!("{pairs:?}: {faults:?}") };
            assert!(names.iter().all(|name| fault.contains(name)), "{fault}");
        }
        let both = read(&[("ticketCache", "/tiger"), ("keyTab", "/tiger")]).unwrap_err();
        assert!(both.len() == 3 && !format!("{both:?}").contains("tiger"), "{both:?}");
    }
}
