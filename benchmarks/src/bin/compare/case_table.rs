//! The cases, and what is asked of ours in each.

use kafka_producer_benchmarks::work::Mode;

use crate::case::{
    Bar, BrokerKind, CONFLUENT_KAFKA, COUNTED, COUNTED_CALLBACK, COUNTED_FUTURE, Case, CaseGroup, Contestant,
    ECHO, FLOOR, FRANZ_GO, Figure, JAVA, KRAFKA, LIBRDKAFKA, Limit, OURS, OURS_CALLBACK, OURS_FUTURE,
    Yardstick,
};
use crate::payload_kinds::PayloadKind::{self, HalfRandom, Json, Letters, LogLines};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// How many keys there are, at least.
const KEYS: usize = 10_000;

const SINK: BrokerKind = BrokerKind::Sink { brokers: 1, delay_us: 0 };

/// 100 bytes to one partition in batches of 16 KiB.
const BASE: Case = Case {
    name: "",
    group: CaseGroup::OneThread,
    mode: Mode::Throughput,
    values: Letters(100),
    batch_size: 16 * KIB,
    partitions: 1,
    keys: 0,
    threads: 1,
    codec: "none",
    idempotent: false,
    transaction: 0,
    tls: false,
    broker: SINK,
    contestants: &[],
    bars: &[],
    charted: false,
};

const fn rate(who: Contestant, by: Yardstick, least: f64) -> Bar {
    Bar { who, figure: Figure::Rate, by, limit: Limit::AtLeast(least) }
}

const fn cpu(who: Contestant, by: Yardstick, most: f64) -> Bar {
    Bar { who, figure: Figure::Cpu, by, limit: Limit::AtMost(most) }
}

const fn at_most(who: Contestant, figure: Figure, by: Yardstick, most: f64) -> Bar {
    Bar { who, figure, by, limit: Limit::AtMost(most) }
}

const fn at_least(who: Contestant, figure: Figure, by: Yardstick, least: f64) -> Bar {
    Bar { who, figure, by, limit: Limit::AtLeast(least) }
}

use Yardstick::{BestPeer, Of, One};

const ALL_WAYS: &[Contestant] =
    &[FLOOR, LIBRDKAFKA, JAVA, FRANZ_GO, KRAFKA, CONFLUENT_KAFKA, OURS, OURS_CALLBACK, OURS_FUTURE];
const WITH_FLOOR: &[Contestant] =
    &[FLOOR, LIBRDKAFKA, JAVA, FRANZ_GO, KRAFKA, CONFLUENT_KAFKA, OURS, OURS_CALLBACK];
const WITH_CALLBACK: &[Contestant] =
    &[LIBRDKAFKA, JAVA, FRANZ_GO, KRAFKA, CONFLUENT_KAFKA, OURS, OURS_CALLBACK];
const PEERS_AND_OURS: &[Contestant] = &[LIBRDKAFKA, JAVA, FRANZ_GO, KRAFKA, CONFLUENT_KAFKA, OURS];

const SMALL_BARS: &[Bar] = &[
    rate(OURS, BestPeer, 4.5),
    cpu(OURS, BestPeer, 0.25),
    rate(OURS, Of(FLOOR), 0.5),
    rate(OURS_CALLBACK, BestPeer, 3.5),
    cpu(OURS_CALLBACK, BestPeer, 0.35),
    rate(OURS_CALLBACK, Of(OURS), 0.8),
    rate(OURS_FUTURE, BestPeer, 3.0),
    cpu(OURS_FUTURE, BestPeer, 0.4),
];

const fn small(name: &'static str, size: usize, batch_size: usize) -> Case {
    Case {
        name,
        values: Letters(size),
        batch_size,
        contestants: ALL_WAYS,
        bars: SMALL_BARS,
        charted: true,
        ..BASE
    }
}

const ONE_PARTITION: &str = "100B-1MiB";
const KEYED_100: &str = "100B-16KiB-keyed-100";
const KEYLESS_6: &str = "100B-1MiB-keyless-6";

const MANY_BARS: &[Bar] = &[
    rate(OURS, BestPeer, 2.0),
    cpu(OURS, BestPeer, 0.5),
    at_most(OURS, Figure::CpuPerBatch, Yardstick::Case(KEYED_100), 1.25),
    at_least(OURS, Figure::Cores, One, 0.95),
];

const fn keyed(name: &'static str, partitions: usize, keys: usize) -> Case {
    Case {
        name,
        group: CaseGroup::ManyPartitions,
        partitions,
        keys,
        contestants: WITH_FLOOR,
        bars: MANY_BARS,
        charted: true,
        ..BASE
    }
}

/// Ours to one partition, in batches of the same size.
const ONE_PARTITION_16: &str = "100B-16KiB";

const KEYED_BARS: &[Bar] = &[
    rate(OURS, BestPeer, 3.7),
    cpu(OURS, BestPeer, 0.27),
    rate(OURS, Yardstick::Case(ONE_PARTITION_16), 0.8),
];

const fn threads(name: &'static str, threads: usize, one: &Case, bars: &'static [Bar]) -> Case {
    Case {
        name,
        group: CaseGroup::Threads,
        threads,
        contestants: WITH_CALLBACK,
        bars,
        charted: threads == 2,
        ..*one
    }
}

const fn threads_bars(alone: &'static str) -> [Bar; 3] {
    [rate(OURS, BestPeer, 4.0), cpu(OURS, BestPeer, 0.3), rate(OURS, Yardstick::Case(alone), 1.0)]
}

const THREADS_1: &[Bar] = &threads_bars(ONE_PARTITION);
const THREADS_6: &[Bar] = &threads_bars(KEYLESS_6);
const THREADS_100: &[Bar] = &threads_bars(KEYED_100);

const ONE: Case = Case { batch_size: MIB, ..BASE };
const SIX: Case = Case { batch_size: MIB, partitions: 6, ..BASE };
const HUNDRED: Case = Case { partitions: 100, keys: KEYS, ..BASE };

const IDEMPOTENT: Case = Case {
    name: "100B-1MiB-idempotent",
    batch_size: MIB,
    idempotent: true,
    contestants: WITH_CALLBACK,
    charted: true,
    ..BASE
};

const KIB_BARS: &[Bar] = &[rate(OURS, BestPeer, 2.0), cpu(OURS, BestPeer, 0.45), rate(OURS, Of(FLOOR), 0.9)];
const TEN_KIB_BARS: &[Bar] = &[rate(OURS, BestPeer, 2.5), cpu(OURS, BestPeer, 0.55)];

const fn larger(name: &'static str, size: usize, batch_size: usize, bars: &'static [Bar]) -> Case {
    Case {
        name,
        group: CaseGroup::LargerRecords,
        values: Letters(size),
        batch_size,
        contestants: WITH_FLOOR,
        bars,
        charted: true,
        ..BASE
    }
}

const COMPRESSED_BARS: &[Bar] = &[
    rate(OURS, BestPeer, 1.3),
    cpu(OURS, BestPeer, 0.9),
    at_least(OURS, Figure::Compression, BestPeer, 0.98),
];

const fn compressed(name: &'static str, codec: &'static str, values: PayloadKind) -> Case {
    Case {
        name,
        group: CaseGroup::Compression,
        values,
        batch_size: MIB,
        codec,
        contestants: PEERS_AND_OURS,
        bars: COMPRESSED_BARS,
        charted: matches!(values, Json),
        ..BASE
    }
}

const fn brokers(name: &'static str, brokers: usize, bars: &'static [Bar]) -> Case {
    Case {
        name,
        group: CaseGroup::Brokers,
        broker: BrokerKind::Sink { brokers, delay_us: 0 },
        contestants: PEERS_AND_OURS,
        bars,
        ..HUNDRED
    }
}

const GET_BARS: &[Bar] = &[
    at_most(OURS, Figure::Median, Of(LIBRDKAFKA), 0.45),
    at_most(OURS, Figure::P99, Of(LIBRDKAFKA), 1.0),
    cpu(OURS, Of(LIBRDKAFKA), 0.7),
];

const fn get(name: &'static str, threads: usize, delay_us: u64) -> Case {
    let contestants: &[Contestant] = if threads == 1 {
        &[ECHO, LIBRDKAFKA, JAVA, FRANZ_GO, KRAFKA, CONFLUENT_KAFKA, OURS]
    } else {
        PEERS_AND_OURS
    };
    Case {
        name,
        group: CaseGroup::RoundTrips,
        mode: Mode::Latency,
        threads,
        broker: BrokerKind::Sink { brokers: 1, delay_us },
        contestants,
        bars: GET_BARS,
        ..BASE
    }
}

const GET: &str = "get-1-0ms";

const fn on_kafka(name: &'static str, size: usize) -> Case {
    Case {
        name,
        group: CaseGroup::RealKafka,
        values: Letters(size),
        idempotent: true,
        broker: BrokerKind::Kafka,
        contestants: WITH_CALLBACK,
        ..BASE
    }
}

/// The broker takes most of the time: its round trips, and of many records its own work on their batches.
const fn transactions(name: &'static str, transaction: u64) -> Case {
    Case {
        group: CaseGroup::Transactions,
        mode: Mode::Transactions,
        transaction,
        contestants: &[LIBRDKAFKA, JAVA, FRANZ_GO, OURS, OURS_CALLBACK],
        bars: TRANSACTION_BARS,
        ..on_kafka(name, 100)
    }
}

const TRANSACTION_BARS: &[Bar] = &[rate(OURS, BestPeer, 1.0), cpu(OURS, BestPeer, 0.7)];

const TLS_BARS: &[Bar] = &[rate(OURS, BestPeer, 1.5), cpu(OURS, BestPeer, 0.7)];

const fn over_tls(name: &'static str, size: usize, batch_size: usize) -> Case {
    Case {
        name,
        group: CaseGroup::Tls,
        values: Letters(size),
        batch_size,
        tls: true,
        contestants: &[LIBRDKAFKA, JAVA, OURS],
        bars: TLS_BARS,
        ..BASE
    }
}

const ALLOCATION_BARS: &[Bar] = &[
    at_most(COUNTED, Figure::Allocations, One, 0.1),
    at_most(COUNTED_CALLBACK, Figure::Allocations, One, 0.1),
    at_most(COUNTED_FUTURE, Figure::Allocations, One, 0.1),
];

const fn allocations(name: &'static str, partitions: usize, keys: usize) -> Case {
    Case {
        name,
        group: CaseGroup::Allocations,
        batch_size: MIB,
        keys,
        partitions,
        contestants: &[COUNTED, COUNTED_CALLBACK, COUNTED_FUTURE],
        bars: ALLOCATION_BARS,
        ..BASE
    }
}

const MEMORY_BARS: &[Bar] =
    &[at_most(OURS, Figure::Beyond, One, 8.0), at_most(OURS_CALLBACK, Figure::Beyond, One, 8.0)];

const fn memory(name: &'static str, size: usize, batch_size: usize, keys: usize) -> Case {
    Case {
        name,
        group: CaseGroup::Memory,
        mode: Mode::Memory,
        values: Letters(size),
        batch_size,
        keys,
        partitions: if keys > 0 { 100 } else { 1 },
        broker: BrokerKind::SilentSink,
        contestants: &[OURS, OURS_CALLBACK],
        bars: MEMORY_BARS,
        ..BASE
    }
}

/// How long a round trip of a cold start takes.
const COLD_DELAY_US: u64 = 20_000;

const COLD_START: Case = Case {
    name: "cold-start-20ms",
    group: CaseGroup::ColdStart,
    mode: Mode::Cold,
    broker: BrokerKind::Sink { brokers: 1, delay_us: COLD_DELAY_US },
    contestants: PEERS_AND_OURS,
    bars: &[at_most(OURS, Figure::First, One, 3.0 * COLD_DELAY_US as f64 + 1000.0)],
    ..BASE
};

const IDLE: Case = Case {
    name: "idle",
    group: CaseGroup::Idle,
    mode: Mode::Idle,
    contestants: PEERS_AND_OURS,
    bars: &[at_most(OURS, Figure::Calls, One, 0.0)],
    ..BASE
};

/// All of them.
pub(crate) const CASES: &[Case] = &[
    small(ONE_PARTITION_16, 100, 16 * KIB),
    small(ONE_PARTITION, 100, MIB),
    small("10B-16KiB", 10, 16 * KIB),
    small("10B-1MiB", 10, MIB),
    IDEMPOTENT,
    Case { bars: KEYED_BARS, ..keyed(KEYED_100, 100, KEYS) },
    keyed("100B-16KiB-keyed-1000", 1000, KEYS),
    keyed("100B-16KiB-keyed-10000", 10_000, 10 * KEYS),
    threads("100B-1MiB-2-threads", 2, &ONE, THREADS_1),
    threads("100B-1MiB-4-threads", 4, &ONE, THREADS_1),
    threads("100B-1MiB-8-threads", 8, &ONE, THREADS_1),
    threads(KEYLESS_6, 1, &SIX, &[]),
    threads("100B-1MiB-keyless-6-2-threads", 2, &SIX, THREADS_6),
    threads("100B-1MiB-keyless-6-4-threads", 4, &SIX, THREADS_6),
    threads("100B-1MiB-keyless-6-8-threads", 8, &SIX, THREADS_6),
    threads("100B-16KiB-keyed-100-2-threads", 2, &HUNDRED, THREADS_100),
    threads("100B-16KiB-keyed-100-4-threads", 4, &HUNDRED, THREADS_100),
    threads("100B-16KiB-keyed-100-8-threads", 8, &HUNDRED, THREADS_100),
    larger("1KiB-16KiB", KIB, 16 * KIB, KIB_BARS),
    larger("1KiB-1MiB", KIB, MIB, KIB_BARS),
    larger("10KiB-16KiB", 10 * KIB, 16 * KIB, TEN_KIB_BARS),
    larger("10KiB-1MiB", 10 * KIB, MIB, TEN_KIB_BARS),
    compressed("lz4-json", "lz4", Json),
    compressed("lz4-log", "lz4", LogLines),
    compressed("lz4-half-random", "lz4", HalfRandom),
    compressed("zstd-json", "zstd", Json),
    compressed("zstd-log", "zstd", LogLines),
    compressed("zstd-half-random", "zstd", HalfRandom),
    compressed("gzip-json", "gzip", Json),
    compressed("gzip-log", "gzip", LogLines),
    compressed("gzip-half-random", "gzip", HalfRandom),
    compressed("snappy-json", "snappy", Json),
    compressed("snappy-log", "snappy", LogLines),
    compressed("snappy-half-random", "snappy", HalfRandom),
    brokers("brokers-3", 3, &[]),
    brokers("brokers-100", 100, &[cpu(OURS, Yardstick::Case("brokers-3"), 1.3)]),
    get(GET, 1, 0),
    get("get-1-0.2ms", 1, 200),
    get("get-1-2ms", 1, 2000),
    get("get-4-0ms", 4, 0),
    get("get-4-0.2ms", 4, 200),
    get("get-4-2ms", 4, 2000),
    get("get-64-0ms", 64, 0),
    get("get-64-0.2ms", 64, 200),
    get("get-64-2ms", 64, 2000),
    on_kafka("kafka-100B-16KiB", 100),
    on_kafka("kafka-1KiB-16KiB", KIB),
    Case { mode: Mode::Latency, contestants: PEERS_AND_OURS, ..on_kafka("kafka-get", 100) },
    transactions("transactions-of-1", 1),
    transactions("transactions-of-100", 100),
    transactions("transactions-of-10000", 10_000),
    over_tls("100B-16KiB-tls", 100, 16 * KIB),
    over_tls("100B-1MiB-tls", 100, MIB),
    over_tls("1KiB-16KiB-tls", KIB, 16 * KIB),
    over_tls("1KiB-1MiB-tls", KIB, MIB),
    Case {
        mode: Mode::Latency,
        bars: &[at_most(OURS, Figure::Median, Yardstick::Case(GET), 1.3)],
        ..over_tls("get-tls", 100, 16 * KIB)
    },
    Case { mode: Mode::Connect, bars: &[], ..over_tls("connect-tls", 100, 16 * KIB) },
    Case {
        mode: Mode::Connect,
        bars: &[],
        tls: false,
        contestants: &[LIBRDKAFKA, JAVA, KRAFKA, CONFLUENT_KAFKA, OURS],
        ..over_tls("connect", 100, 16 * KIB)
    },
    COLD_START,
    IDLE,
    allocations("allocations", 1, 0),
    allocations("allocations-keyed-100", 100, KEYS),
    memory("memory-10B-16KiB", 10, 16 * KIB, 0),
    memory("memory-100B-16KiB", 100, 16 * KIB, 0),
    memory("memory-100B-16KiB-keyed", 100, 16 * KIB, KEYS),
    memory("memory-100B-1MiB-keyed", 100, MIB, KEYS),
    memory("memory-1KiB-1MiB", KIB, MIB, 0),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_of_one_case_each_and_bars_are_of_cases_and_contestants_that_there_are() {
        let names: HashSet<&str> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(names.iter().all(|name| !name.contains(' ')));
        for case in CASES {
            for bar in case.bars {
                assert!(case.contestants.contains(&bar.who), "{}: {}", case.name, bar.who);
                match bar.by {
                    Yardstick::Case(other) => {
                        let other = CASES.iter().find(|one| one.name == other);
                        assert!(other.is_some_and(|one| one.contestants.contains(&bar.who)), "{}", case.name);
                    }
                    Of(other) => assert!(case.contestants.contains(&other), "{}: {other}", case.name),
                    BestPeer => assert!(case.contestants.iter().any(|who| who.is_peer()), "{}", case.name),
                    One => {}
                }
            }
        }
    }
}
