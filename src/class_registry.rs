//! `ClassRegistry`: what stands behind a class name in the configuration.
//!
//! Owns: names, the types that they can be made for, the search, the wording of what was not found. Must not know:
//! what it makes.
//! Holds: an exact name wins over a short one; a later registration replaces an earlier one of the same name and type.

use std::any::{Any, TypeId};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::escape::Escaped;
use crate::nearest_name::nearest;
use crate::properties::Named;

/// Factories by class name and by what they make. One name may stand for several types: `StringSerializer` makes a
/// serializer of `str` and one of `String`.
#[derive(Clone, Default)]
pub(crate) struct ClassRegistry {
    entries: Vec<RegisteredClass>,
}

#[derive(Clone)]
struct RegisteredClass {
    class_name: Arc<str>,
    product: TypeId,
    /// What the product reads, for messages.
    reads: Arc<str>,
    /// A `Factory<P>`, where `product` is the id of `P`.
    factory: Arc<dyn Any + Send + Sync>,
}

type Factory<P> = Box<dyn Fn() -> Box<P> + Send + Sync>;

impl ClassRegistry {
    /// Makes a name stand for what `factory` makes.
    pub(crate) fn register<P: ?Sized + 'static>(
        &mut self,
        class_name: &str,
        reads: &str,
        factory: impl Fn() -> Box<P> + Send + Sync + 'static,
    ) {
        let product = TypeId::of::<P>();
        self.entries.retain(|entry| entry.product != product || *entry.class_name != *class_name);
        let factory: Factory<P> = Box::new(factory);
        self.entries.push(RegisteredClass {
            class_name: class_name.into(),
            product,
            reads: reads.into(),
            factory: Arc::new(factory),
        });
    }

    /// Makes what the class name or short name `given` stands for. The error is a sentence that names the setting,
    /// the value and what would be accepted; `noun` is what is looked for, `wanted` what the product has to fit.
    pub(crate) fn create<P: ?Sized + 'static>(
        &self,
        setting: &str,
        given: &Named,
        noun: &str,
        wanted: &str,
    ) -> Result<Box<P>, String> {
        let found = self.find(&given.name);
        let Some(first) = found.first() else { return Err(self.unknown(setting, &given.shown, noun)) };
        let mut classes: Vec<&str> = found.iter().map(|entry| &*entry.class_name).collect();
        classes.dedup();
        if classes.len() > 1 {
            let classes = listed(classes, "and");
            let shown = Escaped(&given.shown);
            return Err(format!("{setting} is {shown}, but there are {classes}: write the whole name"));
        }
        for entry in &found {
            if let Some(factory) = entry.factory.downcast_ref::<Factory<P>>() {
                return Ok(factory());
            }
        }
        let mut reads: Vec<&str> = found.iter().map(|entry| &*entry.reads).collect();
        reads.dedup();
        let reads = listed(reads, "or");
        let class = if given.is_literal() { &*first.class_name } else { &given.shown };
        Err(format!("{setting} is {class}, which reads {reads}, but {wanted}"))
    }

    /// Whether this class name or short name stands for something.
    pub(crate) fn has(&self, given: &str) -> bool {
        !self.find(given).is_empty()
    }

    /// All entries of this name: of the exact one, else those whose last part it is. Entries of one class are together.
    fn find(&self, given: &str) -> Vec<&RegisteredClass> {
        let mut found: Vec<&RegisteredClass> =
            self.entries.iter().filter(|entry| *entry.class_name == *given).collect();
        if found.is_empty() {
            found = self.entries.iter().filter(|entry| short(&entry.class_name) == given).collect();
            found.sort_by(|a, b| a.class_name.cmp(&b.class_name));
        }
        found
    }

    fn names(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|entry| &*entry.class_name).collect()
    }

    fn unknown(&self, setting: &str, given: &str, noun: &str) -> String {
        let names = self.names();
        let meant = if given.contains('.') {
            nearest(given, names.iter().copied())
        } else {
            nearest(given, names.iter().map(|name| short(name)))
        };
        let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        let known = match listed(names.iter().map(|name| shown(name)), "and") {
            none if none.is_empty() => none,
            known => format!("known are {known}; "),
        };
        format!(
            "{setting} is \"{}\", which is not a known {noun}{meant} ({known}one of your own has to be registered \
             under its name)",
            Escaped(given)
        )
    }
}

/// Prints the names.
impl fmt::Debug for ClassRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The last part of a class name, which is what people say.
fn short(class_name: &str) -> &str {
    class_name.rsplit(['.', '$']).next().unwrap_or(class_name)
}

/// Kafka's own classes by their short names, others whole.
fn shown(class_name: &str) -> &str {
    if class_name.starts_with("org.apache.kafka.") { short(class_name) } else { class_name }
}

/// `a, b or c`.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Shape {
        fn name(&self) -> &'static str;
    }

    struct Is(&'static str);

    impl Shape for Is {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    fn shapes(classes: &[(&str, &'static str)]) -> ClassRegistry {
        let mut registry = ClassRegistry::default();
        for (class, makes) in classes {
            let makes = *makes;
            registry.register::<dyn Shape>(class, "lengths", move || Box::new(Is(makes)));
        }
        registry
    }

    fn made(registry: &ClassRegistry, given: &str) -> Result<&'static str, String> {
        registry.create::<dyn Shape>("shape", &given.into(), "shape", "no").map(|shape| shape.name())
    }

    #[test]
    fn finds_by_whole_and_by_short_name() {
        let registry = shapes(&[("org.a.Circle", "circle"), ("org.a.Outer$Square", "square")]);
        for (given, expected) in [
            ("org.a.Circle", "circle"),
            ("Circle", "circle"),
            ("Square", "square"),
            ("org.a.Outer$Square", "square"),
        ] {
            assert_eq!(made(&registry, given), Ok(expected));
        }
        for given in ["circle", "a.Circle", "Outer$Square", "", "."] {
            assert!(made(&registry, given).is_err(), "{given}");
        }
    }

    #[test]
    fn an_exact_name_wins_a_later_one_replaces_and_two_short_ones_are_refused() {
        let registry = shapes(&[("org.a.Circle", "a"), ("Circle", "exact"), ("org.b.Circle", "b")]);
        assert_eq!(made(&registry, "Circle"), Ok("exact"));
        let registry = shapes(&[("org.a.Circle", "first"), ("org.a.Circle", "second")]);
        assert_eq!(made(&registry, "Circle"), Ok("second"));
        let registry = shapes(&[("org.a.Circle", "a"), ("org.b.Circle", "b")]);
        assert_eq!(
            made(&registry, "Circle"),
            Err("shape is Circle, but there are org.a.Circle and org.b.Circle: write the whole name".into())
        );
    }

    #[test]
    fn says_what_is_known_and_what_was_meant() {
        let registry = shapes(&[("org.apache.kafka.Circle", "c"), ("com.example.Square", "s")]);
        assert_eq!(
            made(&registry, "Cirkle"),
            Err("shape is \"Cirkle\", which is not a known shape; did you mean Circle? (known are \
                 com.example.Square and Circle; one of your own has to be registered under its name)"
                .into())
        );
        let far = made(&registry, "com.example.Sqare").unwrap_err();
        assert!(far.contains("did you mean com.example.Square?"), "{far}");
        assert!(!made(&registry, "Something else entirely").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn a_name_of_another_type_says_what_it_reads() {
        let mut registry = shapes(&[("org.a.Circle", "circle")]);
        registry.register::<str>("org.a.Circle", "words", || "circle".into());
        let error =
            registry.create::<[u8]>("shape", &"Circle".into(), "shape", "bytes are wanted").unwrap_err();
        assert_eq!(error, "shape is org.a.Circle, which reads lengths or words, but bytes are wanted");
        assert_eq!(registry.create::<str>("shape", &"Circle".into(), "shape", "no").as_deref(), Ok("circle"));
    }
}
