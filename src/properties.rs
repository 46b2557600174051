//! `Properties`: what a serializer, a partitioner or an interceptor sees of the producer's settings.
//!
//! Owns: the view, and names as messages show them. Must not know: which settings exist, who reads them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The producer's settings by name, to read: what Java passes to `configure` as a `Map`.
///
/// Holds what the program set, as text, under Kafka's property names, and also names that Kafka does not know: a
/// serializer's own settings are simply put among the others.
///
/// ```
/// use std::collections::HashMap;
/// use kafka_producer::Properties;
///
/// let map = HashMap::from([(
///     "schema.registry.url".to_owned(),
///     "http://localhost:8081".to_owned(),
/// )]);
/// let properties = Properties::new(&map);
/// assert_eq!(properties.get("schema.registry.url"), Some("http://localhost:8081"));
/// assert_eq!(properties.get("linger.ms"), None);
/// ```
#[derive(Clone, Copy)]
pub struct Properties<'a> {
    values: &'a HashMap<String, String>,
    /// The texts before variables were replaced, where there may have been some.
    written: Option<&'a BTreeMap<String, String>>,
}

/// A name out of the configuration, and what messages show in its place: it may come from a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) shown: String,
}

impl Named {
    /// Whether it stands in the configuration as it is.
    pub(crate) fn is_literal(&self) -> bool {
        self.name == self.shown
    }

    /// The last part of a class name, behind its package.
    pub(crate) fn class(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

impl From<&str> for Named {
    fn from(name: &str) -> Named {
        Named { name: name.to_owned(), shown: name.to_owned() }
    }
}

impl<'a> Properties<'a> {
    /// A view of these settings. The producer makes it; programs need it only to test their own serializers.
    pub fn new(settings: &'a HashMap<String, String>) -> Self {
        Properties { values: settings, written: None }
    }

    /// A view that also knows the texts as they were written.
    pub(crate) fn with_written(self, written: &'a BTreeMap<String, String>) -> Self {
        Properties { written: Some(written), ..self }
    }

    /// The setting as it was given, or none where it was not: defaults are not seen here.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(String::as_str)
    }

    /// The setting as a name of something, for messages as well.
    pub(crate) fn named(&self, name: &str) -> Option<Named> {
        let value = self.get(name)?;
        let written = self.written.and_then(|written| written.get(name)).map_or(value, String::as_str);
        let shown = if written.contains("${") { written } else { value };
        Some(Named { name: value.to_owned(), shown: shown.to_owned() })
    }
}

/// Prints the names only: a value may be a secret.
impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
