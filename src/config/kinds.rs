//! The types of the table as types of Rust: what a value of each of them is read as.
//!
//! Owns: one type for each `PropertyType`, under the same name, so that a row whose reader does not fit its type does not
//! compile. Must not know: which settings there are.

use super::property::{PropertyDescription, PropertyValue};
use super::values::Values;
use crate::properties::Named;
use crate::secret::Secret;

/// One type of values.
pub(super) trait ValueKind {
    type Read;

    /// What was set, or else the default.
    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read;
}

pub(super) struct Boolean;

impl ValueKind for Boolean {
    type Read = bool;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> bool {
        values.value(property) == PropertyValue::Boolean(true)
    }
}

pub(super) struct Int;

impl ValueKind for Int {
    type Read = i64;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> i64 {
        match values.value(property) {
            PropertyValue::Integer(number) => number,
            _ => 0,
        }
    }
}

pub(super) type Long = Int;
pub(super) type Short = Int;

pub(super) struct Double;

impl ValueKind for Double {
    type Read = f64;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> f64 {
        match values.value(property) {
            PropertyValue::Double(number) => number,
            _ => 0.0,
        }
    }
}

pub(super) struct Password;

impl ValueKind for Password {
    /// None where the value is Java's null.
    type Read = Option<Secret>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read {
        String::read(values, property).map(Secret::from)
    }
}

pub(super) struct String;

impl ValueKind for String {
    /// None where the value is Java's null.
    type Read = Option<std::string::String>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read {
        match values.value(property) {
            PropertyValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

pub(super) struct Class;

impl ValueKind for Class {
    /// None where the value is Java's null.
    type Read = Option<Named>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read {
        String::read(values, property).map(|name| values.named(property, name))
    }
}

pub(super) struct List;

impl ValueKind for List {
    type Read = Vec<Named>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Vec<Named> {
        match values.value(property) {
            PropertyValue::List(elements) => {
                elements.into_iter().map(|name| values.named(property, name)).collect()
            }
            _ => Vec::new(),
        }
    }
}
