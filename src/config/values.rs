//! `Values`: the settings that were set, each with its type, before the rules between them.
//!
//! Owns: look-up by row, and how a value may be shown. Must not know: rules between settings.
//! Holds: a value that came out of a variable is shown as the variable; what was refused counts as not set, and is not
//! missing either.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::choices::{Choice, SecurityProtocol};
use super::faults::Faults;
use super::properties_table::{PROPERTIES, find};
use super::property::{PropertyDescription, PropertySupport, PropertyValue};
use super::remarks::Remarks;
use super::suggestion::suggested;
use crate::error::Error;
use crate::escape::Escaped;
use crate::properties::Named;

/// The values that were set, by name; everything else has its default.
pub(super) struct Values<'a> {
    set: HashMap<&'static str, PropertyValue>,
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
            if property.is_unset_by(text) {
                match never_empty(name) {
                    Some(expected) => faults.add(refuse_empty(name, expected)),
                    None if property.is_required() => {}
                    None => remarks.warn(counts_as_not_set(name)),
                }
                continue;
            }
            let shown = given.get(name).unwrap_or(text);
            let Some(value) = faults.keep(property.parse(text, shown)) else { continue };
            // What is switched off is off anyway.
            let is_off = property.is_default(&value) || value == PropertyValue::Boolean(false);
            if property.support() == PropertySupport::Ignored && !is_off {
                remarks.warn(format!("{name} has no effect on this producer"));
            }
            if let PropertyValue::List(elements) = &value
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
    pub(super) fn is_set(&self, property: &PropertyDescription) -> bool {
        self.set.contains_key(property.name())
    }

    /// Whether a value was set and refused: nothing more can be said about it.
    pub(super) fn is_refused(&self, property: &PropertyDescription) -> bool {
        self.given.contains_key(property.name()) && !self.is_set(property) && !self.is_unset(property)
    }

    /// Whether there is only a text that stands for no value.
    pub(super) fn is_unset(&self, property: &PropertyDescription) -> bool {
        self.replaced.get(property.name()).is_some_and(|text| property.is_unset_by(text))
    }

    /// Whether any part of the value came out of a variable.
    pub(super) fn is_variable(&self, property: &PropertyDescription) -> bool {
        self.given.get(property.name()) != self.replaced.get(property.name())
    }

    /// The value as an error or the log may have it.
    pub(super) fn shown(&self, property: &PropertyDescription) -> String {
        match self.given.get(property.name()).filter(|_| self.is_variable(property)) {
            Some(written) => written.clone(),
            None => self.value(property).to_string(),
        }
    }

    /// The error for a value that another setting does not allow.
    pub(super) fn refuse(&self, property: &PropertyDescription, expected: impl fmt::Display) -> Error {
        property.refuse(&self.shown(property), expected)
    }

    /// What was set, or else the default.
    pub(super) fn value(&self, property: &PropertyDescription) -> PropertyValue {
        self.set.get(property.name()).cloned().unwrap_or_else(|| property.default_value())
    }

    /// A name in this setting, and what messages show in its place.
    pub(super) fn named(&self, property: &PropertyDescription, name: String) -> Named {
        let shown = if self.is_variable(property) { self.shown(property) } else { name.clone() };
        Named { name, shown }
    }

    /// What has no default must be set, unless its part was given as a value.
    pub(super) fn required(&self, given_as_value: &[&str], remarks: &mut Remarks, faults: &mut Faults) {
        for property in PROPERTIES.iter().filter(|property| property.is_required()) {
            let name = property.name();
            let is_empty = self.is_unset(property);
            match given_as_value.contains(&name) {
                true if is_empty => remarks.warn(counts_as_not_set(name)),
                false if is_empty || !self.given.contains_key(name) => {
                    let end = if is_empty { ": it is empty" } else { "." };
                    faults.add(Error::config(format!(
                        "Missing required configuration \"{name}\" which has no default value{end}{}",
                        self.way_out(property)
                    )));
                }
                _ => {}
            }
        }
    }

    /// What may have been meant for a setting that is missing, or can be done in its place.
    fn way_out(&self, missing: &PropertyDescription) -> String {
        let wanted = missing.name();
        let is_meant = |name: &&String| {
            let is_below = name.strip_suffix(wanted).is_some_and(|prefix| prefix.ends_with('.'));
            is_below || (find(name).is_none() && suggested(name) == Some(wanted))
        };
        match self.given.keys().find(is_meant) {
            Some(name) => format!(" (There is \"{}\", which is not a known setting.)", Escaped(name)),
            None if wanted.ends_with(".serializer") => WITHOUT_NAMES.to_owned(),
            None => String::new(),
        }
    }

    /// Refuses what is known but not supported, unless it is set to what it is anyway. As in Java, settings of TLS and of
    /// SASL do not matter where `protocol` has neither; that is told.
    pub(super) fn supported(&self, protocol: SecurityProtocol, remarks: &mut Remarks, faults: &mut Faults) {
        let mut idle = Vec::new();
        for property in PROPERTIES.iter().filter(|property| property.support() != PropertySupport::Ignored) {
            let name = property.name();
            if self.set.get(name).is_none_or(|value| property.is_default(value)) {
                continue;
            }
            let is_idle = (name.starts_with("ssl.") && !protocol.has_tls())
                || (name.starts_with("sasl.") && !protocol.has_sasl());
            if is_idle {
                idle.push(name);
                continue;
            }
            if property.support() == PropertySupport::Supported {
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
        if !idle.is_empty() {
            let (names, protocol) = (idle.join(", "), protocol.text());
            let verb = if idle.len() == 1 { "has" } else { "have" };
            remarks.warn(format!("{names} {verb} no effect with security.protocol={protocol}"));
        }
    }
}

fn counts_as_not_set(name: &str) -> String {
    format!("{name} is empty, which counts as not set")
}

/// The error for an empty text, where that cannot count as not set; `expected` is what would be accepted.
pub(super) fn refuse_empty(name: &str, expected: impl fmt::Display) -> Error {
    Error::config(format!("Invalid value (empty) for configuration {name}: {expected}"))
}

/// Settings whose default is not what somebody wants who has left them empty, and what they expect.
fn never_empty(name: &str) -> Option<&'static str> {
    match name {
        // Without one there would be no transactions, and nobody would be told.
        "transactional.id" => Some("it must name the producer; without transactions leave it out"),
        "security.protocol" => {
            Some("it must say how brokers are connected; for PLAINTEXT leave it out or say so")
        }
        _ => None,
    }
}

/// Serializers need not be named.
const WITHOUT_NAMES: &str =
    " (For text, bytes and numbers KafkaProducer::builder(config).default_serializers() needs none.)";
