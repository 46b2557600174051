//! The known setting that an unknown name may have meant.
//!
//! Owns: how near a name has to be, and what librdkafka and old clients call the same things. Must not know: what is done with it.

use super::properties_table::PROPERTIES;
use crate::nearest_name::nearest_within;

/// The nearest known name, if one is near.
pub(super) fn suggested(name: &str) -> Option<&'static str> {
    let wanted = name.trim().to_ascii_lowercase();
    if let Some((_, known)) = OTHERS.iter().find(|(theirs, _)| *theirs == wanted) {
        return Some(known);
    }
    let wanted = wanted.replace(['_', '-'], ".");
    let limit = (wanted.len() / 4).clamp(1, 4);
    nearest_within(limit, &wanted, PROPERTIES.iter().map(|property| property.name()))
}

const OTHERS: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("broker.list", "bootstrap.servers"),
    ("brokers", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("queue.buffering.max.kbytes", "buffer.memory"),
    ("queue.buffering.max.messages", "buffer.memory"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("ssl.ca.location", "ssl.truststore.location"),
    ("ssl.ca.pem", "ssl.truststore.certificates"),
    ("ssl.certificate.location", "ssl.keystore.location"),
    ("ssl.certificate.pem", "ssl.keystore.certificate.chain"),
    ("ssl.key.location", "ssl.keystore.location"),
    ("ssl.key.pem", "ssl.keystore.key"),
    ("sasl.username", "sasl.jaas.config"),
    ("sasl.password", "sasl.jaas.config"),
    ("sasl.kerberos.principal", "sasl.jaas.config"),
    ("sasl.kerberos.keytab", "sasl.jaas.config"),
    ("sasl.oauthbearer.method", "sasl.login.callback.handler.class"),
    ("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    ("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
    ("sasl.oauthbearer.extensions", "sasl.jaas.config"),
    ("statistics.interval.ms", "metrics.sample.window.ms"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        for (given, known) in [
            ("bootstrap.server", Some("bootstrap.servers")),
            ("linger_ms", Some("linger.ms")),
            ("LINGER.MS", Some("linger.ms")),
            ("batch.sise", Some("batch.size")),
            ("ack", Some("acks")),
            ("queue.buffering.max.ms", Some("linger.ms")),
            ("broker.list", Some("bootstrap.servers")),
            ("metadata.broker.list", Some("bootstrap.servers")),
            ("schema.registry.url", None),
            ("group.id", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(suggested(given), known, "{given}");
        }
        assert_eq!(suggested(&"x".repeat(1_000_000)), None);
    }

    #[test]
    fn the_names_of_others_lead_to_known_ones() {
        for (_, known) in OTHERS {
            assert!(PROPERTIES.iter().any(|p| p.name() == *known), "{known}");
        }
    }
}
