//! The types of the table as types of Rust: what a value of each of them is read as.
//!
//! Owns: one type for each `PropertyType`, under the same name, so that a row whose reader does not fit its type does not
//! compile. Must not know: which settings there are.

use super::property::{PropertyDescription, Value};
use super::values::Values;
use crate::properties::Named;

/// One type of values.
pub(super) trait Kind {
    type Read;

    /// What was set, or else the default.
    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read;
}

pub(super) struct Boolean;

impl Kind for Boolean {
    type Read = bool;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> bool {
        values.value(property) == Value::Boolean(true)
    }
}

pub(super) struct Int;

impl Kind for Int {
    type Read = i64;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> i64 {
        match values.value(property) {
            Value::Integer(number) => number,
            _ => 0,
        }
    }
}

pub(super) type Long = Int;

pub(super) struct String;

impl Kind for String {
    /// None where the value is Java's null.
    type Read = Option<std::string::String>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read {
        match values.value(property) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

pub(super) struct Class;

impl Kind for Class {
    /// None where the value is Java's null.
    type Read = Option<Named>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Self::Read {
        String::read(values, property).map(|name| values.named(property, name))
    }
}

pub(super) struct List;

impl Kind for List {
    type Read = Vec<Named>;

    fn read(values: &Values<'_>, property: &PropertyDescription) -> Vec<Named> {
        match values.value(property) {
            Value::List(elements) => elements.into_iter().map(|name| values.named(property, name)).collect(),
            _ => Vec::new(),
        }
    }
}
