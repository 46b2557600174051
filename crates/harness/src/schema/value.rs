//! A message without its schema: a tree of values.

use std::fmt;
use std::ops::Index;

/// A value in a message. Whole numbers of all widths are one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Uuid([u8; 16]),
    String(String),
    /// Also record batches: they are not looked into.
    Bytes(Vec<u8>),
    Array(Vec<SchemaValue>),
    /// The fields of this version, with Kafka's names, in Kafka's order.
    Struct(Vec<(String, SchemaValue)>),
}

impl SchemaValue {
    /// A field of a struct.
    pub fn get(&self, name: &str) -> Option<&SchemaValue> {
        match self {
            SchemaValue::Struct(fields) => {
                fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Puts another value in the place of a field.
    pub fn set(&mut self, name: &str, value: SchemaValue) {
        let SchemaValue::Struct(fields) = self else { panic!("no struct: {self:?}") };
        let field = fields.iter_mut().find(|(field, _)| field == name);
        field.unwrap_or_else(|| panic!("there is no {name}")).1 = value;
    }

    /// The elements of an array.
    pub fn elements(&self) -> &[SchemaValue] {
        match self {
            SchemaValue::Array(elements) => elements,
            _ => panic!("no array: {self:?}"),
        }
    }

    /// A whole number.
    pub fn int(&self) -> i64 {
        match self {
            SchemaValue::Int(number) => *number,
            _ => panic!("no number: {self:?}"),
        }
    }

    /// Text, or none for null.
    pub fn text(&self) -> Option<&str> {
        match self {
            SchemaValue::String(text) => Some(text),
            SchemaValue::Null => None,
            _ => panic!("no string: {self:?}"),
        }
    }

    /// Bytes or records, or none for null.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            SchemaValue::Bytes(bytes) => Some(bytes),
            SchemaValue::Null => None,
            _ => panic!("no bytes: {self:?}"),
        }
    }
}

impl Index<&str> for SchemaValue {
    type Output = SchemaValue;

    fn index(&self, name: &str) -> &SchemaValue {
        self.get(name).unwrap_or_else(|| panic!("there is no {name} in {self:?}"))
    }
}

impl Index<usize> for SchemaValue {
    type Output = SchemaValue;

    fn index(&self, index: usize) -> &SchemaValue {
        &self.elements()[index]
    }
}

impl PartialEq<&str> for SchemaValue {
    fn eq(&self, other: &&str) -> bool {
        matches!(self, SchemaValue::String(text) if text == other)
    }
}

impl PartialEq<i64> for SchemaValue {
    fn eq(&self, other: &i64) -> bool {
        matches!(self, SchemaValue::Int(number) if number == other)
    }
}

impl PartialEq<bool> for SchemaValue {
    fn eq(&self, other: &bool) -> bool {
        matches!(self, SchemaValue::Bool(truth) if truth == other)
    }
}

/// What does not fit the schema, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    path: Vec<String>,
    what: String,
}

impl SchemaError {
    pub fn new(what: impl Into<String>) -> SchemaError {
        SchemaError { path: Vec::new(), what: what.into() }
    }

    /// Adds where it was, from the inside out.
    pub fn at(mut self, place: impl Into<String>) -> SchemaError {
        self.path.insert(0, place.into());
        self
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.join("."), self.what)
    }
}

impl std::error::Error for SchemaError {}
