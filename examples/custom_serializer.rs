//! A serializer of your own: as a value, as a function, and by name from the configuration.
//!
//! ```text
//! cargo run --release --example custom_serializer
//! ```

use std::fmt::Write as _;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{
    ErrorKind, Headers, KafkaProducer, ProducerConfig, ProducerRecord, Properties, Serializer,
    SerializerError, SerializerRegistry, StringSerializer, serialize_with,
};

/// What the program deals in.
struct Order {
    id: u64,
    item: &'static str,
    pieces: u32,
}

/// Writes an order as one line of CSV. It reads a setting, sees topic and headers, and can say no.
struct OrderSerializer {
    separator: char,
}

impl Default for OrderSerializer {
    fn default() -> Self {
        OrderSerializer { separator: ',' }
    }
}

impl Serializer<Order> for OrderSerializer {
    /// Only called for a serializer that the configuration names; settings of its own stand among the others.
    fn configure(&mut self, properties: &Properties<'_>, _is_key: bool) -> Result<(), SerializerError> {
        if let Some(text) = properties.get("order.serializer.separator") {
            self.separator =
                text.parse().map_err(|_| format!("the separator is one character, not {text:?}"))?;
        }
        Ok(())
    }

    /// The bytes go into `scratch`, which is used again for the next record: nothing is allocated.
    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        order: &'a Order,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        if order.pieces == 0 {
            return Err(format!("order {} for {topic} has no pieces", order.id).into());
        }
        headers.add("content-type", "text/csv");
        let separator = self.separator;
        let line = format!("{}{separator}{}{separator}{}", order.id, order.item, order.pieces);
        scratch.extend_from_slice(line.as_bytes());
        Ok(Some(scratch))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    let config = ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers());

    // As values: nothing is named in the configuration.
    let producer: KafkaProducer<str, Order> =
        KafkaProducer::with_serializers(config.clone(), StringSerializer, OrderSerializer::default())?;
    let apples = Order { id: 1, item: "apples", pieces: 12 };
    producer.send(ProducerRecord::new("orders", apples).with_key("alice"))?.get()?;

    // An order that cannot be serialized: `send` fails and nothing is queued. Given as a reference, the record stays ours.
    let nothing = Order { id: 2, item: "pears", pieces: 0 };
    let record = ProducerRecord::new("orders", nothing);
    let refused = producer.send(&record).err().ok_or("accepted an empty order")?;
    if refused.kind() != ErrorKind::Serialization {
        return Err(refused.into());
    }
    println!("not accepted: {refused}");
    let mut corrected = record.into_value();
    corrected.pieces = 3;
    producer.send(ProducerRecord::new("orders", corrected))?.get()?;

    // By name, as a configuration file would do it, with a setting of its own.
    let mut serializers = SerializerRegistry::new();
    serializers.register::<Order, _>("com.example.OrderSerializer", || Box::new(OrderSerializer::default()));
    let named = config
        .clone()
        .key_serializer("StringSerializer")
        .value_serializer("com.example.OrderSerializer")
        .set("order.serializer.separator", ";");
    let producer: KafkaProducer<str, Order> =
        KafkaProducer::builder(named).serializers(serializers).build()?;
    let plums = Order { id: 3, item: "plums", pieces: 40 };
    producer.send(ProducerRecord::new("orders", plums))?.get()?;

    // A function will do where topic, headers and settings do not matter.
    let function = serialize_with(|order: &Order, out: &mut Vec<u8>| {
        out.extend_from_slice(&order.id.to_be_bytes());
        Ok::<(), SerializerError>(())
    });
    let producer: KafkaProducer<str, Order> =
        KafkaProducer::with_serializers(config, StringSerializer, function)?;
    let figs = Order { id: 4, item: "figs", pieces: 5 };
    producer.send(ProducerRecord::new("orders", figs))?.get()?;

    println!("in the log:");
    for record in cluster.records("orders") {
        let mut headers = String::new();
        for (key, value) in &record.headers {
            write!(headers, " {key}={}", String::from_utf8_lossy(value.as_deref().unwrap_or_default()))?;
        }
        println!(
            "  {} {:?}{headers}",
            record.offset,
            String::from_utf8_lossy(&record.value.unwrap_or_default())
        );
    }
    Ok(())
}
