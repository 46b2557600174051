//! `TopicName`: the name of a topic, shared by all who keep it.
//!
//! Owns: the type, and Kafka's rule for names. Must not know: which topics there are.
//! Holds: a name is copied once and cloned for nothing.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A topic's name as something to keep: cloning it copies nothing. Compares and hashes as the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is wrong with the name by Kafka's rule, if something is. Brokers have the same rule (`Topic.validate`).
    pub(crate) fn problem(&self) -> Option<String> {
        let name = self.as_str();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name {
            "" => Some(String::from("is empty")),
            "." | ".." => Some(format!("is {name:?}")),
            _ if name.chars().any(|c| !legal(c)) => {
                let found = name.chars().find(|c| !legal(*c)).unwrap_or_default();
                Some(format!("has the character {found:?}"))
            }
            _ if name.len() > LONGEST_TOPIC_NAME => Some(format!("has {} characters", name.len())),
            _ => None,
        }
    }
}

impl Deref for TopicName {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for TopicName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        TopicName(name.into())
    }
}

impl From<String> for TopicName {
    fn from(name: String) -> Self {
        TopicName(name.into())
    }
}

impl From<&String> for TopicName {
    fn from(name: &String) -> Self {
        TopicName(name.as_str().into())
    }
}

impl From<Arc<str>> for TopicName {
    fn from(name: Arc<str>) -> Self {
        TopicName(name)
    }
}

impl From<&TopicName> for TopicName {
    fn from(name: &TopicName) -> Self {
        name.clone()
    }
}

/// Brokers make a directory of name and partition, and file systems end at 255.
const LONGEST_TOPIC_NAME: usize = 249;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_are_equal_by_text_and_hash_as_text() {
        let names =
            [TopicName::from("t"), TopicName::from(String::from("t")), TopicName::from(Arc::from("t"))];
        let set: std::collections::HashSet<TopicName> = names.into_iter().collect();
        assert_eq!(set.len(), 1);
        assert!(set.contains("t"));
    }
}
