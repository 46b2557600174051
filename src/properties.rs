//! `Properties`: what a serializer, a partitioner or an interceptor sees of the producer's settings.
//!
//! Owns: the view. Must not know: which settings exist, who reads them.

use std::collections::HashMap;
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
/// let map = HashMap::from([("schema.registry.url".to_owned(), "http://localhost:8081".to_owned())]);
/// let properties = Properties::new(&map);
/// assert_eq!(properties.get("schema.registry.url"), Some("http://localhost:8081"));
/// assert_eq!(properties.get("linger.ms"), None);
/// ```
#[derive(Clone, Copy)]
pub struct Properties<'a>(&'a HashMap<String, String>);

impl<'a> Properties<'a> {
    /// A view of these settings. The producer makes it; programs need it only to test their own serializers.
    pub fn new(settings: &'a HashMap<String, String>) -> Self {
        Properties(settings)
    }

    /// The setting as it was given, or none where it was not: defaults are not seen here.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Prints the names only: a value may be a secret.
impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
