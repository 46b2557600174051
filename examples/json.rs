//! JSON by `serde_json`: a function is a serializer, and the producer takes your own type.
//!
//! ```text
//! cargo run --release --example json
//! cargo run --release --example json -- --bootstrap-servers localhost:9092
//! ```

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{
    ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, StringSerializer, serialize_with,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
    price: f64,
}

/// Writes any type that `serde` knows as JSON. The buffer is the producer's own and is used again for each record.
fn json<T: Serialize>(data: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(out, data)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // A cluster in this process, whose log can be looked into.
        [] => {
            let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
            send(&cluster.bootstrap_servers())?;
            look_into(&cluster)
        }
        ["--bootstrap-servers", servers] => {
            // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
            env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
            send(servers)
        }
        _ => Err("usage: json [--bootstrap-servers HOST:PORT,…]".into()),
    }
}

fn order() -> Order {
    Order { id: 7, item: String::from("two apples"), price: 1.5 }
}

fn send(servers: &str) -> Result<(), Box<dyn std::error::Error>> {
    let config = ProducerConfig::new().bootstrap_servers(servers);
    let producer: KafkaProducer<str, Order> =
        KafkaProducer::with_serializers(config, StringSerializer, serialize_with(json::<Order>))?;

    let order = order();
    let record = ProducerRecord::new("orders", &order)
        .with_key("customer-7")
        .with_header("content-type", "application/json");
    let metadata = producer.send(record)?.get()?;
    println!("sent: {metadata}");

    // What cannot be serialized is an error of `send`, with the error of serde_json in it.
    let schedule = serialize_with(json::<std::collections::BTreeMap<(u8, u8), String>>);
    let config = ProducerConfig::new().bootstrap_servers(servers);
    let maps = KafkaProducer::<str, _>::with_serializers(config, StringSerializer, schedule)?;
    let by_hour = std::collections::BTreeMap::from([((9, 30), String::from("open"))]);
    let refused =
        maps.send(ProducerRecord::new("orders", by_hour)).err().ok_or("JSON has no pairs as keys")?;
    println!("not accepted ({}): {refused}", refused.kind());
    let own = refused.get_ref().is_some_and(|cause| cause.is::<serde_json::Error>());
    if refused.kind() != ErrorKind::Serialization || !own {
        return Err(refused.into());
    }

    Ok(producer.close()?)
}

fn look_into(cluster: &EmbeddedCluster) -> Result<(), Box<dyn std::error::Error>> {
    for record in cluster.records("orders") {
        let value = record.value.unwrap_or_default();
        println!("in the log: {}", String::from_utf8_lossy(&value));
        if serde_json::from_slice::<Order>(&value)? != order() {
            return Err("another order is in the log".into());
        }
    }
    Ok(())
}
