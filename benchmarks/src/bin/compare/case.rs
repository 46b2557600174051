//! The cases: what is sent, how much of it, and what the outcome has to be.

use kafka_producer_benchmarks::work::{Mode, Work};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// How many partitions the keyed cases spread over.
const MANY: usize = 100;

/// By how much a smoke run is smaller.
const QUICK: u64 = 40;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) value_size: usize,
    pub(crate) batch_size: usize,
    /// One, with keyless records, or more, with keyed ones.
    pub(crate) partitions: usize,
    /// Enough for the slower client to take two to three seconds on two cores.
    pub(crate) records: u64,
    /// Over TLS 1.3; Java's producer does it as well.
    pub(crate) tls: bool,
    pub(crate) bar: Bar,
}

/// What ours is to reach, as shares of the best other client's figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) rate_at_least: f64,
    pub(crate) cpu_at_most: f64,
}

/// The round trip's name, value size and number of round trips.
pub(crate) const ROUND_TRIP: &str = "get";
pub(crate) const ROUND_TRIP_TLS: &str = "get-tls";
pub(crate) const ROUND_TRIP_VALUE: usize = 100;
pub(crate) const ROUND_TRIPS: u64 = 10_000;

/// What the median of `send().get()` is to be at most, as a share of librdkafka's time to its delivery report.
pub(crate) const ROUND_TRIP_AT_MOST: f64 = 0.5;

const SMALL: Bar = Bar { rate_at_least: 3.0, cpu_at_most: 0.35 };
const LARGE: Bar = Bar { rate_at_least: 1.5, cpu_at_most: 0.6 };

const TLS: Bar = Bar { rate_at_least: 1.5, cpu_at_most: 0.7 };

/// What the median of `send().get()` over TLS is to be at most, as a share of that without.
pub(crate) const TLS_ROUND_TRIP_AT_MOST: f64 = 1.3;

/// How many producers are started one after the other, by name `connect`.
pub(crate) const CONNECT: &str = "connect-tls";
pub(crate) const CONNECTS: u64 = 400;

/// All of them.
pub(crate) const CASES: [Case; 12] = [
    case("100B-16KiB-1p", 100, 16 * KIB, 1, 6_000_000, SMALL),
    case("100B-1MiB-1p", 100, MIB, 1, 8_000_000, SMALL),
    case("100B-16KiB-keyed", 100, 16 * KIB, MANY, 4_000_000, SMALL),
    case("100B-1MiB-keyed", 100, MIB, MANY, 6_000_000, SMALL),
    case("1KiB-16KiB-1p", KIB, 16 * KIB, 1, 1_500_000, LARGE),
    case("1KiB-1MiB-1p", KIB, MIB, 1, 3_000_000, LARGE),
    case("1KiB-16KiB-keyed", KIB, 16 * KIB, MANY, 1_500_000, LARGE),
    case("1KiB-1MiB-keyed", KIB, MIB, MANY, 2_500_000, LARGE),
    case("100B-16KiB-1p-tls", 100, 16 * KIB, 1, 6_000_000, TLS).over_tls(),
    case("100B-1MiB-1p-tls", 100, MIB, 1, 8_000_000, TLS).over_tls(),
    case("1KiB-16KiB-1p-tls", KIB, 16 * KIB, 1, 1_500_000, TLS).over_tls(),
    case("1KiB-1MiB-1p-tls", KIB, MIB, 1, 3_000_000, TLS).over_tls(),
];

const fn case(
    name: &'static str,
    value_size: usize,
    batch_size: usize,
    partitions: usize,
    records: u64,
    bar: Bar,
) -> Case {
    Case { name, value_size, batch_size, partitions, records, tls: false, bar }
}

impl Case {
    const fn over_tls(self) -> Self {
        Case { tls: true, ..self }
    }

    /// The same, small enough to see that it works.
    pub(crate) fn quick(self) -> Self {
        Case { records: self.records / QUICK, ..self }
    }

    pub(crate) fn work(&self) -> Work {
        Work {
            mode: Mode::Throughput,
            address: String::new(),
            records: self.records,
            value_size: self.value_size,
            batch_size: self.batch_size,
            keyed: self.partitions > 1,
            properties: Vec::new(),
        }
    }
}

/// The work of connecting.
pub(crate) fn connects(quick: bool) -> Work {
    Work {
        mode: Mode::Connect,
        records: if quick { CONNECTS / QUICK } else { CONNECTS },
        ..round_trips(quick)
    }
}

/// The work of the round trips.
pub(crate) fn round_trips(quick: bool) -> Work {
    Work {
        mode: Mode::Latency,
        address: String::new(),
        records: if quick { ROUND_TRIPS / QUICK } else { ROUND_TRIPS },
        value_size: ROUND_TRIP_VALUE,
        batch_size: 16 * KIB,
        keyed: false,
        properties: Vec::new(),
    }
}
