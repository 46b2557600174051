//! `PropertyDescription`: what one row of the table says, and how a value's text becomes a value, as Java's
//! `ConfigDef` does it.
//!
//! Owns: types, ranges, conversion and the wording of a refused value. Must not know: which properties exist.
//! Holds: the text of a secret never leaves through an error.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::error::Error;
use crate::escape::Escaped;

/// One setting, as the reference lists it: [`ProducerConfig::reference`](crate::ProducerConfig::reference).
#[derive(Debug, Clone, Copy)]
pub struct PropertyDescription {
    pub(super) name: &'static str,
    pub(super) kind: PropertyType,
    pub(super) default: Preset,
    pub(super) rule: Rule,
    pub(super) importance: Importance,
    pub(super) origin: PropertyOrigin,
    pub(super) support: PropertySupport,
    pub(super) doc: &'static str,
}

/// What sort of value a setting takes. The names are those of Java's `ConfigDef.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertyType {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// Text, without the blanks around it.
    String,
    /// Text that is printed as `[hidden]`.
    Password,
    /// Texts separated by commas.
    List,
    /// The name of a class in Java, here the name of a stock or registered part.
    Class,
}

/// How much a setting matters, as Java's reference has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Importance {
    /// Look at it before going into production.
    High,
    /// Worth knowing.
    Medium,
    /// Seldom changed.
    Low,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertyOrigin {
    /// Kafka's own producer has it, in 4.3 or earlier.
    Kafka,
    /// Kafka's own producer has it since 4.4.
    Kafka44,
    /// Kafka's own producer has it, but does not document it.
    Internal,
    /// Only this crate has it.
    Ours,
}

/// What this version of the crate does with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertySupport {
    /// It does what its description says.
    Supported,
    /// It has no effect here and needs none: every value is accepted, with a warning in the log.
    Ignored,
    /// It is not supported, and ignoring it would break what it promises: any value but the default is an error that names the
    /// setting.
    Refused,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    Required,
    Null,
    Text(&'static str),
}

/// What a value must satisfy beyond its type; the counterpart of Java's `ConfigDef.Validator`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// A range, or one value outside it.
    BetweenOr(i64, i64, i64),
    BetweenReal(f64, f64),
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    NonEmpty,
}

/// A value that has its type and satisfies its rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PropertyValue {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
}

impl PropertyDescription {
    /// The name, for instance `batch.size`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The sort of value.
    pub fn property_type(&self) -> PropertyType {
        self.kind
    }

    /// The default as Java writes it, an empty text for an empty list; `None` where there is none (Java: `null`, or
    /// a required setting).
    pub fn default(&self) -> Option<&'static str> {
        match self.default {
            Preset::Text(text) => Some(text),
            Preset::Null | Preset::Required => None,
        }
    }

    /// Whether the producer cannot start without it.
    pub fn is_required(&self) -> bool {
        matches!(self.default, Preset::Required)
    }

    /// What is accepted, in words, for instance `at least 0`; empty where everything of the type is.
    pub fn accepted(&self) -> String {
        self.rule.to_string()
    }

    /// How much it matters.
    pub fn importance(&self) -> Importance {
        self.importance
    }

    /// Whether it is Kafka's or ours, and if it is one of the newest.
    pub fn origin(&self) -> PropertyOrigin {
        self.origin
    }

    /// What this version of the crate does with it.
    pub fn support(&self) -> PropertySupport {
        self.support
    }

    /// What it does, in which unit, and what it affects.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind == PropertyType::Password
    }

    /// The value as errors and logs may show it: no secret, and no login in an address (`user:password@host:9092`), no
    /// query of a URL.
    pub(super) fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let is_url = self.name.ends_with(".url");
        let has_addresses = self.name == "bootstrap.servers" || is_url;
        let query = text.find('?').filter(|_| is_url);
        let (text_before, query) = text.split_at(query.unwrap_or(text.len()));
        let query = if query.is_empty() { "" } else { "?[hidden]" };
        match text_before.rsplit_once('@').filter(|_| has_addresses) {
            _ if self.is_secret() => Cow::Borrowed(HIDDEN),
            // A password may hold anything, commas and colons, too: all before it goes.
            Some((_, host)) => Cow::Owned(format!("{HIDDEN}@{host}{query}")),
            None if query.is_empty() => Cow::Borrowed(text),
            None => Cow::Owned(format!("{text_before}{query}")),
        }
    }

    /// The error for a value that is refused: setting, value, and what would be accepted.
    pub(super) fn refuse(&self, shown: &str, expected: impl fmt::Display) -> Error {
        let shown = self.shown(shown);
        let shown = Escaped(&shown);
        Error::config(format!("Invalid value {shown} for configuration {}: {expected}", self.name))
    }

    /// Whether a text stands for no value at all: it is empty, and this setting has no empty value.
    pub(super) fn is_unset_by(&self, text: &str) -> bool {
        trim(text).is_empty() && self.parse(text, text).is_err()
    }

    /// Converts and checks a text. `shown` is what an error prints in its place: the text as it was written, before
    /// variables were replaced.
    pub(super) fn parse(&self, text: &str, shown: &str) -> Result<PropertyValue, Error> {
        let text = trim(text);
        let value = match self.kind {
            PropertyType::Boolean => boolean(text),
            PropertyType::Short => integer(text, i64::from(i16::MIN), i64::from(i16::MAX)),
            PropertyType::Int => integer(text, i64::from(i32::MIN), i64::from(i32::MAX)),
            PropertyType::Long => integer(text, i64::MIN, i64::MAX),
            PropertyType::Double => text.parse().ok().map(PropertyValue::Double),
            PropertyType::String | PropertyType::Password => Some(PropertyValue::Text(text.to_owned())),
            PropertyType::Class if text.is_empty() => None,
            PropertyType::Class => Some(PropertyValue::Text(text.to_owned())),
            PropertyType::List => list(text).map(PropertyValue::List),
        };
        match value {
            None => Err(self.refuse(shown, self.expected())),
            Some(value) if self.rule.allows(&value) => Ok(value),
            Some(_) => Err(self.refuse(shown, format_args!("Value must be {}", self.rule))),
        }
    }

    /// The default; `Null` where there is none.
    pub(super) fn default_value(&self) -> PropertyValue {
        match self.default {
            Preset::Text(text) => self.parse(text, text).unwrap_or(PropertyValue::Null),
            Preset::Null | Preset::Required => PropertyValue::Null,
        }
    }

    /// Whether a value means the same as the default.
    pub(super) fn is_default(&self, value: &PropertyValue) -> bool {
        match (value, &self.default_value(), self.rule) {
            (PropertyValue::Text(a), PropertyValue::Text(b), Rule::OneOfAnyCase(_)) => {
                a.eq_ignore_ascii_case(b)
            }
            (a, b, _) => a == b,
        }
    }

    /// What the type asks for, with the rule where the type alone does not say it.
    fn expected(&self) -> String {
        let expected = match self.kind {
            PropertyType::Boolean => "Expected value to be either true or false",
            PropertyType::Short => "Not a number of type short (-32768 to 32767)",
            PropertyType::Int => "Not a number of type int (-2147483648 to 2147483647)",
            PropertyType::Long => "Not a number of type long (64 bits)",
            PropertyType::Double => "Not a number of type double",
            PropertyType::List => "The elements of the list must not be empty",
            PropertyType::String | PropertyType::Password => "Expected a text",
            PropertyType::Class => "Expected a name",
        };
        let expected = match self.rule.to_string() {
            rule if rule.is_empty() => expected.to_owned(),
            rule => format!("{expected}; it must be {rule}"),
        };
        match self.unit() {
            Some(unit) => format!("{expected}; it is counted in {unit}, and written without the unit"),
            None => expected,
        }
    }

    /// What a number counts, where that is a time or a size.
    fn unit(&self) -> Option<&'static str> {
        let is_number = matches!(self.kind, PropertyType::Short | PropertyType::Int | PropertyType::Long);
        let last = self.name.rsplit('.').next().filter(|_| is_number)?;
        match last {
            "ms" => Some("milliseconds"),
            "us" => Some("microseconds"),
            "seconds" => Some("seconds"),
            "bytes" | "size" | "memory" => Some("bytes"),
            _ => None,
        }
    }
}

impl Rule {
    fn allows(self, value: &PropertyValue) -> bool {
        match (self, value) {
            (Rule::AtLeast(low), PropertyValue::Integer(n)) => *n >= low,
            (Rule::Between(low, high), PropertyValue::Integer(n)) => (low..=high).contains(n),
            (Rule::BetweenOr(low, high, also), PropertyValue::Integer(n)) => {
                (low..=high).contains(n) || *n == also
            }
            (Rule::BetweenReal(low, high), PropertyValue::Double(x)) => (low..=high).contains(x),
            (Rule::OneOf(names), PropertyValue::Text(text)) => names.contains(&text.as_str()),
            (Rule::OneOfAnyCase(names), PropertyValue::Text(text)) => {
                names.iter().any(|name| name.eq_ignore_ascii_case(text))
            }
            (Rule::NonEmpty, PropertyValue::Text(text)) => !text.is_empty(),
            (Rule::NonEmpty, PropertyValue::List(elements)) => !elements.is_empty(),
            _ => true,
        }
    }
}

/// Reads after "Value must be".
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Any => Ok(()),
            Rule::AtLeast(low) => write!(f, "at least {low}"),
            Rule::Between(low, high) => write!(f, "between {low} and {high}"),
            Rule::BetweenOr(low, high, also) => write!(f, "between {low} and {high}, or {also}"),
            Rule::BetweenReal(low, high) => write!(f, "between {low:?} and {high:?}"),
            Rule::OneOf(names) => write!(f, "one of: {}", names.join(", ")),
            Rule::OneOfAnyCase(names) => write!(f, "one of (case insensitive): {}", names.join(", ")),
            Rule::NonEmpty => f.write_str("non-empty"),
        }
    }
}

/// As Java's log writes it: `null`, `true`, `16384`, `[a, b]`.
impl fmt::Display for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyValue::Null => f.write_str("null"),
            PropertyValue::Boolean(value) => write!(f, "{value}"),
            PropertyValue::Integer(number) => write!(f, "{number}"),
            PropertyValue::Double(number) => write!(f, "{number:?}"),
            PropertyValue::Text(text) => Escaped(text).fmt(f),
            PropertyValue::List(elements) => write!(f, "[{}]", Escaped(&elements.join(", "))),
        }
    }
}

/// As Java's reference writes it: `boolean`, `int`, …
impl fmt::Display for PropertyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PropertyType::Boolean => "boolean",
            PropertyType::Short => "short",
            PropertyType::Int => "int",
            PropertyType::Long => "long",
            PropertyType::Double => "double",
            PropertyType::String => "string",
            PropertyType::Password => "password",
            PropertyType::List => "list",
            PropertyType::Class => "class",
        })
    }
}

/// As Java's reference writes it: `high`, `medium`, `low`.
impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Importance::High => "high",
            Importance::Medium => "medium",
            Importance::Low => "low",
        })
    }
}

/// Java's `String.trim`: everything up to the blank goes, at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

fn boolean(text: &str) -> Option<PropertyValue> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(PropertyValue::Boolean(true)),
        _ if text.eq_ignore_ascii_case("false") => Some(PropertyValue::Boolean(false)),
        _ => None,
    }
}

fn integer(text: &str, low: i64, high: i64) -> Option<PropertyValue> {
    text.parse().ok().filter(|n| (low..=high).contains(n)).map(PropertyValue::Integer)
}

/// The elements, each once, in the order of their first appearance; `None` where one of them is empty.
fn list(text: &str) -> Option<Vec<String>> {
    let (mut elements, mut known) = (Vec::new(), HashSet::new());
    if text.is_empty() {
        return Some(elements);
    }
    for element in text.split(',').map(trim) {
        if element.is_empty() {
            return None;
        }
        if known.insert(element) {
            elements.push(element.to_owned());
        }
    }
    Some(elements)
}

/// What stands in a secret's place wherever it would be printed.
pub(super) const HIDDEN: &str = "[hidden]";
