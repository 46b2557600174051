//! One producer takes whatever borrows as its types: text and bytes of any owner, also data that lives shorter than
//! the producer. That this compiles is most of the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord, TopicName};

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("test", 1).start().unwrap()
}

fn producer<K: ?Sized, V: ?Sized>(cluster: &EmbeddedCluster, key: &str, value: &str) -> KafkaProducer<K, V> {
    let config = ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers());
    KafkaProducer::new(config.key_serializer(key).value_serializer(value)).unwrap()
}

/// A record's key and value.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Keys and values in the order of `send`, all of one partition.
fn stored(cluster: &EmbeddedCluster) -> Vec<Pair> {
    cluster.records("test").into_iter().map(|record| (record.key, record.value)).collect()
}

fn pair(key: Option<&str>, value: Option<&str>) -> Pair {
    (key.map(Vec::from), value.map(Vec::from))
}

#[test]
fn one_producer_of_text_takes_every_owner_of_text() -> Result<(), Error> {
    let cluster = cluster();
    let producer: KafkaProducer<str, str> = producer(&cluster, "StringSerializer", "StringSerializer");
    for number in 0..2 {
        let local = format!("local {number}");
        let key: &str = &local[..5];
        let borrowed: &str = &local;
        producer.send(ProducerRecord::new("test", borrowed).with_key(key))?;
    }
    producer.send(ProducerRecord::new("test", String::from("owned")).with_key(String::from("k")))?;
    producer.send(ProducerRecord::new("test", Box::<str>::from("boxed")))?;
    producer.send(ProducerRecord::new("test", Arc::<str>::from("shared")))?;
    producer.send(ProducerRecord::new("test", "keyless"))?;
    producer.send(ProducerRecord::tombstone("test", "k"))?;
    producer.send(ProducerRecord::new("test", "perhaps").with_optional_key(None::<&str>))?;
    producer.send(ProducerRecord::new("test", "").with_key("k").with_optional_value(None::<String>))?;
    producer.close()?;
    let expected = [
        pair(Some("local"), Some("local 0")),
        pair(Some("local"), Some("local 1")),
        pair(Some("k"), Some("owned")),
        pair(None, Some("boxed")),
        pair(None, Some("shared")),
        pair(None, Some("keyless")),
        pair(Some("k"), None),
        pair(None, Some("perhaps")),
        pair(Some("k"), None),
    ];
    assert_eq!(stored(&cluster), expected);
    Ok(())
}

#[test]
fn one_producer_of_bytes_takes_every_owner_of_bytes() -> Result<(), Error> {
    let cluster = cluster();
    let producer: KafkaProducer<[u8], [u8]> =
        producer(&cluster, "ByteArraySerializer", "ByteArraySerializer");
    let local = b"slice".to_vec();
    producer.send(ProducerRecord::new("test", &local[..]))?;
    producer.send(ProducerRecord::new("test", local).with_key(vec![b'k']))?;
    producer.send(ProducerRecord::new("test", Box::<[u8]>::from(*b"boxed")))?;
    producer.send(ProducerRecord::new("test", Arc::<[u8]>::from(*b"shared")))?;
    producer.send(ProducerRecord::new("test", *b"array"))?;
    producer.close()?;
    let values: Vec<_> = stored(&cluster).into_iter().map(|(_, value)| value.unwrap()).collect();
    assert_eq!(values, [&b"slice"[..], b"slice", b"boxed", b"shared", b"array"]);
    Ok(())
}

#[test]
fn topics_may_be_named_by_any_text_and_numbers_be_keys() -> Result<(), Error> {
    let cluster = cluster();
    let producer: KafkaProducer<i32, str> = producer(&cluster, "IntegerSerializer", "StringSerializer");
    let local = String::from("test");
    let shared = TopicName::from(Arc::<str>::from("test"));
    producer.send(ProducerRecord::new(local, "owned name").with_key(1))?;
    producer.send(ProducerRecord::new(&shared, "shared name").with_key(2))?;
    producer.send(ProducerRecord::new(shared, "the same").with_key(&3))?;
    producer.close()?;
    let keys: Vec<_> = stored(&cluster).into_iter().map(|(key, _)| key.unwrap()).collect();
    assert_eq!(keys, [[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 3]]);
    Ok(())
}

/// A type of the program's own, sent by reference out of a map that the producer outlives.
struct Order {
    id: u64,
}

#[test]
fn values_of_ones_own_are_sent_by_reference() -> Result<(), Error> {
    let cluster = cluster();
    let config = ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers());
    let serializer = kafka_producer::serialize_with(|order: &Order, out: &mut Vec<u8>| {
        out.extend_from_slice(&order.id.to_be_bytes());
        Ok::<(), std::convert::Infallible>(())
    });
    let producer: KafkaProducer<str, Order> =
        KafkaProducer::with_serializers(config, kafka_producer::StringSerializer, serializer)?;
    let orders = BTreeMap::from([("a", Order { id: 1 }), ("b", Order { id: 2 })]);
    for (name, order) in &orders {
        producer.send(ProducerRecord::new("test", order).with_key(*name))?;
    }
    drop(orders);
    producer.close()?;
    assert_eq!(stored(&cluster).len(), 2);
    Ok(())
}
