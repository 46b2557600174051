//! `Values`: the settings that were set, each with its type, before the rules between them.
//!
//! Owns: look-up by name, and how a value may be shown. Must not know: rules between settings.
//! Holds: a value that came out of a variable is shown as the variable; what was refused counts as not set, and is not
//! missing either.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::choices::{Acks, MetadataRecoveryStrategy};
use super::faults::Faults;
use super::properties_table::{PROPERTIES, find};
use super::property::{PropertySupport, Value};
use super::remarks::Remarks;
use crate::error::Error;
use crate::properties::Named;

/// The values that were set, by name; everything else has its default.
pub(super) struct Values<'a> {
    set: HashMap<&'static str, Value>,
    /// As they were written.
    pub(super) given: &'a BTreeMap<String, String>,
    /// With variables replaced.
    pub(super) replaced: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    pub(super) fn parse(
        given: &'a BTreeMap<String, String>,
        replaced: &'a BTreeMap<String, String>,
        remarks: &mut Remarks,
        faults: &mut Faults,
    ) -> Self {
        let mut set = HashMap::new();
        for property in PROPERTIES {
            let name = property.name();
            let Some(text) = replaced.get(name) else { continue };
            let shown = given.get(name).unwrap_or(text);
            let Some(value) = faults.keep(property.parse(text, shown)) else { continue };
            if property.support() == PropertySupport::NoEffect {
                remarks.warn(format!("{name} has no effect here: it means something only inside a JVM"));
            }
            if let Value::List(elements) = &value
                && !elements.is_empty()
                && elements.len() < text.split(',').count()
            {
                remarks.warn(format!("{name} has repeated values; each counts once"));
            }
            set.insert(name, value);
        }
        Values { set, given, replaced }
    }

    /// Whether there is a value that counts.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// Whether a value was set and refused: nothing more can be said about it.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.given.contains_key(name) && !self.is_set(name)
    }

    /// Whether any part of the value came out of a variable.
    pub(super) fn is_variable(&self, name: &str) -> bool {
        self.given.get(name) != self.replaced.get(name)
    }

    /// The value as an error or the log may have it.
    pub(super) fn shown(&self, name: &str) -> String {
        match self.given.get(name).filter(|_| self.is_variable(name)) {
            Some(written) => written.clone(),
            None => self.value(name).to_string(),
        }
    }

    /// The error for a value that another setting does not allow.
    pub(super) fn refuse(&self, name: &'static str, expected: impl fmt::Display) -> Error {
        match find(name) {
            Some(property) => property.refuse(&self.shown(name), expected),
            None => Error::config(format!("Invalid value for configuration {name}: {expected}")),
        }
    }

    pub(super) fn value(&self, name: &str) -> Value {
        match self.set.get(name) {
            Some(value) => value.clone(),
            None => find(name).map_or(Value::Null, |property| property.default_value()),
        }
    }

    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Integer(number) => number,
            _ => 0,
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        self.value(name) == Value::Boolean(true)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.text_if_set(name).unwrap_or_default()
    }

    /// `None` where the value is Java's null.
    pub(super) fn text_if_set(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(elements) => elements,
            _ => Vec::new(),
        }
    }

    /// The name of a part; `None` where the value is Java's null.
    pub(super) fn named(&self, name: &str) -> Option<Named> {
        self.text_if_set(name).map(|text| self.named_as(name, text))
    }

    /// The names of several parts.
    pub(super) fn all_named(&self, name: &str) -> Vec<Named> {
        self.list(name).into_iter().map(|element| self.named_as(name, element)).collect()
    }

    fn named_as(&self, setting: &str, name: String) -> Named {
        let shown = if self.is_variable(setting) { self.shown(setting) } else { name.clone() };
        Named { name, shown }
    }

    pub(super) fn acks(&self) -> Acks {
        Acks::from_text(&self.text("acks"))
    }

    pub(super) fn millis(&self, name: &str) -> Duration {
        self.millis_unless_negative(name).unwrap_or_default()
    }

    pub(super) fn millis_unless_zero(&self, name: &str) -> Option<Duration> {
        Some(self.millis(name)).filter(|time| !time.is_zero())
    }

    pub(super) fn recovery_strategy(&self) -> MetadataRecoveryStrategy {
        MetadataRecoveryStrategy::from_text(&self.text("metadata.recovery.strategy"))
    }

    pub(super) fn millis_unless_negative(&self, name: &str) -> Option<Duration> {
        let millis = u64::try_from(self.integer(name)).ok()?;
        Some(Duration::from_millis(millis).min(LONGEST))
    }

    pub(super) fn bytes(&self, name: &str) -> usize {
        let number = self.integer(name);
        usize::try_from(number).unwrap_or(if number < 0 { 0 } else { usize::MAX })
    }

    pub(super) fn bytes_unless_negative(&self, name: &str) -> Option<usize> {
        (self.integer(name) >= 0).then(|| self.bytes(name))
    }

    /// What has no default must be set, unless its part was given as a value.
    pub(super) fn required(&self, given_as_value: &[&str], faults: &mut Faults) {
        for name in PROPERTIES.iter().filter(|property| property.is_required()).map(|row| row.name()) {
            if !given_as_value.contains(&name) && !self.given.contains_key(name) {
                faults.add(Error::config(format!(
                    "Missing required configuration \"{name}\" which has no default value."
                )));
            }
        }
    }

    /// Refuses what is known but not built, unless it is set to what it is anyway.
    pub(super) fn supported(&self, faults: &mut Faults) {
        for property in PROPERTIES.iter().filter(|property| property.support() == PropertySupport::NotBuilt) {
            let name = property.name();
            if self.set.get(name).is_none_or(|value| property.is_default(value)) {
                continue;
            }
            let shown = self.given.get(name).map_or("", String::as_str);
            let accepted = match property.default() {
                None => String::from("leave it unset"),
                Some("") => String::from("leave it unset or empty"),
                Some(default) => format!("only its default is accepted: {default}"),
            };
            faults.add(property.refuse(
                shown,
                format_args!("this setting is not supported by this version of kafka-producer, {accepted}"),
            ));
        }
    }
}

/// A century: longer times are cut to it, so that adding one to an instant never overflows.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
