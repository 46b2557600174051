//! `PartitionerRegistry`: which partitioner a class name in the configuration stands for.
//!
//! Owns: the names of the stock partitioners.

use std::fmt;

use super::{Partitioner, RoundRobinPartitioner};
use crate::class_registry::ClassRegistry;
use crate::error::Error;
use crate::properties::Named;

/// Partitioners by name, for the setting `partitioner.class`: Java's `RoundRobinPartitioner` and those that the
/// program registers.
#[derive(Clone)]
pub(crate) struct PartitionerRegistry(ClassRegistry);

impl PartitionerRegistry {
    /// The stock ones.
    pub(crate) fn new() -> Self {
        let mut registry = PartitionerRegistry(ClassRegistry::default());
        registry.register("org.apache.kafka.clients.producer.RoundRobinPartitioner", || {
            Box::new(RoundRobinPartitioner::new())
        });
        registry
    }

    /// Makes a name stand for the partitioners that `factory` makes. A second registration of a name replaces the
    /// first.
    pub(crate) fn register<F>(&mut self, class_name: &str, factory: F)
    where
        F: Fn() -> Box<dyn Partitioner> + Send + Sync + 'static,
    {
        self.0.register::<dyn Partitioner>(class_name, "records", factory);
    }

    /// Makes the partitioner that `setting` names.
    ///
    /// # Errors
    ///
    /// An unknown name; the error names the setting, the value and what is known. Java's partitioners that are gone
    /// since 4.0 are refused with what stands in their place.
    pub(crate) fn create(&self, setting: &str, class_name: &Named) -> Result<Box<dyn Partitioner>, Error> {
        let created = self.0.create::<dyn Partitioner>(setting, class_name, "partitioner", "none is wanted");
        created.map_err(|message| match GONE.contains(&class_name.name.as_str()) {
            true => Error::config(format!(
                "{setting} is {}, which is gone since Kafka 4.0: leave {setting} out, the built-in rules \
                 do the same (and partitioner.ignore.keys=true ignores keys as UniformStickyPartitioner did)",
                class_name.shown
            )),
            false => Error::config(message),
        })
    }
}

impl fmt::Debug for PartitionerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Java's partitioners that were removed in 4.0.
const GONE: [&str; 4] = [
    "org.apache.kafka.clients.producer.internals.DefaultPartitioner",
    "org.apache.kafka.clients.producer.UniformStickyPartitioner",
    "DefaultPartitioner",
    "UniformStickyPartitioner",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::error::ErrorKind;
    use crate::partitioner::{PartitionRequest, PartitionerError};

    struct Fixed(i32);

    impl Partitioner for Fixed {
        fn partition(
            &self,
            _record: &PartitionRequest<'_>,
            _cluster: &Cluster,
        ) -> Result<i32, PartitionerError> {
            Ok(self.0)
        }
    }

    #[test]
    fn makes_stock_and_registered_ones() {
        let mut registry = PartitionerRegistry::new();
        registry.register("com.example.Fixed", || Box::new(Fixed(5)));
        let request = PartitionRequest::new("t", None, None);
        for name in ["com.example.Fixed", "Fixed"] {
            let partitioner = registry.create("partitioner.class", &name.into()).unwrap();
            assert_eq!(partitioner.partition(&request, &Cluster::default()).unwrap(), 5);
        }
        for name in ["org.apache.kafka.clients.producer.RoundRobinPartitioner", "RoundRobinPartitioner"] {
            assert!(registry.create("partitioner.class", &name.into()).is_ok());
        }
    }

    /// Behaviour 31.
    #[test]
    fn refuses_unknown_ones_and_those_that_are_gone() {
        let registry = PartitionerRegistry::new();
        let refused = |name: &str| {
            let error = registry.create("partitioner.class", &name.into()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        };
        assert_eq!(
            refused("RoundRobbinPartitioner"),
            "partitioner.class is \"RoundRobbinPartitioner\", which is not a known partitioner; did you mean \
             RoundRobinPartitioner? (known are RoundRobinPartitioner; one of your own has to be registered under its \
             name)"
        );
        for name in GONE {
            assert!(refused(name).contains("gone since Kafka 4.0"), "{name}");
        }
    }
}
