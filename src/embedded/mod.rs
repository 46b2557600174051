//! An embedded Kafka cluster on loopback sockets: placeholder, being built.
