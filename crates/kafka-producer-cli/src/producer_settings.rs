//! The producer's settings as both programs are given them: a properties file, and pairs `NAME=VALUE`.
//!
//! Owns: the flag `--command-config` and the reading of pairs. Must not know: what each program sets by flags of its own.
//! Holds: no text here has a value in it, since it may be a secret.
//! Source: Kafka's `CommandLineUtils.parseKeyValueArgs`; KIP-1147 for the names of the flags.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use kafka_producer::ProducerConfig;

use crate::complaint::Complaint;

/// The file of settings.
#[derive(Args, Debug)]
pub(crate) struct SettingsFile {
    /// Java properties file with the producer's settings; what is given by flags wins over it
    #[arg(
        long = "command-config",
        visible_alias = "producer.config",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Producer"
    )]
    pub(crate) command_config: Option<PathBuf>,
}

impl SettingsFile {
    /// The file's settings, with the pairs on top of them. `flag` is what the pairs were given by.
    ///
    /// # Errors
    /// The file cannot be read or has values that are not accepted; a pair has no `=`. Values of pairs are checked with
    /// everything else, when the producer is created.
    pub(crate) fn with_pairs(&self, flag: &str, pairs: &[String]) -> Result<ProducerConfig, Complaint> {
        let mut config = match &self.command_config {
            Some(path) => ProducerConfig::from_file(path)?,
            None => ProducerConfig::new(),
        };
        for pair in pairs {
            let is_known = |name: &str| ProducerConfig::reference().any(|setting| setting.name() == name);
            let (name, value) = name_and_value(flag, pair, is_known)?;
            config = config.set(name, value);
        }
        Ok(config)
    }
}

/// The two parts of a pair; the value may have a `=` in it, and may be empty.
pub(crate) fn name_and_value<'a>(
    flag: &str,
    pair: &'a str,
    is_known: impl Fn(&str) -> bool,
) -> Result<(&'a str, &'a str), Complaint> {
    match pair.split_once('=') {
        Some(("", _)) => {
            Err(Complaint::of_usage(format!("{flag} has no name before the '=': expected NAME=VALUE")))
        }
        Some(parts) => Ok(parts),
        // What is no name may be a word of a password.
        None if is_known(pair) => Err(Complaint::of_usage(format!(
            "{flag} {pair} has no value: expected NAME=VALUE, as in {pair}=…"
        ))),
        None => Err(Complaint::of_usage(format!(
            "{flag} has no '=' in it: expected NAME=VALUE; a value with spaces in it needs quotation marks"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_parted_at_its_first_equals_sign() {
        let none_is_known = |_: &str| false;
        assert_eq!(name_and_value("--x", "a=b=c", none_is_known), Ok(("a", "b=c")));
        assert_eq!(name_and_value("--x", "a=", none_is_known), Ok(("a", "")));
    }

    #[test]
    fn a_pair_without_a_value_is_told_and_nothing_that_may_be_a_secret_is_shown() {
        let refused = |pair, text: &str| {
            let told = name_and_value("--command-property", pair, |name| name == "acks");
            assert_eq!(told, Err(Complaint::of_usage(text)));
        };
        refused("acks", "--command-property acks has no value: expected NAME=VALUE, as in acks=…");
        let text = "--command-property has no '=' in it: expected NAME=VALUE; a value with spaces in it needs quotation marks";
        refused("hunter", text);
        refused("=x", "--command-property has no name before the '=': expected NAME=VALUE");
    }
}
