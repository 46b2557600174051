//! `JaasEntry`: what `sasl.jaas.config` says: a login module and its options.
//!
//! Owns: the syntax, and the wording of what is wrong with a text. Must not know: which mechanism it is for.
//! Holds: an error names the place, and an option only if it is one that Kafka's modules have: what stands where a name
//! should stand may be a piece of a password. Values are overwritten when they are dropped.
//! Source: Kafka's `JaasConfig` and `JaasContext`. What is no text in the place of a name is refused, where Java goes on
//! without a name.

use std::collections::BTreeMap;
use std::fmt;

use super::stream_tokenizer::{JaasToken, PlacedToken, StreamTokenizer};
use crate::secret::Secret;

/// One login module with its options.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct JaasEntry {
    module: String,
    options: BTreeMap<String, Secret>,
}

/// The module's name, and nothing of its options: what stands there may be anything.
impl fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JaasEntry").field("module", &self.module).finish_non_exhaustive()
    }
}

impl JaasEntry {
    /// Reads the text. The error says what is wrong at which character, and never what stands there.
    pub(super) fn parse(text: &str) -> Result<JaasEntry, String> {
        let mut tokenizer = StreamTokenizer::new(text);
        let mut entries = Vec::new();
        loop {
            let PlacedToken { token, at } = tokenizer.next_token();
            match token {
                JaasToken::End => break,
                JaasToken::Text(module) if !module.is_empty() => {
                    entries.push(entry(module.to_string(), &mut tokenizer)?);
                }
                _ => return Err(format!("the name of a login module is expected at character {at}")),
            }
        }
        let count = entries.len();
        match entries.pop() {
            Some(only) if count == 1 => Ok(only),
            None => Err(format!("it is empty; {EXPECTED}")),
            Some(_) => Err(format!("it has {count} login modules, and has to have one")),
        }
    }

    /// The class name of the module.
    pub(super) fn module(&self) -> &str {
        &self.module
    }

    /// The value of an option, where it is there.
    pub(super) fn option(&self, name: &str) -> Option<&Secret> {
        self.options.get(name)
    }

    /// All options.
    pub(super) fn into_options(self) -> BTreeMap<String, Secret> {
        self.options
    }

    /// Whether an option says `true`, in any case.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.option(name).is_some_and(|value| value.expose().eq_ignore_ascii_case("true"))
    }
}

/// A module's flag and options, up to the semicolon.
fn entry(module: String, tokenizer: &mut StreamTokenizer<'_>) -> Result<JaasEntry, String> {
    let PlacedToken { token, at } = tokenizer.next_token();
    let is_flag = |text: &str| FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(text));
    match token {
        JaasToken::Text(text) if is_flag(&text) => {}
        _ => {
            let flags = FLAGS.join(", ");
            return Err(format!(
                "behind the login module, at character {at}, the control flag is expected, one of {flags}; {EXPECTED}"
            ));
        }
    }
    let mut options = BTreeMap::new();
    loop {
        let PlacedToken { token, at } = tokenizer.next_token();
        match token {
            JaasToken::Symbol(';') => return Ok(JaasEntry { module, options }),
            JaasToken::End => return Err(format!("the semicolon at its end is missing, at character {at}")),
            JaasToken::Text(name) => {
                let value = value(&name, tokenizer)?;
                options.insert(name.to_string(), value);
            }
            _ => {
                return Err(format!(
                    "the name of an option, or the semicolon at the end, is expected at character {at}; a value with \
                     other characters than letters, digits, '.', '-', '_' and '$' has to stand in double quotes"
                ));
            }
        }
    }
}

/// The equals sign and what follows.
fn value(name: &str, tokenizer: &mut StreamTokenizer<'_>) -> Result<Secret, String> {
    let name = match OPTIONS.contains(&name) {
        true => format!("the option {name}"),
        false => String::from("an option"),
    };
    let PlacedToken { token, at } = tokenizer.next_token();
    if !matches!(token, JaasToken::Symbol('=')) {
        return Err(format!(
            "{name} has no value: '=' is expected at character {at}; a value with blanks or other characters than letters, \
             digits, '.', '-', '_' and '$' has to stand in double quotes"
        ));
    }
    let PlacedToken { token, at } = tokenizer.next_token();
    match token {
        JaasToken::Text(value) => Ok(Secret::from(value.to_string())),
        JaasToken::Number => Err(format!(
            "the value of {name} begins with a digit, '.' or '-', at character {at}: it has to stand in double quotes"
        )),
        _ => Err(format!(
            "the value of {name} is expected at character {at}, in double quotes where it is not letters and digits alone"
        )),
    }
}

const EXPECTED: &str = "expected is: MODULE required OPTION=\"VALUE\" OPTION=\"VALUE\";";

const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

/// What the options of the known modules are called, as far as errors may name them.
const OPTIONS: [&str; 27] = [
    "awsProfileName",
    "awsRoleArn",
    "awsRoleSessionName",
    "awsStsRegion",
    "clientId",
    "clientSecret",
    "debug",
    "doNotPrompt",
    "isInitiator",
    "keyTab",
    "oauth.access.token",
    "oauth.client.id",
    "oauth.client.secret",
    "oauth.token.endpoint.uri",
    "password",
    "principal",
    "refreshKrb5Config",
    "renewTGT",
    "scope",
    "serviceName",
    "storeKey",
    "ticketCache",
    "tokenauth",
    "useKeyTab",
    "user",
    "username",
    "useTicketCache",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::jaas_text::quoted;

    fn options(text: &str) -> Vec<(String, String)> {
        let entry = JaasEntry::parse(text).unwrap();
        entry.options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
    }

    #[test]
    fn a_module_has_options_in_any_of_javas_ways_to_write_them() {
        let entry = JaasEntry::parse(
            "org.apache.kafka.common.security.plain.PlainLoginModule  REQUIRED\n  username=alice // who\n \
             password='it\"s' tokenauth=TRUE /* more */ \"a b\"=\"\\\"c\\\"\";",
        );
        let entry = entry.unwrap();
        assert_eq!(entry.module(), "org.apache.kafka.common.security.plain.PlainLoginModule");
        assert_eq!(entry.option("username").map(Secret::expose), Some("alice"));
        assert_eq!(entry.option("password").map(Secret::expose), Some("it\"s"));
        assert_eq!(entry.option("a b").map(Secret::expose), Some("\"c\""));
        assert!(entry.is_on("tokenauth") && !entry.is_on("username") && !entry.is_on("none"));
        assert_eq!(entry.options.len(), 4);
        // Azure's and Confluent Cloud's, as their pages have them.
        let azure = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"$ConnectionString\" \
                     password=\"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=a+b/c=\";";
        assert_eq!(
            options(azure),
            [
                (
                    "password".into(),
                    "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=a+b/c="
                        .into()
                ),
                ("username".into(), "$ConnectionString".into())
            ]
        );
        assert_eq!(options("m optional a=$ConnectionString a=last;"), [("a".into(), "last".into())]);
        assert_eq!(options("m sufficient;"), []);
    }

    #[test]
    fn what_is_wrong_is_said_by_place_and_known_name_and_never_by_value() {
        for (text, words) in [
            ("", "it is empty"),
            (" // tiger", "it is empty"),
            ("tiger", "at character 6, the control flag is expected"),
            ("username=tiger password=tiger", "at character 9, the control flag is expected"),
            ("m tiger username=x;", "at character 3, the control flag is expected"),
            ("m required password=\"tiger\"", "the semicolon at its end is missing, at character 28"),
            ("m required password=\"tiger;", "the semicolon at its end is missing"),
            (
                "m required password tiger;",
                "the option password has no value: '=' is expected at character 21",
            ),
            ("m required password=;", "the value of the option password is expected at character 21"),
            (
                "m required password=7tiger;",
                "the option password begins with a digit, '.' or '-', at character 21",
            ),
            ("m required password=-tiger;", "the value of the option password is expected at character 21"),
            ("m required password=tiger!x;", "is expected at character 26"),
            ("m required password=a tiger;", "an option has no value: '=' is expected at character 28"),
            ("m required password=a/tiger;", "the semicolon at its end is missing"),
            ("m required; n required;", "it has 2 login modules"),
            ("m required;;", "the name of a login module is expected at character 12"),
            ("\"\" required;", "the name of a login module is expected at character 1"),
            ("5 required;", "the name of a login module is expected at character 1"),
        ] {
            let error = JaasEntry::parse(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("tiger"), "{text}: {error}");
        }
        let entry = JaasEntry::parse("m required password=tiger tiger=tiger;").unwrap();
        assert!(!format!("{entry:?}").contains("tiger"));
    }

    #[test]
    fn what_was_quoted_is_read_as_it_was() {
        let mut random = fastrand::Rng::with_seed(1);
        let alphabet: Vec<char> = "ab01\"'\\\n\r\t ;=/*$\u{e4}\u{1f600}\u{0}\u{7f}".chars().collect();
        for _ in 0..5000 {
            let value: String =
                (0..random.usize(..12)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let text = format!("m required username=\"x\" password={};", quoted(&value));
            assert_eq!(options(&text), [("password".into(), value), ("username".into(), "x".into())]);
        }
    }
}
