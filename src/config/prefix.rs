//! Settings under a prefix: the files of other programs, in which a producer's settings stand among theirs.
//!
//! Owns: what stands below a prefix, and which prefixes an unknown name may have. Must not know: what settings mean.

use std::collections::BTreeMap;

use super::properties_table::{PROPERTIES, find};
use super::providers;

/// The settings whose names begin with `prefix`, without it, and the providers of the whole.
pub(super) fn below(given: BTreeMap<String, String>, prefix: &str) -> BTreeMap<String, String> {
    let mut below = BTreeMap::new();
    let mut exact = BTreeMap::new();
    for (name, value) in given {
        match name.strip_prefix(prefix).map(known) {
            Some((name, true)) => exact.insert(name, value),
            Some((name, false)) => below.insert(name, value),
            None if providers::is_provider(&name) => below.insert(name, value),
            None => None,
        };
    }
    // What is written as Kafka has it goes before what is written as Spring does.
    below.extend(exact);
    below
}

/// The prefix without which this name would be that of a setting.
pub(super) fn of(name: &str) -> Option<&str> {
    let ends = ["producer.", "producer.override.", "producer.properties.", "kafka.", "kafka.properties."];
    let dots = name.match_indices('.').map(|(at, _)| name.split_at(at + 1));
    let is_prefix =
        |prefix: &str| ends.iter().any(|end| prefix == *end || prefix.ends_with(&format!(".{end}")));
    dots.filter(|(prefix, _)| is_prefix(prefix))
        .find(|(_, rest)| find(&known(rest).0).is_some())
        .map(|(prefix, _)| prefix.strip_suffix("properties.").unwrap_or(prefix))
}

/// A name as Kafka has it, and whether it was written so: with `-` for dots, or behind `properties.`, it may mean a
/// setting, too.
fn known(name: &str) -> (String, bool) {
    let bare = name.strip_prefix("properties.").unwrap_or(name);
    let spelled =
        PROPERTIES.iter().map(|property| property.name()).find(|known| known.replace('.', "-") == bare);
    let meant = spelled.unwrap_or(bare);
    (meant.to_owned(), meant == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_name_is_what_makes_it_unknown() {
        for (name, prefix) in [
            ("producer.linger.ms", Some("producer.")),
            ("producer.override.acks", Some("producer.override.")),
            ("us-west.producer.batch.size", Some("us-west.producer.")),
            ("spring.kafka.producer.batch-size", Some("spring.kafka.producer.")),
            ("spring.kafka.producer.properties.linger.ms", Some("spring.kafka.producer.")),
            ("spring.kafka.bootstrap-servers", Some("spring.kafka.")),
            ("spring.kafka.properties.security.protocol", Some("spring.kafka.")),
            ("producer.", None),
            ("producer.lingr.ms", None),
            ("my.acks", None),
            ("myproducer.acks", None),
            ("", None),
        ] {
            assert_eq!(of(name), prefix, "{name}");
        }
    }

    #[test]
    fn what_stands_below_a_prefix_is_kept_without_it() {
        let given = [
            ("bootstrap.servers", "a:1"),
            ("spring.kafka.producer.batch-size", "1"),
            ("spring.kafka.producer.batch.size", "2"),
            ("spring.kafka.producer.acks", "1"),
            ("spring.kafka.producer.properties.linger.ms", "7"),
            ("spring.kafka.producer.my-own", "x"),
            ("spring.kafka.consumer.group-id", "g"),
            ("config.providers", "env"),
            ("config.providers.env.class", "EnvVarConfigProvider"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let below = below(given.into(), "spring.kafka.producer.");
        let below: Vec<_> = below.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            below,
            [
                ("acks", "1"),
                ("batch.size", "2"),
                ("config.providers", "env"),
                ("config.providers.env.class", "EnvVarConfigProvider"),
                ("linger.ms", "7"),
                ("my-own", "x"),
            ]
        );
    }
}
