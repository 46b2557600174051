//! Scenarios with transactions: small worlds in which a program begins, commits and aborts, crashes, and is not alone with its
//! `transactional.id`, from a seed.
//!
//! Owns: these dice. Must not know: how steps are carried out, what is right.
//! Holds: which kinds of trouble a seed throws does not depend on which of them are switched on.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, EmbeddedClusterBuilder, Fault, TopicConfig};

use crate::simulation::link_quality::LinkQuality;
use crate::simulation::plan::{Lie, Step};
use crate::simulation::player::{Act, CallbackDeed, How, TOPICS, TRANSACTIONAL_ID};
use crate::simulation::scenario::{Dice, SeedScenario, Size, Steps, later_trouble, of_kind};
use crate::simulation::trouble_kinds::Kind;
use crate::simulation::world::Setup;

/// All of the run of a seed.
pub(super) fn transaction_scenario(seed: u64, enabled: &[Kind]) -> SeedScenario {
    let dice = &mut Dice::with_seed(seed ^ 0x7a75_7a75_7a75_7a75);
    let size = Size {
        is_dense: false,
        topics: [1, 1, 2][dice.usize(..3)],
        partitions: dice.i32(1..=4),
        threads: [1, 1, 2, 3][dice.usize(..4)],
        length: Duration::from_millis([100, 1_000, 5_000, dice.u64(20..10_000)][dice.usize(..4)]),
    };
    let is_calm = dice.u32(..10) == 0;
    let mut thrown = thrown(dice);
    let mut steps = application(dice, &size);
    let mut trouble = trouble(dice, &size, &thrown, enabled);
    thrown.extend(other_topics(seed, &size, enabled, &mut trouble));
    let link_quality = if is_calm { LinkQuality::calm() } else { LinkQuality::random(dice) };
    let has_timeouts = thrown.contains(&Kind::TransactionTimeouts) && !is_calm;
    let has_timeouts = has_timeouts && enabled.contains(&Kind::TransactionTimeouts);
    let properties = properties(dice, has_timeouts);
    let topic = TopicConfig::new(size.partitions);
    let (mut cluster, is_old) = cluster(dice, &size, &topic);
    if is_calm {
        // Leaders answer that a transaction before is still being completed, and a batch goes more than once.
        cluster = cluster.transaction_completion_time(Duration::ZERO);
    }
    if is_old {
        // Brokers that have it have new versions of requests as well.
        trouble.retain(|(_, step)| !matches!(step, Step::TransactionVersion(_)));
    }
    if !is_calm {
        steps.append(&mut trouble);
    }
    let is_mended = is_calm || steps.iter().any(|(_, step)| matches!(step, Step::Calm));
    let kinds = if is_calm { Vec::new() } else { thrown };
    let setup = Setup {
        seed,
        properties,
        cluster,
        topic,
        threads: size.threads,
        link_quality,
        steps,
        prompt: is_calm.then_some(Duration::from_secs(20)),
        recovers: is_mended,
        ..Setup::calm(0)
    };
    SeedScenario {
        setup,
        kinds: kinds.into_iter().filter(|it| enabled.contains(it)).collect(),
        is_calm,
        length: size.length,
    }
}

/// In some runs topics are created again or grow, or brokers know or say something else of them. Returns which kinds of trouble.
fn other_topics(seed: u64, size: &Size, enabled: &[Kind], trouble: &mut Steps) -> Vec<Kind> {
    let dice = &mut Dice::with_seed(!seed ^ 0x7a75_7a75_7a75_7a75);
    let thrown = later_trouble(dice, size, &Kind::LATER_BESIDE_TRANSACTIONS, enabled, trouble);
    // The coordinator alone gives epochs, and whoever is in a transaction is not forgotten.
    trouble.retain(|(_, step)| {
        !matches!(step, Step::Lie(_, Lie::LateEpochs | Lie::LogStarts) | Step::Wipe { .. } | Step::Forget(_))
    });
    thrown
}

/// Kinds of trouble: mostly those of transactions.
fn thrown(dice: &mut Dice) -> Vec<Kind> {
    let own = Kind::of_transactions();
    let others = Kind::BESIDE_TRANSACTIONS;
    let one = |dice: &mut Dice| match dice.u32(..3) {
        0 => others[dice.usize(..others.len())],
        _ => own[dice.usize(..own.len())],
    };
    (0..dice.usize(1..=4)).map(|_| one(dice)).collect()
}

/// The cluster, and whether it can have no other `transaction.version`.
fn cluster(dice: &mut Dice, size: &Size, topic: &TopicConfig) -> (EmbeddedClusterBuilder, bool) {
    let cluster = EmbeddedCluster::builder().brokers(3);
    let mut cluster = cluster.without(Api::SaslHandshake).without(Api::SaslAuthenticate);
    for name in &TOPICS[..size.topics] {
        cluster = cluster.topic_with(*name, topic.clone());
    }
    let completion = Duration::from_millis([0, 0, 20, dice.u64(1..300)][dice.usize(..4)]);
    let cluster = cluster.transaction_completion_time(completion);
    let age = dice.u32(..8);
    let cluster = match age {
        // Before Kafka 2.5 the coordinator gives no newer epochs; before 2.7 it has other names for who is fenced.
        0 => {
            let cluster = cluster.transaction_version(0).api_versions(Api::InitProducerId, 0..=1);
            let cluster = cluster.api_versions(Api::Produce, 3..=8).api_versions(Api::EndTxn, 0..=1);
            let cluster = cluster
                .api_versions(Api::AddPartitionsToTxn, 0..=1)
                .api_versions(Api::AddOffsetsToTxn, 0..=1);
            cluster.api_versions(Api::TxnOffsetCommit, 0..=2).api_versions(Api::FindCoordinator, 0..=2)
        }
        1 => {
            let cluster = cluster.transaction_version(0).api_versions(Api::InitProducerId, 0..=3);
            cluster.api_versions(Api::Produce, 3..=9).api_versions(Api::EndTxn, 0..=1)
        }
        2 | 3 => cluster.transaction_version(0),
        4 => cluster.transaction_version(1),
        _ => cluster.transaction_version(2),
    };
    (cluster, age < 2)
}

fn properties(dice: &mut Dice, has_timeouts: bool) -> Vec<(&'static str, String)> {
    let linger = [0, 0, 5, 50][dice.usize(..4)];
    let request_timeout = dice.u64(100..=3_000);
    let spare = [500, 5_000][dice.usize(..2)];
    let delivery_timeout = linger + request_timeout + dice.u64(..=spare);
    let usual = [60_000, 60_000, 10_000][dice.usize(..3)];
    let brief = dice.u64(100..=2_000);
    let properties = vec![
        ("linger.ms", linger),
        ("request.timeout.ms", request_timeout),
        ("delivery.timeout.ms", delivery_timeout),
        ("batch.size", [0, 200, 1_000, 16_384][dice.usize(..4)]),
        ("buffer.memory", [20_000, 1_000_000][dice.usize(..2)]),
        ("max.block.ms", [500, 2_000, 10_000][dice.usize(..3)]),
        ("max.in.flight.requests.per.connection", dice.u64(1..=5)),
        ("retry.backoff.ms", if dice.bool() { 100 } else { dice.u64(1..=200) }),
        ("retry.backoff.max.ms", dice.u64(200..=1_000)),
        ("reconnect.backoff.ms", dice.u64(1..=100)),
        ("reconnect.backoff.max.ms", dice.u64(100..=1_000)),
        ("socket.connection.setup.timeout.ms", dice.u64(100..=2_000)),
        ("socket.connection.setup.timeout.max.ms", 2_000),
        ("transaction.timeout.ms", if has_timeouts { brief } else { usual }),
    ];
    let rare = [
        (6, "metadata.max.age.ms", dice.u64(100..=5_000)),
        (6, "connections.max.idle.ms", dice.u64(100..=5_000)),
        (8, "retries", dice.u64(1..=4)),
    ];
    let rare = rare.iter().filter(|(of, ..)| dice.u32(..*of) == 0).map(|(_, name, value)| (*name, *value));
    let rare: Vec<_> = rare.collect();
    let texts = properties.into_iter().chain(rare).map(|(name, value)| (name, value.to_string()));
    texts.chain([("transactional.id", TRANSACTIONAL_ID.to_owned())]).collect()
}

/// One transaction after another on the first thread; the others send meanwhile.
fn application(dice: &mut Dice, size: &Size) -> Steps {
    let mut steps = vec![(Duration::ZERO, Step::Act(0, Act::Init))];
    let count = dice.u32(1..=10);
    let each = size.length / count;
    for number in 0..count {
        let begun = each * number + each.mul_f64(dice.f64() * 0.2);
        steps.push((begun, Step::Act(0, Act::Begin)));
        let within = each.mul_f64([0.0, 0.1, 0.7][dice.usize(..3)]);
        for _ in 0..dice.u32(..=8) {
            steps.push((begun + within.mul_f64(dice.f64()), send(dice, size)));
        }
        for _ in 0..[0, 0, 1, 1, 2][dice.usize(..5)] {
            let at = begun + within.mul_f64(dice.f64());
            steps.push((at, Step::Act(0, offsets(dice, size))));
        }
        let tries = dice.u32(..4);
        let end = if dice.u32(..4) == 0 { Act::Abort { tries } } else { Act::Commit { tries } };
        steps.push((begun + within, Step::Act(0, end)));
    }
    steps
}

fn send(dice: &mut Dice, size: &Size) -> Step {
    let how = match dice.u32(..20) {
        0 => How::Send,
        1 => How::TrySend,
        _ => How::Callback(CallbackDeed::Nothing),
    };
    let partition = (dice.u32(..6) > 0).then(|| dice.i32(0..size.partitions));
    let largest = [10, 100, 1_500][dice.usize(..3)];
    let act = Act::Send { topic: dice.usize(..size.topics), partition, size: dice.usize(..=largest), how };
    Step::Act(if dice.u32(..4) == 0 { dice.usize(..size.threads) } else { 0 }, act)
}

fn offsets(dice: &mut Dice, size: &Size) -> Act {
    let partition = dice.i32(0..size.partitions);
    Act::Offsets { topic: dice.usize(..size.topics), partition, is_shared: dice.bool() }
}

/// Troubles of the kinds that were thrown, and in most runs an end of them.
fn trouble(dice: &mut Dice, size: &Size, thrown: &[Kind], enabled: &[Kind]) -> Steps {
    let mut steps = Vec::new();
    for _ in 0..dice.u32(1..=20) {
        let at = size.length.mul_f64(dice.f64());
        let kind = thrown[dice.usize(..thrown.len())];
        let found = match Kind::of_transactions().contains(&kind) {
            true => of_transactions(kind, dice, size, at),
            false => of_kind(kind, dice, size, at),
        };
        if enabled.contains(&kind) {
            steps.extend(found);
        }
    }
    if dice.u32(..4) > 0 {
        let calm = size.length.mul_f64(dice.f64() * 1.5);
        let mends = |step: &Step| matches!(step, Step::Start(_));
        steps.retain(|(at, step)| *at < calm || mends(step));
        steps.push((calm, Step::Calm));
    }
    steps
}

fn of_transactions(kind: Kind, dice: &mut Dice, size: &Size, at: Duration) -> Steps {
    let shortly = Duration::from_millis(dice.u64(1..1_000));
    let api = APIS[dice.usize(..APIS.len())];
    let broker = dice.i32(1..=3);
    let times = dice.u32(1..=3);
    let fault = |fault: Fault| (at, Step::Fault(fault));
    match kind {
        Kind::CoordinatorLosses => {
            let losses = [Fault::drop_answer, Fault::cut_before, Fault::cut_after];
            vec![fault(losses[dice.usize(..3)](api).times(times))]
        }
        Kind::CoordinatorDelays if dice.bool() => vec![fault(Fault::throttle(api, shortly))],
        Kind::CoordinatorDelays => vec![fault(Fault::delay(api, shortly).times(times))],
        Kind::CoordinatorRefusals => vec![fault(refusal(dice, api).times(dice.u32(1..=8)))],
        Kind::AbortableCodes => vec![fault(code_of(dice, api, abortable(api)).times(times))],
        // Of little use is a program that does not begin again.
        Kind::FatalCodes => {
            let fatal = fault(code_of(dice, api, fatal(api)));
            if dice.u32(..4) > 0 { vec![fatal, (at + shortly, Step::Crash)] } else { vec![fatal] }
        }
        Kind::CoordinatorMoves if dice.bool() => vec![(at, Step::MoveGroups(broker))],
        Kind::CoordinatorMoves => vec![(at, Step::MoveCoordinator(broker))],
        Kind::Crashes => vec![(at, Step::Crash)],
        Kind::Departures => departure(dice, size, at, shortly),
        Kind::Rivals => {
            let again = (0..dice.u32(1..=4)).map(|number| (at + shortly * number / 4, Step::Rival));
            let back = (dice.u32(..4) > 0).then_some((at + shortly * 2, Step::Crash));
            again.chain(back).collect()
        }
        Kind::Zombies => {
            let again = (0..dice.u32(1..=10)).map(|number| (at + shortly * number / 5, Step::Zombie));
            [(at, Step::Crash)].into_iter().chain(again).collect()
        }
        Kind::TransactionTimeouts => {
            vec![(at, Step::Act(0, Act::Get { within: None })), (at + shortly * 3, Step::Crash)]
        }
        Kind::VersionChanges => {
            vec![(at, Step::TransactionVersion(dice.i16(0..=2))), (at + shortly, Step::Cut(broker))]
        }
        _ => two_at_once(dice, size, at),
    }
}

/// The program ends in order, and begins again.
fn departure(dice: &mut Dice, size: &Size, at: Duration, shortly: Duration) -> Steps {
    let within =
        (dice.u32(..4) > 0).then(|| Duration::from_millis([0, dice.u64(1..2_000), 100_000][dice.usize(..3)]));
    let thread = dice.usize(..size.threads);
    let mut steps: Steps = match dice.bool() {
        true => vec![(at, Step::Act(thread, Act::Close { within }))],
        false => (0..size.threads).map(|thread| (at, Step::Act(thread, Act::Drop))).collect(),
    };
    steps.push((at + shortly * 4, Step::Crash));
    steps
}

/// Several threads call, which they should not.
fn two_at_once(dice: &mut Dice, size: &Size, at: Duration) -> Steps {
    let tries = dice.u32(..2);
    let calls = [Act::Begin, Act::Commit { tries }, Act::Abort { tries }, Act::Init, offsets(dice, size)];
    let count = dice.usize(1..=4);
    (0..count)
        .map(|_| (at, Step::Act(dice.usize(..size.threads), calls[dice.usize(..calls.len())])))
        .collect()
}

/// A code after which the same is asked again, told before or after it was done.
fn refusal(dice: &mut Dice, api: Api) -> Fault {
    let before = match api {
        Api::FindCoordinator => &[7, 14, 15][..],
        Api::TxnOffsetCommit => &[3, 7, 14, 15, 16],
        Api::AddPartitionsToTxn => &[3, 14, 15, 16, 51, 51],
        _ => &[14, 15, 16, 51, 51],
    };
    match dice.u32(..4) {
        0 if api != Api::FindCoordinator => Fault::fail_after(api, [7, 14, 15, 16][dice.usize(..4)]),
        _ => Fault::fail(api, before[dice.usize(..before.len())]),
    }
}

fn code_of(dice: &mut Dice, api: Api, codes: &[i16]) -> Fault {
    Fault::fail(api, codes[dice.usize(..codes.len())])
}

/// Codes after which a transaction can be aborted, or a call made again.
fn abortable(api: Api) -> &'static [i16] {
    match api {
        Api::FindCoordinator => &[30, 120],
        Api::InitProducerId => &[31, 53, 120],
        Api::AddPartitionsToTxn => &[29, 55, 59, 120],
        Api::AddOffsetsToTxn => &[30, 59, 120],
        Api::TxnOffsetCommit => &[22, 25, 30, 82, 120],
        _ => &[59, 120],
    }
}

/// Codes after which a producer is of no use.
fn fatal(api: Api) -> &'static [i16] {
    match api {
        Api::FindCoordinator => &[53, 42],
        Api::InitProducerId => &[47, 90, 50],
        Api::TxnOffsetCommit => &[47, 90, 24],
        _ => &[47, 48, 49, 53, 90],
    }
}

/// Those that have to do with coordinators.
const APIS: [Api; 6] = [
    Api::FindCoordinator,
    Api::InitProducerId,
    Api::AddPartitionsToTxn,
    Api::AddOffsetsToTxn,
    Api::TxnOffsetCommit,
    Api::EndTxn,
];
