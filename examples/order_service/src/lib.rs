//! A program that is to be tested: it places orders, and has to tell the customer the truth about each.
//!
//! `tests/faults.rs` lets a Kafka cluster in the test's own process fail in the ways that count.

use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord};

/// What the customer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The order is in the log, at this place.
    Placed(String),
    /// It is not, and placing it again makes no second order.
    NotPlaced(String),
    /// Nobody knows: the customer is told later, when somebody has looked.
    Unknown(String),
}

/// Places orders in the topic `orders`.
pub struct OrderService {
    producer: KafkaProducer<str, str>,
}

impl OrderService {
    /// The settings are the caller's: a test has other addresses and shorter times.
    ///
    /// # Errors
    /// If the settings contradict each other.
    pub fn connect(config: ProducerConfig) -> Result<OrderService, Error> {
        let producer = KafkaProducer::builder(config).default_serializers().build()?;
        Ok(OrderService { producer })
    }

    /// Places an order and waits until its fate is known, for `delivery.timeout.ms` at most.
    pub fn place(&self, customer: &str, order: &str) -> Answer {
        let record = ProducerRecord::new("orders", order).with_key(customer);
        match self.producer.send(record).and_then(|future| future.get()) {
            Ok(metadata) => Answer::Placed(metadata.to_string()),
            Err(error) if error.possibly_written() => Answer::Unknown(error.to_string()),
            Err(error) => Answer::NotPlaced(error.to_string()),
        }
    }
}
