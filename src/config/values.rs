//! `Values`: the settings that were set, each with its type, before the rules between them.
//!
//! Owns: look-up by row, and how a value may be shown. Must not know: rules between settings.
//! Holds: a value that came out of a variable is shown as the variable; what was refused counts as not set, and is not
//! missing either.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::faults::Faults;
use super::properties_table::PROPERTIES;
use super::property::{PropertyDescription, PropertySupport, Value};
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
    pub(super) fn is_set(&self, property: &PropertyDescription) -> bool {
        self.set.contains_key(property.name())
    }

    /// Whether a value was set and refused: nothing more can be said about it.
    pub(super) fn is_refused(&self, property: &PropertyDescription) -> bool {
        self.given.contains_key(property.name()) && !self.is_set(property)
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
    pub(super) fn value(&self, property: &PropertyDescription) -> Value {
        self.set.get(property.name()).cloned().unwrap_or_else(|| property.default_value())
    }

    /// A name in this setting, and what messages show in its place.
    pub(super) fn named(&self, property: &PropertyDescription, name: String) -> Named {
        let shown = if self.is_variable(property) { self.shown(property) } else { name.clone() };
        Named { name, shown }
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
