//! `Availability`: which brokers keyless records had better go to: those in the client's own rack, and none that takes
//! nothing at the moment.
//!
//! Owns: when each broker last took data, what `client.rack` and `partitioner.availability.timeout.ms` say. Must not
//! know: how a partition is chosen, why a broker takes nothing.
//! Threads: the sender thread owns `Availability`; a `Leader` is shared with the application threads, which read it.
//! Holds: without the time-out no broker is ever slow.
//! Source: Kafka's `RecordAccumulator.updateNodeLatencyStats` and `partitionReady` (KIP-794), KIP-1123.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, PartitionInfo, TopicInfo};
use crate::config::Settings;

/// The settings about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct AvailabilityRules {
    /// `partitioner.availability.timeout.ms`; none where it is off.
    pub(crate) availability_timeout: Option<Duration>,
    /// `client.rack`; none without `partitioner.rack.aware`.
    pub(crate) rack: Option<String>,
}

impl From<&Settings> for AvailabilityRules {
    fn from(settings: &Settings) -> AvailabilityRules {
        AvailabilityRules {
            availability_timeout: settings.partitioner_availability_timeout,
            rack: settings.client_rack.clone().filter(|_| settings.partitioner_rack_aware),
        }
    }
}

/// The brokers that have been seen as leaders.
pub(crate) struct Availability {
    rules: AvailabilityRules,
    nodes: HashMap<i32, NodeAvailability, foldhash::fast::FixedState>,
}

#[derive(Default)]
struct NodeAvailability {
    leader: Arc<Leader>,
    /// When it last took data; before it has, when there first was something for it.
    drained: Option<Instant>,
}

/// A broker as the choice of a partition sees it.
#[derive(Default)]
pub(super) struct Leader {
    slow: AtomicBool,
}

impl Leader {
    /// Whether the broker has taken nothing for too long while there was something for it.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }
}

/// A partition that has a leader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Led {
    pub(super) partition: i32,
    /// Its place among the leaders.
    leader: u32,
}

/// The partitions of a topic that have a leader.
#[derive(Default)]
pub(super) struct AvailablePartitions {
    /// Those whose leader is in the client's rack come first.
    partitions: Vec<Led>,
    in_rack: usize,
    /// In the order in which partitions name them.
    leaders: Vec<Arc<Leader>>,
}

impl PartialEq for AvailablePartitions {
    fn eq(&self, other: &AvailablePartitions) -> bool {
        let is_same = |(one, another): (&Arc<Leader>, &Arc<Leader>)| Arc::ptr_eq(one, another);
        (self.in_rack, self.leaders.len()) == (other.in_rack, other.leaders.len())
            && self.leaders.iter().zip(&other.leaders).all(is_same)
            && self.partitions == other.partitions
    }
}

impl Availability {
    pub(crate) fn new(rules: AvailabilityRules) -> Availability {
        Availability { rules, nodes: HashMap::default() }
    }

    /// The sender has something for this broker, and can hand it over or cannot.
    pub(crate) fn update_latency(&mut self, node: i32, can_drain: bool, now: Instant) {
        let Some(timeout) = self.rules.availability_timeout else { return };
        let node = self.nodes.entry(node).or_default();
        let drained = match node.drained {
            Some(drained) if !can_drain => drained,
            _ => *node.drained.insert(now),
        };
        node.leader.slow.store(now.saturating_duration_since(drained) > timeout, Ordering::Relaxed);
    }

    /// The partitions of a topic that have a leader.
    pub(super) fn available(&mut self, topic: &TopicInfo, cluster: &Cluster) -> AvailablePartitions {
        let mut leaders = Vec::new();
        let mut places: HashMap<i32, (u32, bool), foldhash::fast::FixedState> = HashMap::default();
        for id in topic.partitions.iter().filter_map(PartitionInfo::leader) {
            places.entry(id).or_insert_with(|| {
                let rack = cluster.node(id).and_then(|node| node.rack.as_deref());
                leaders.push(Arc::clone(&self.nodes.entry(id).or_default().leader));
                (leaders.len() as u32 - 1, rack.is_some() && rack == self.rules.rack.as_deref())
            });
        }
        let led = |wanted: bool| {
            let places = &places;
            topic.partitions.iter().filter_map(move |partition| {
                let (leader, in_rack) = *places.get(&partition.leader()?)?;
                (in_rack == wanted).then_some(Led { partition: partition.partition(), leader })
            })
        };
        // There may be a million.
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        partitions.extend(led(true));
        let in_rack = partitions.len();
        partitions.extend(led(false));
        AvailablePartitions { partitions, in_rack, leaders }
    }
}

impl AvailablePartitions {
    /// All of them.
    pub(super) fn all(&self) -> &[Led] {
        &self.partitions
    }

    /// Whether its leader takes nothing at the moment.
    pub(super) fn is_slow(&self, led: &Led) -> bool {
        self.leaders.get(led.leader as usize).is_some_and(|leader| leader.is_slow())
    }

    /// Those in the client's rack; all where there are none.
    pub(super) fn preferred(&self) -> &[Led] {
        match self.in_rack {
            0 => &self.partitions,
            in_rack => self.partitions.get(..in_rack).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Faults, ProducerConfig};

    #[test]
    fn a_rack_counts_only_where_it_is_asked_for() {
        let rack = |aware: &str| {
            let config = ProducerConfig::new().bootstrap_servers("localhost:9092").set("client.rack", "r1");
            let config = config.set("partitioner.rack.aware", aware);
            let given = ["key.serializer", "value.serializer"];
            AvailabilityRules::from(&config.resolve(&given, &mut Faults::default())).rack
        };
        assert_eq!((rack("true").as_deref(), rack("false")), (Some("r1"), None));
    }

    /// Behaviour 30.
    #[test]
    fn a_broker_is_slow_when_the_last_data_it_took_is_too_long_ago() {
        let start = Instant::now();
        let rules = |timeout| AvailabilityRules { availability_timeout: timeout, rack: None };
        let mut leaders = Availability::new(rules(Some(Duration::from_millis(100))));
        // (milliseconds, whether it could take data, whether it is slow afterwards)
        for (at, can_drain, slow) in [
            (0, false, false), // nothing is known of it: its time begins
            (100, false, false),
            (101, false, true),
            (150, true, false),
            (250, false, false),
            (251, false, true),
            (900, false, true),
            (901, true, false),
            // It had nothing to do for long. Java does not count from the time when there was something again.
            (5000, false, true),
        ] {
            leaders.update_latency(1, can_drain, start + Duration::from_millis(at));
            assert_eq!(leaders.nodes[&1].leader.is_slow(), slow, "after {at} ms");
        }
        let mut never = Availability::new(rules(None));
        for at in [0, 1_000_000] {
            never.update_latency(1, false, start + Duration::from_millis(at));
        }
        assert!(never.nodes.is_empty());
    }
}
