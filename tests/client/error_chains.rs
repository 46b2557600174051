//! An error's text says everything in one line; whoever walks through `source()` behind it hears nothing twice.

use std::error::Error as StdError;
use std::fmt;

use crate::support::{AGES, cluster, config, producer, to_first};
use kafka_embedded::{Api, BrokerError, Fault};
use kafka_producer::{
    Cluster, ErrorKind, KafkaProducer, PartitionRequest, Partitioner, PartitionerError, ProducerConfig,
    ProducerRecord, StringSerializer, serialize_with,
};

/// An error of the program's own that has another behind it.
#[derive(Debug)]
struct NoSuchColour(std::num::ParseIntError);

impl fmt::Display for NoSuchColour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such colour")
    }
}

impl StdError for NoSuchColour {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn own() -> NoSuchColour {
    NoSuchColour("octarine".parse::<u8>().unwrap_err())
}

struct Failing;

impl Partitioner for Failing {
    fn partition(&self, _: &PartitionRequest<'_>, _: &Cluster) -> Result<i32, PartitionerError> {
        Err(own().into())
    }
}

/// What each level says.
fn levels(error: &kafka_producer::Error) -> Vec<String> {
    let mut said = vec![error.to_string()];
    let mut source = error.source();
    while let Some(deeper) = source {
        said.push(deeper.to_string());
        source = deeper.source();
    }
    said
}

/// Fault D7.
#[test]
fn each_level_of_every_error_that_has_a_cause_says_its_own_part() {
    let cluster = cluster(1);
    let servers = cluster.bootstrap_servers();
    let mut errors = Vec::new();
    let colours = serialize_with(|_: &str, _: &mut Vec<u8>| Err(own()));
    let painter =
        KafkaProducer::<str, str>::with_serializers(config(&servers, &[]), StringSerializer, colours)
            .unwrap();
    errors.push((painter.send(to_first("v")).unwrap_err(), ErrorKind::Serialization, 2));
    let chooser =
        KafkaProducer::<str, str>::builder(config(&servers, &[])).partitioner(Failing).build().unwrap();
    let error = chooser.send(ProducerRecord::new("t", "v")).unwrap_err();
    errors.push((error, ErrorKind::Partitioning, 2));
    let unknown = [("key.serializer", "StringSerializer"), ("key.serializer.encoding", "no-such-encoding")];
    let refused = KafkaProducer::<str, str>::new(config(&servers, &unknown)).unwrap_err();
    errors.push((refused, ErrorKind::Config, 1));
    let no_file = ProducerConfig::from_file("there/is/no/such.properties").unwrap_err();
    errors.push((no_file, ErrorKind::Config, 1));

    let hasty = [
        ("max.block.ms", "2000"),
        ("request.timeout.ms", "1500"),
        ("delivery.timeout.ms", "2000"),
        ("linger.ms", "0"),
        ("buffer.memory", "20000"),
        ("batch.size", "10000"),
    ];
    let hurried = producer(&cluster, &hasty);
    hurried.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let missing = hurried.send(ProducerRecord::new("no-such-topic", "v")).unwrap_err();
    errors.push((missing, ErrorKind::UnknownTopicOrPartition, 1));
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let late = hurried.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    errors.push((late, ErrorKind::Timeout, 1));
    let full = producer(&cluster, &[&hasty[..], &[("delivery.timeout.ms", "60000")]].concat());
    full.partitions_for("t").unwrap();
    while full.try_send(to_first("v".repeat(9_000))).is_ok() {}
    errors.push((full.send(to_first("v".repeat(9_000))).unwrap_err(), ErrorKind::Timeout, 1));
    drop((hurried, full.close_timeout(std::time::Duration::ZERO)));
    cluster.clear_faults();

    cluster.inject(Fault::fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED).always());
    let barred = producer(&cluster, &[]);
    let fatal = barred.send(to_first("v")).map(|future| future.get_timeout(AGES)).unwrap().unwrap_err();
    errors.push((fatal, ErrorKind::Authorization, 1));

    for (error, kind, count) in errors {
        let said = levels(&error);
        assert_eq!((error.kind(), said.len(), error.get_ref().is_some()), (kind, count, true), "{said:?}");
        for (place, part) in said.iter().enumerate() {
            let others = said.iter().enumerate().filter(|(other, _)| *other != place);
            assert!(others.into_iter().all(|(_, text)| !text.contains(part)), "{said:?}");
        }
    }
}
