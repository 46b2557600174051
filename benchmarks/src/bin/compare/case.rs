//! A case: what is sent, by whom, to whom, and what has to come of it. The cases themselves are in `case_table.rs`.

use std::fmt;
use std::time::Duration;

use kafka_producer_benchmarks::work::{Ask, Mode, Work};

use crate::payload_kinds::PayloadKind;

/// A program that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// What the work costs at least.
    Floor,
    /// The same for round trips: a socket.
    Echo,
    Librdkafka,
    Java,
    FranzGo,
    Krafka,
    ConfluentKafka,
    Ours,
    /// Ours with an allocator that counts.
    OursCounted,
}

pub(crate) const PROGRAMS: [(Program, &str); 9] = [
    (Program::Floor, "floor"),
    (Program::Echo, "echo"),
    (Program::Librdkafka, "librdkafka"),
    (Program::Java, "java"),
    (Program::FranzGo, "franz-go"),
    (Program::Krafka, "krafka"),
    (Program::ConfluentKafka, "confluent-kafka"),
    (Program::Ours, "ours"),
    (Program::OursCounted, "ours-counted"),
];

impl Program {
    /// Whether it takes part without being asked for by name: building the others takes minutes, and what they come to changes no bar.
    pub(crate) fn is_default(self) -> bool {
        !matches!(self, Program::Krafka | Program::ConfluentKafka)
    }

    /// Whether it can be given properties.
    pub(crate) fn takes_properties(self) -> bool {
        !matches!(self, Program::Floor | Program::Echo | Program::FranzGo | Program::Krafka)
    }

    /// Whether its properties have the names of ours.
    pub(crate) fn has_our_names(self) -> bool {
        self.is_ours() || self == Program::Java
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Program::Ours | Program::OursCounted)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROGRAMS.iter().find(|(program, _)| program == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// A program, and how it is told the outcomes: of the peers' there is one way, a callback for each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contestant {
    pub(crate) program: Program,
    pub(crate) ask: Ask,
}

pub(crate) const FLOOR: Contestant = peer(Program::Floor);
pub(crate) const ECHO: Contestant = peer(Program::Echo);
pub(crate) const LIBRDKAFKA: Contestant = peer(Program::Librdkafka);
pub(crate) const JAVA: Contestant = peer(Program::Java);
pub(crate) const FRANZ_GO: Contestant = peer(Program::FranzGo);
pub(crate) const KRAFKA: Contestant = peer(Program::Krafka);
pub(crate) const CONFLUENT_KAFKA: Contestant = peer(Program::ConfluentKafka);
pub(crate) const OURS: Contestant = Contestant { program: Program::Ours, ask: Ask::Nobody };
pub(crate) const OURS_CALLBACK: Contestant = Contestant { program: Program::Ours, ask: Ask::Callback };
pub(crate) const OURS_FUTURE: Contestant = Contestant { program: Program::Ours, ask: Ask::Future };
pub(crate) const COUNTED: Contestant = Contestant { program: Program::OursCounted, ask: Ask::Nobody };
pub(crate) const COUNTED_CALLBACK: Contestant = Contestant { ask: Ask::Callback, ..COUNTED };
pub(crate) const COUNTED_FUTURE: Contestant = Contestant { ask: Ask::Future, ..COUNTED };

/// All of them, in the order of the tables' columns.
pub(crate) const CONTESTANTS: [Contestant; 13] = [
    FLOOR,
    ECHO,
    LIBRDKAFKA,
    JAVA,
    FRANZ_GO,
    KRAFKA,
    CONFLUENT_KAFKA,
    OURS,
    OURS_CALLBACK,
    OURS_FUTURE,
    COUNTED,
    COUNTED_CALLBACK,
    COUNTED_FUTURE,
];

const fn peer(program: Program) -> Contestant {
    Contestant { program, ask: Ask::Callback }
}

impl Contestant {
    /// Whether it is what the bars measure ours by: the same three, whoever else was asked for.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self.program, Program::Librdkafka | Program::Java | Program::FranzGo)
    }

    pub(crate) fn is_ours(self) -> bool {
        self.program.is_ours()
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ask {
            Ask::Nobody => write!(f, "{}", self.program),
            Ask::Callback if !self.is_ours() => write!(f, "{}", self.program),
            ask => write!(f, "{}/{ask}", self.program),
        }
    }
}

/// A number that a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Records, or round trips, or producers, a second.
    Rate,
    /// CPU microseconds for each of them: seconds for a million.
    Cpu,
    /// CPU microseconds for each batch.
    CpuPerBatch,
    /// Bytes of values by bytes of Produce requests.
    Compression,
    /// Microseconds to the answer beyond the network's round trip.
    Median,
    /// Microseconds to the answer.
    P99,
    /// Processors that client and sink keep busy together.
    Cores,
    /// Microseconds from the start to the first acknowledgement.
    First,
    /// System calls a second, beside those of the thread that waits.
    Calls,
    /// Peak memory beyond `buffer.memory` and what callbacks are by themselves, in MB.
    Beyond,
    /// Allocations for each record.
    Allocations,
}

impl Figure {
    /// Its name in a run's report, and in words.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Figure::Rate => ("rate", "rate"),
            Figure::Cpu => ("cpu", "CPU each"),
            Figure::CpuPerBatch => ("cpu_per_batch", "CPU per batch"),
            Figure::Compression => ("compression", "compression"),
            Figure::Median => ("beyond_us", "p50 beyond the round trip"),
            Figure::P99 => ("p99_us", "p99"),
            Figure::Cores => ("cores", "busy processors"),
            Figure::First => ("first_us", "µs to the first acknowledgement"),
            Figure::Calls => ("calls", "system calls a second"),
            Figure::Beyond => ("beyond_mb", "MB beyond buffer.memory"),
            Figure::Allocations => ("allocations", "allocations per record"),
        }
    }

    /// Whether more is better.
    pub(crate) fn is_gain(self) -> bool {
        matches!(self, Figure::Rate | Figure::Compression)
    }
}

/// What a figure is divided by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Yardstick {
    /// The best peer's in the same case.
    BestPeer,
    /// Somebody's in the same case.
    Of(Contestant),
    /// Its own in another case.
    Case(&'static str),
    /// Nothing.
    One,
}

/// What is asked of a ratio.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    pub(crate) fn holds(self, ratio: f64) -> bool {
        match self {
            Limit::AtLeast(least) => ratio >= least,
            Limit::AtMost(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::AtLeast(least) => write!(f, "≥ {least}"),
            Limit::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// What one of ours is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) who: Contestant,
    pub(crate) figure: Figure,
    pub(crate) by: Yardstick,
    pub(crate) limit: Limit,
}

/// To whom records are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    /// The sink: so many brokers, whose answers take so long.
    Sink { brokers: usize, delay_us: u64 },
    /// One that never answers a Produce request.
    SilentSink,
    /// Apache Kafka, one broker.
    Kafka,
}

/// The tables of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseGroup {
    OneThread,
    ManyPartitions,
    Threads,
    LargerRecords,
    Compression,
    Brokers,
    RoundTrips,
    RealKafka,
    Transactions,
    Tls,
    ColdStart,
    Idle,
    Allocations,
    Memory,
}

pub(crate) const GROUPS: [(CaseGroup, &str); 14] = [
    (CaseGroup::OneThread, "Small records, one thread"),
    (CaseGroup::ManyPartitions, "Keyed over many partitions"),
    (CaseGroup::Threads, "Several threads on one producer"),
    (CaseGroup::LargerRecords, "Larger records"),
    (CaseGroup::Compression, "Compression"),
    (CaseGroup::Brokers, "Many brokers"),
    (CaseGroup::RoundTrips, "send().get()"),
    (CaseGroup::RealKafka, "Apache Kafka 4.3.1, one broker"),
    (CaseGroup::Transactions, "Transactions on Apache Kafka 4.3.1, one broker"),
    (CaseGroup::Tls, "Over TLS 1.3"),
    (CaseGroup::ColdStart, "From a cold start to the first acknowledgement"),
    (CaseGroup::Idle, "Idle"),
    (CaseGroup::Allocations, "Allocations"),
    (CaseGroup::Memory, "Peak memory"),
];

/// One row of the tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) group: CaseGroup,
    pub(crate) mode: Mode,
    pub(crate) values: PayloadKind,
    pub(crate) batch_size: usize,
    pub(crate) partitions: usize,
    /// 0: records without keys.
    pub(crate) keys: usize,
    pub(crate) threads: usize,
    pub(crate) codec: &'static str,
    pub(crate) idempotent: bool,
    /// How many records are in a transaction; 0: there are none.
    pub(crate) transaction: u64,
    pub(crate) tls: bool,
    pub(crate) broker: BrokerKind,
    pub(crate) contestants: &'static [Contestant],
    pub(crate) bars: &'static [Bar],
    /// Whether it is in the chart.
    pub(crate) charted: bool,
}

impl Case {
    /// The work of one of the contestants; where it goes and what is sent is filled in by the run.
    pub(crate) fn work(&self, who: Contestant, times: Times) -> Work {
        let warm_up = match who.program {
            Program::Java => times.java,
            _ => times.warm_up,
        };
        let (warm_up, window) = match self.mode {
            Mode::Idle => (Duration::from_secs(1), times.window * 3),
            _ => (warm_up, times.window),
        };
        Work {
            mode: self.mode,
            keys: self.keys,
            batch_size: self.batch_size,
            threads: self.threads,
            ask: who.ask,
            codec: self.codec.to_owned(),
            idempotent: self.idempotent,
            transaction: self.transaction,
            warm_up,
            window,
            rounds: times.connects,
            ..Work::default()
        }
    }

    /// The network's round trip.
    pub(crate) fn delay_us(&self) -> u64 {
        match self.broker {
            BrokerKind::Sink { delay_us, .. } => delay_us,
            BrokerKind::SilentSink | BrokerKind::Kafka => 0,
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    /// How long Java warms up, until its compilers are done.
    pub(crate) java: Duration,
    /// How many producers are started where that is what is measured.
    pub(crate) connects: u64,
}
