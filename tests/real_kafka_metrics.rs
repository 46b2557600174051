//! What the producer measures is what Java's own producer measures of the same loads on the same broker: each metric by a
//! rule, and each difference by its reason, which docs/metrics.md tells.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use harness::java_metrics::{JavaLoad, MetricKey};
use harness::kafka_cluster::Kafka;
use kafka_producer::{
    ConsumerGroupMetadata, KafkaProducer, MetricValue, OffsetAndMetadata, ProducerConfig, ProducerRecord,
    TopicPartition,
};
use real_kafka_support::now_ms;

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn metrics_are_those_of_java_after_the_same_load() {
    let kafka = Kafka::start("4.3.1", 1);
    // An old timestamp is refused.
    kafka.create_topic("calm", 3, 1, &[("message.timestamp.before.max.ms", "86400000")]);
    kafka.create_topic("small", 1, 1, &[("max.message.bytes", "1000")]);
    compare(&kafka, CALM);
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn metrics_are_those_of_java_while_replicas_are_missing() {
    let mut kafka = Kafka::start("4.3.1", 3);
    kafka.create_topic("lonely", 1, 3, &[("min.insync.replicas", "3")]);
    let leader = kafka.leader("lonely", 0);
    kafka.stop((1..=3).find(|broker| *broker != leader).unwrap());
    thread::sleep(Duration::from_secs(3)); // until the broker counts as gone
    compare(&kafka, TROUBLED);
}

/// A load for both producers, and what cannot be the same after it.
struct NamedLoad {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// `LoadMetrics.java` says what they are. NOW is the same for both.
    steps: &'static [&'static str],
    times: usize,
    several_brokers: bool,
    /// Names that are not compared, whole or as `prefix*`.
    differ: &'static [&'static str],
}

const CALM: &[NamedLoad] = &[
    // A broker that has just started has its coordinators and logs still to make.
    NamedLoad {
        name: "to warm up",
        settings: &[("transactional.id", "w")],
        steps: &[
            "init",
            "begin",
            "send calm 0 NOW 100 10",
            "send calm 1 NOW 100 10",
            "send calm 2 NOW 100 10",
            "send small 0 NOW 100 1",
            "offsets calm",
            "commit",
        ],
        times: 1,
        several_brokers: false,
        differ: &["*"],
    },
    NamedLoad {
        name: "calm",
        settings: &[],
        steps: &["send calm 0 NOW 100 10", "send calm 1 NOW 200 10", "send calm 2 NOW 50 10", "flush"],
        times: 20,
        several_brokers: false,
        differ: &[],
    },
    NamedLoad {
        name: "compressed",
        settings: &[("compression.type", "gzip")],
        steps: &["send calm 0 NOW 1000 10", "flush"],
        times: 10,
        several_brokers: false,
        // The codecs are of other make.
        differ: &["batch-size-*", "byte-*", "compression-rate*", "request-size-max"],
    },
    NamedLoad {
        name: "refused",
        settings: &[],
        steps: &["send calm 0 1000 100 10", "flush"],
        times: 2,
        several_brokers: false,
        differ: &[],
    },
    NamedLoad {
        name: "split",
        settings: &[],
        steps: &["send small 0 NOW 100 20", "flush"],
        times: 1,
        several_brokers: false,
        // Java sends what is too large once more as it was.
        differ: &[
            "batch-split-*",
            "batch-size-avg",
            "record-send-*",
            "byte-*",
            "outgoing-byte-*",
            "records-per-request-avg",
        ],
    },
    NamedLoad {
        name: "transactions",
        settings: &[("transactional.id", "t")],
        steps: &[
            "init",
            "begin",
            "send calm 0 NOW 100 10",
            "offsets calm",
            "commit",
            "begin",
            "send calm 0 NOW 100 10",
            "flush",
            "abort",
        ],
        times: 1,
        several_brokers: false,
        differ: &[],
    },
];

const TROUBLED: &[NamedLoad] = &[
    NamedLoad {
        name: "retried",
        settings: &[("retries", "3")],
        steps: &["send lonely 0 NOW 100 10", "flush"],
        times: 1,
        several_brokers: true,
        // Java counts looks that found nothing to send; how often brokers are asked for metadata is by chance.
        differ: &[
            "records-per-request-avg",
            "request-*",
            "response-*",
            "network-io-*",
            "incoming-*",
            "outgoing-*",
        ],
    },
    NamedLoad {
        name: "crowded",
        settings: &[("buffer.memory", "32768"), ("max.block.ms", "1000")],
        steps: &["send lonely 0 NOW 12000 3"],
        times: 1,
        several_brokers: true,
        // How often it was tried again in that second is by chance.
        differ: &[
            "records-per-request-avg",
            "record-send-*",
            "record-retry-*",
            "byte-*",
            "request-*",
            "response-*",
            "network-io-*",
            "incoming-*",
            "outgoing-*",
        ],
    },
];

/// How a metric of ours is compared with Java's.
#[derive(Clone, Copy)]
enum Rule {
    Equal,
    /// They differ by so much at most.
    Within(f64),
    /// By so much for each second as in Java, beside their total.
    RateOfTotal,
    /// How long something took, which differs; both have measured something, or neither has.
    Time,
    /// Something else by its nature.
    Other,
    OnlyOurs,
    OnlyJavas,
}

/// `batch.size` where nothing else is set.
const BATCH_SIZE: f64 = 16384.0;

/// What docs/metrics.md says of the metrics that are not the same.
fn rule(group: &str, name: &str) -> Rule {
    let is_node = group == "producer-node-metrics";
    match name {
        "commit-id" | "io-ratio" | "io-time-ns-avg" | "io-time-ns-total" => Rule::OnlyJavas,
        _ if name.starts_with("record-acknowledgement-time") => Rule::OnlyOurs,
        _ if [".9", "-p50", "-p99"].iter().any(|end| name.ends_with(end)) => Rule::OnlyOurs,
        "network-io-rate" | "network-io-total" if is_node => Rule::OnlyOurs,
        "version" | "start-time-ms" | "count" | "requests-in-flight" | "metadata-age" => Rule::Other,
        _ if name.starts_with("connection-") || name.starts_with("select-") => Rule::Other,
        "request-size-avg" | "io-wait-ratio" => Rule::Other,
        "bufferpool-wait-ratio" => Rule::Within(0.01),
        // Java gives the last batch's memory back right after its flush is over.
        "buffer-available-bytes" => Rule::Within(BATCH_SIZE),
        "record-size-avg" | "record-size-max" => Rule::Within(82.0),
        "request-total" | "response-total" => Rule::Within(3.0),
        "network-io-total" => Rule::Within(6.0),
        "incoming-byte-total" | "outgoing-byte-total" => Rule::Within(1200.0),
        _ if name.ends_with("-rate") && name != "compression-rate" => Rule::RateOfTotal,
        _ if ["-time-", "latency"].iter().any(|part| name.contains(part))
            && !name.starts_with("produce-throttle") =>
        {
            Rule::Time
        }
        _ => Rule::Equal,
    }
}

type Measured = BTreeMap<MetricKey, String>;

/// What differs by chance, because a machine stood still at a moment that matters, is not there the next time.
fn compare(kafka: &Kafka, loads: &[NamedLoad]) {
    let mut differences = differences(kafka, loads);
    for _ in 0..2 {
        if !differences.is_empty() {
            println!("once more, after\n{}", differences.join("\n"));
            differences = self::differences(kafka, loads);
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn differences(kafka: &Kafka, loads: &[NamedLoad]) -> Vec<String> {
    let servers = kafka.bootstrap_servers();
    let written: Vec<JavaLoad> = loads.iter().map(|load| load.written(&servers)).collect();
    let java = kafka.jars().metrics_of(&written);
    assert_eq!(java.len(), loads.len());
    let mut differences = Vec::new();
    for ((load, written), java) in loads.iter().zip(&written).zip(java) {
        let ours = metrics_of(written);
        let names: BTreeSet<_> = java.keys().chain(ours.keys()).collect();
        assert!(names.len() > 100, "{}", names.len());
        for key in names.into_iter().filter(|key| load.compares(key)) {
            if let Some(difference) = difference(key, &java, &ours) {
                differences.push(format!("{}: {} {} {:?}: {difference}", load.name, key.0, key.1, key.2));
            }
        }
    }
    differences
}

fn difference(key: &MetricKey, java: &Measured, ours: &Measured) -> Option<String> {
    let (java_says, we_say) = (java.get(key), ours.get(key));
    let shown = || format!("Java {java_says:?}, we {we_say:?}");
    let rule = rule(&key.0, &key.1);
    let (java_says, we_say) = match (rule, java_says, we_say) {
        (Rule::OnlyJavas, Some(_), None) | (Rule::OnlyOurs, None, Some(_)) => return None,
        (Rule::OnlyJavas | Rule::OnlyOurs, ..) | (_, None, _) | (_, _, None) => return Some(shown()),
        (_, Some(java), Some(ours)) => (java, ours),
    };
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    let (theirs, mine) = (number(java_says), number(we_say));
    let total = |all: &Measured| {
        let name = key.1.replace("-rate", "-total");
        all.get(&(key.0.clone(), name, key.2.clone())).map_or(f64::NAN, number)
    };
    let near = |one: f64, other: f64, most: f64| {
        one == other || (one - other).abs() <= most || (one.is_nan() && other.is_nan())
    };
    let fits = match rule {
        Rule::Equal => near(theirs, mine, 1e-6 * theirs.abs()),
        Rule::Within(most) => near(theirs, mine, most),
        Rule::RateOfTotal => {
            // Over how many seconds it is: a window of 30 and what has gone of the next.
            let (theirs, mine) = (total(java) / theirs, total(ours) / mine);
            near(theirs, mine, theirs * 0.1) || total(java) == 0.0 || total(ours) == 0.0
        }
        Rule::Time => {
            (theirs.is_nan(), theirs > 0.0) == (mine.is_nan(), mine > 0.0) || theirs == 0.0 && mine < 1.0
        }
        Rule::Other | Rule::OnlyOurs | Rule::OnlyJavas => true,
    };
    (!fits).then(shown)
}

impl NamedLoad {
    fn written(&self, servers: &str) -> JavaLoad {
        let common = [
            ("bootstrap.servers", servers),
            ("client.id", "load"),
            ("linger.ms", "60000"), // nothing goes before `flush`
            ("enable.metrics.push", "false"),
        ];
        let settings = common.iter().chain(self.settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let now = now_ms().to_string();
        let steps = (0..self.times).flat_map(|_| self.steps);
        JavaLoad { settings, steps: steps.map(|step| step.replace("NOW", &now)).collect() }
    }

    /// Which broker is asked for what is by chance where there are several, and those of `bootstrap.servers` are left soon.
    fn compares(&self, (group, name, tags): &MetricKey) -> bool {
        let is_like = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *pattern,
        };
        let is_first = tags.iter().any(|(tag, value)| tag == "node-id" && value == "node-1");
        let is_by_chance = group == "producer-node-metrics" && (!is_first || self.several_brokers);
        !self.differ.iter().any(is_like) && !is_by_chance
    }
}

/// The same by the producer under test.
fn metrics_of(load: &JavaLoad) -> Measured {
    let config = ProducerConfig::from_properties(
        load.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let producer =
        KafkaProducer::<[u8], [u8]>::builder(config.unwrap()).default_serializers().build().unwrap();
    load.steps.iter().for_each(|step| carry_out(&producer, step));
    let metrics = producer.metrics();
    producer.close_timeout(Duration::ZERO).unwrap();
    let of = |metric: &kafka_producer::Metric| {
        let mut tags: Vec<_> = metric.tags().map(|(tag, value)| (tag.to_owned(), value.to_owned())).collect();
        tags.sort();
        let value = match metric.value() {
            MetricValue::Number(number) => number.to_string(),
            text => text.to_string(),
        };
        ((metric.group().to_owned(), metric.name().to_owned(), tags), value)
    };
    metrics.iter().map(of).collect()
}

fn carry_out(producer: &KafkaProducer<[u8], [u8]>, step: &str) {
    let words: Vec<&str> = step.split(' ').collect();
    let done = match words[..] {
        ["send", topic, partition, timestamp, bytes, count] => {
            let value = vec![0; bytes.parse().unwrap()];
            for _ in 0..count.parse().unwrap() {
                let record = ProducerRecord::new(topic, &value)
                    .with_partition(partition.parse().unwrap())
                    .with_timestamp(timestamp.parse().unwrap());
                // Where memory is over it is refused, which is measured.
                drop(producer.send(record));
            }
            Ok(())
        }
        ["flush"] => producer.flush(),
        ["init"] => producer.init_transactions(),
        ["begin"] => producer.begin_transaction(),
        ["commit"] => producer.commit_transaction(),
        ["abort"] => producer.abort_transaction(),
        ["offsets", topic] => producer.send_offsets_to_transaction(
            &[(TopicPartition::new(topic, 0), OffsetAndMetadata::new(1))].into(),
            &ConsumerGroupMetadata::new("group"),
        ),
        _ => panic!("{step}"),
    };
    done.unwrap();
}
