//! Runs in which anything may go wrong, from a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::embedded::{Api, EmbeddedCluster, Fault, TopicConfig};
use crate::sender::simulation::TOPIC;
use crate::sender::simulation::application::Act;
use crate::sender::simulation::history::{History, Violation};
use crate::sender::simulation::plan::Step;
use crate::sender::simulation::weather::Weather;
use crate::sender::simulation::world::{Setup, World};

/// Settings, cluster, and everything that happens, from a seed.
fn scenario(seed: u64) -> Setup {
    let random = &mut fastrand::Rng::with_seed(seed);
    let partitions = random.i32(1..=6);
    let length = Duration::from_millis(random.u64(50..20_000));
    let mut steps = application(random, partitions, length);
    let calm = random.u32(..10) == 0;
    if !calm {
        steps.extend(trouble(random, partitions, length));
    }
    let weather = if calm { Weather::calm() } else { Weather::random(random) };
    let mut topic = TopicConfig::new(partitions);
    if !calm && random.u32(..3) == 0 {
        // Batches have to be split; some records are too large by themselves.
        topic = topic.max_message_bytes(random.usize(200..3_000));
    }
    let mut cluster = EmbeddedCluster::builder().brokers(3).topic_with(TOPIC, topic);
    cluster = match random.u32(..4) {
        0 => cluster.api_versions(Api::Produce, 3..=random.i16(3..=13)),
        1 if !calm => cluster.answer_delay(Duration::from_millis(random.u64(..200))),
        _ => cluster,
    };
    let prompt = calm.then_some(Duration::from_secs(20));
    Setup { seed, properties: properties(random), cluster, weather, steps, prompt }
}

fn properties(random: &mut fastrand::Rng) -> Vec<(&'static str, String)> {
    let linger = [0, 0, 5, 50, 1000][random.usize(..5)];
    let request_timeout = random.u64(100..=10_000);
    let spare = [500, 5_000, 60_000][random.usize(..3)];
    let delivery_timeout = linger + request_timeout + random.u64(..=spare);
    let batch_size = [0, 200, 1_000, 4_000, 16_384][random.usize(..5)];
    let memory = [20_000, 100_000, 1_000_000][random.usize(..3)];
    let (idempotent, acks) =
        [("true", "all"), ("true", "all"), ("true", "all"), ("false", "all"), ("false", "1"), ("false", "0")]
            [random.usize(..6)];
    let mut properties = vec![
        ("linger.ms", linger),
        ("request.timeout.ms", request_timeout),
        ("delivery.timeout.ms", delivery_timeout),
        ("batch.size", batch_size),
        ("buffer.memory", memory.max(batch_size)),
        ("max.in.flight.requests.per.connection", random.u64(1..=5)),
        ("retry.backoff.ms", random.u64(1..=200)),
        ("retry.backoff.max.ms", random.u64(200..=2_000)),
        ("reconnect.backoff.ms", random.u64(1..=100)),
        ("reconnect.backoff.max.ms", random.u64(100..=2_000)),
        ("socket.connection.setup.timeout.ms", random.u64(100..=5_000)),
        ("socket.connection.setup.timeout.max.ms", 5_000),
        ("max.request.size", [2_000, 20_000, 1_048_576][random.usize(..3)]),
    ];
    if random.u32(..4) == 0 {
        properties.push(("metadata.max.age.ms", random.u64(100..=5_000)));
    }
    if random.u32(..4) == 0 {
        properties.push(("metadata.max.idle.ms", 5_000));
    }
    if random.u32(..4) == 0 {
        properties.push(("connections.max.idle.ms", random.u64(100..=5_000)));
    }
    if random.u32(..4) == 0 {
        properties.push(("metadata.recovery.rebootstrap.trigger.ms", random.u64(..5_000)));
    }
    if random.u32(..4) == 0 {
        // Long enough for all but nobody.
        properties.push(("bootstrap.resolve.timeout.ms", 60_000));
    }
    if random.u32(..6) == 0 {
        properties.push(("retries", random.u64(1..=4)));
    }
    let codec = ["none", "none", "gzip", "snappy", "lz4", "zstd"][random.usize(..6)];
    let recovery = ["rebootstrap", "rebootstrap", "none"][random.usize(..3)];
    let texts = properties.into_iter().map(|(name, value)| (name, value.to_string()));
    let words = [
        ("enable.idempotence", idempotent),
        ("acks", acks),
        ("compression.type", codec),
        ("metadata.recovery.strategy", recovery),
    ];
    texts.chain(words.map(|(name, word)| (name, word.to_owned()))).collect()
}

/// Bursts of records, and now and then a flush or somebody who waits.
fn application(random: &mut fastrand::Rng, partitions: i32, length: Duration) -> Vec<(Duration, Step)> {
    let mut steps = Vec::new();
    let largest = [10, 100, 1_500][random.usize(..3)];
    let keyless = random.u32(..3) == 0;
    for _ in 0..random.u32(1..=40) {
        let at = length.mul_f64(random.f64());
        let favourite = random.i32(0..partitions);
        for _ in 0..random.u32(1..=30) {
            let scattered = random.i32(0..partitions);
            let partition = if random.bool() { favourite } else { scattered };
            let partition = (!keyless || random.bool()).then_some(partition);
            let act = Act::Send { partition, size: random.usize(..=largest) };
            steps.push((at, Step::Application(act)));
        }
        match random.u32(..8) {
            0 => steps.push((at, Step::Application(Act::Flush))),
            1 => steps.push((at, Step::Application(Act::Await))),
            _ => {}
        }
    }
    if random.u32(..8) == 0 {
        let within = Duration::from_millis([0, random.u64(1..2_000), 100_000][random.usize(..3)]);
        steps.push((length.mul_f64(random.f64()), Step::Application(Act::Close { within })));
    }
    steps
}

/// Faults, and in most runs an end of them.
fn trouble(random: &mut fastrand::Rng, partitions: i32, length: Duration) -> Vec<(Duration, Step)> {
    let mut steps = Vec::new();
    let kinds: Vec<u32> = (0..random.usize(1..=5)).map(|_| random.u32(..10)).collect();
    for _ in 0..random.u32(1..=60) {
        let at = length.mul_f64(random.f64());
        let broker = random.i32(1..=3);
        let shortly = Duration::from_millis(random.u64(1..3_000));
        match kinds[random.usize(..kinds.len())] {
            0 => steps.push((at, Step::Fault(lost_answer(random).times(random.u32(1..=2))))),
            1 => steps.push((at, Step::Fault(Fault::delay(Api::Produce, shortly).times(random.u32(1..=5))))),
            2 => {
                steps.push((at, Step::Stop(broker)));
                steps.push((at + shortly, Step::Start(broker)));
            }
            3 => steps.push((at, Step::MoveLeader(random.i32(0..partitions), broker))),
            4 => steps.push((at, Step::Cut(broker))),
            5 => steps.push((at, Step::Stall(broker, shortly))),
            6 => steps.push((at, Step::Fault(other_api(random)))),
            7 => steps.push((at, Step::Fault(Fault::throttle(Api::Produce, shortly)))),
            _ => steps.push((at, Step::Fault(refusal(random, partitions)))),
        }
    }
    if random.u32(..4) > 0 {
        let calm = length.mul_f64(random.f64() * 1.5);
        steps.retain(|(at, step)| *at < calm || matches!(step, Step::Start(_)));
        steps.push((calm, Step::Calm));
    }
    steps
}

fn lost_answer(random: &mut fastrand::Rng) -> Fault {
    let kinds = [Fault::drop_answer, Fault::cut_before, Fault::cut_after];
    kinds[random.usize(..3)](Api::Produce)
}

/// The broker says no, at once or after it has written.
fn refusal(random: &mut fastrand::Rng, partitions: i32) -> Fault {
    let passing = [2, 3, 5, 6, 7, 13, 19, 56];
    let lasting = [10, 29, 87];
    let after_write = [7, 13, 20];
    let fault = match random.u32(..10) {
        0..6 => Fault::fail(Api::Produce, passing[random.usize(..passing.len())]),
        6..8 => Fault::fail_after(Api::Produce, after_write[random.usize(..3)]),
        _ => Fault::fail(Api::Produce, lasting[random.usize(..3)]),
    };
    let fault = fault.times(random.u32(1..=3));
    if random.bool() { fault.on_partition(TOPIC, random.i32(0..partitions)) } else { fault }
}

fn other_api(random: &mut fastrand::Rng) -> Fault {
    let api = [Api::Metadata, Api::ApiVersions, Api::InitProducerId][random.usize(..3)];
    let fault = match (random.u32(..4), api) {
        (0, _) => Fault::drop_answer(api),
        (1, _) => Fault::cut_after(api),
        (2, _) => Fault::delay(api, Duration::from_millis(random.u64(1..5_000))),
        (_, Api::Metadata) => Fault::fail(api, [3, 5, 129][random.usize(..3)]),
        (_, Api::InitProducerId) => Fault::fail(api, [14, 15][random.usize(..2)]),
        _ => Fault::cut_before(api),
    };
    fault.times(random.u32(1..=3))
}

fn run(seed: u64) -> Result<History, String> {
    let mut world = World::new(scenario(seed));
    world.run()?;
    let history = world.end()?;
    let violations = history.check();
    if violations.is_empty() { Ok(history) } else { Err(summary(&violations)) }
}

/// The violations of each kind, and an example.
fn summary(violations: &[Violation]) -> String {
    let mut kinds: Vec<(&Violation, usize)> = Vec::new();
    for violation in violations {
        let same = |known: &&mut (&Violation, usize)| {
            std::mem::discriminant(known.0) == std::mem::discriminant(violation)
        };
        match kinds.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => kinds.push((violation, 1)),
        }
    }
    let kinds: Vec<_> = kinds.iter().map(|(example, count)| format!("{count} x {example:?}")).collect();
    kinds.join(", ")
}

/// `KAFKA_PRODUCER_SEEDS`: how many, or from where to where (`1000-2000`).
fn seeds() -> RangeInclusive<u64> {
    let text = std::env::var("KAFKA_PRODUCER_SEEDS").unwrap_or_else(|_| "200".to_owned());
    let number = |text: &str| text.parse().expect("KAFKA_PRODUCER_SEEDS: a number or a range");
    match text.split_once('-') {
        Some((first, last)) => number(first)..=number(last),
        None => 1..=number(&text),
    }
}

/// Behaviours 34, 41.
#[test]
fn whatever_goes_wrong_promises_are_kept() {
    if let Ok(seed) = std::env::var("KAFKA_PRODUCER_SEED") {
        let seed = seed.parse().expect("KAFKA_PRODUCER_SEED: a number");
        println!("{:?}", scenario(seed).properties);
        run(seed).unwrap();
        return;
    }
    let seeds = seeds();
    let mut failed = Vec::new();
    let (mut accepted, mut acknowledged) = (0, 0);
    for seed in seeds.clone() {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(Ok(history)) => {
                let told = history.records.iter().flat_map(|record| &record.told);
                accepted += history.records.len();
                acknowledged += told.filter(|told| told.outcome.is_success()).count();
            }
            Ok(Err(error)) => {
                eprintln!("seed {seed}: {error}");
                failed.push(seed);
            }
            Err(_) => failed.push(seed),
        }
    }
    println!("seeds {seeds:?}: {accepted} records accepted, {acknowledged} acknowledged");
    let repeat = failed
        .first()
        .map(|seed| format!("KAFKA_PRODUCER_SEED={seed} cargo test --lib whatever -- --nocapture"));
    assert!(failed.is_empty(), "failing seeds: {failed:?}; repeat with {}", repeat.unwrap_or_default());
}
