//! Scenarios: settings, cluster, application, and everything that goes wrong, from a seed.
//!
//! Owns: the dice. Must not know: how steps are carried out, what is right.
//! Holds: which kinds of trouble a seed throws does not depend on which of them are switched on.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, EmbeddedClusterBuilder, Fault, TopicConfig};

use crate::simulation::dawdling::{slow_callbacks, slow_code};
use crate::simulation::link_quality::LinkQuality;
use crate::simulation::plan::{Forgotten, Lie, Step};
use crate::simulation::player::{Act, CallbackDeed, How, TOPICS};
use crate::simulation::slow_code::SlowCode;
use crate::simulation::trouble_kinds::Kind;
use crate::simulation::world::Setup;

pub(super) type Dice = fastrand::Rng;
pub(super) type Steps = Vec<(Duration, Step)>;

const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;

impl Size {
    fn random(dice: &mut Dice) -> Size {
        let size = Size {
            is_dense: dice.u32(..4) == 0,
            topics: [1, 1, 2, 3][dice.usize(..4)],
            partitions: dice.i32(1..=6),
            threads: [1, 1, 2, 4][dice.usize(..4)],
            length: Duration::from_millis(dice.u64(50..20_000)),
        };
        match size.is_dense {
            true => Size { topics: 1, partitions: size.partitions.min(2), length: size.length / 5, ..size },
            false => size,
        }
    }
}

/// How large everything is.
pub(super) struct Size {
    /// Few partitions, small batches, and much that goes wrong with them in a short time: what is sent again, given up and
    /// numbered anew meets each other.
    pub(super) is_dense: bool,
    pub(super) topics: usize,
    pub(super) partitions: i32,
    pub(super) threads: usize,
    pub(super) length: Duration,
}

/// All of a run.
pub(super) struct SeedScenario {
    pub(super) setup: Setup,
    /// The kinds of trouble in it.
    pub(super) kinds: Vec<Kind>,
    /// Nothing goes wrong.
    pub(super) is_calm: bool,
    /// For how long the application is at work.
    pub(super) length: Duration,
}

/// All of the run of a seed.
pub(super) fn scenario(seed: u64, enabled: &[Kind]) -> SeedScenario {
    let dice = &mut Dice::with_seed(seed);
    let size = Size::random(dice);
    let is_calm = !size.is_dense && dice.u32(..10) == 0;
    let possible = if size.is_dense { &Kind::OF_SEQUENCES[..] } else { Kind::of_any_connections().0 };
    let mut thrown: Vec<Kind> =
        (0..dice.usize(1..=5)).map(|_| possible[dice.usize(..possible.len())]).collect();
    let mut steps = application(dice, &size, is_calm);
    let is_cut_short = steps.iter().any(|(_, step)| is_hasty(step));
    let lets_go = steps.iter().any(|(_, step)| matches!(step, Step::Act(0, Act::Drop)));
    let mut trouble = trouble(dice, &size, &thrown, enabled);
    let denial = denial(dice, &size, &thrown, enabled);
    let is_denied = denial.is_some();
    trouble.extend(denial);
    let (_, later) = Kind::of_any_connections();
    thrown.extend(later_trouble(&mut Dice::with_seed(!seed), &size, later, enabled, &mut trouble));
    let link_quality = if is_calm { LinkQuality::calm() } else { LinkQuality::random(dice) };
    let limit = limit(dice);
    let versions = Versions::random(dice);
    let properties = properties(dice, size.is_dense, versions.know_zstd());
    // What is too large is refused; only with idempotence does that leave the others as they are.
    let is_idempotent = properties.contains(&("enable.idempotence", "true".to_owned()));
    let limit = limit.filter(|_| !is_calm || is_idempotent);
    let topic = topic(&size, limit);
    let (cluster, is_slow) = cluster(&versions, &size, &topic, is_calm);
    if is_calm && dice.bool() {
        steps.extend(slow_callbacks(dice, size.length, size.partitions, &properties));
    }
    let prompt = (is_calm && !is_cut_short).then_some(Duration::from_secs(20));
    if !is_calm {
        steps.append(&mut trouble);
    }
    let kinds =
        if is_calm { Vec::new() } else { thrown.into_iter().filter(|it| enabled.contains(it)).collect() };
    let is_mended = is_calm || steps.iter().any(|(_, step)| matches!(step, Step::Calm));
    // Nobody finds a cluster again all of whose brokers have moved, unless he begins again.
    let stays = properties.contains(&("metadata.recovery.strategy", "none".to_owned()));
    let is_lost = stays && steps.iter().any(|(_, step)| sends_brokers_away(step));
    let recovers = is_mended && !lets_go && !is_slow && !is_lost && (is_calm || !is_denied);
    // A record alone in its batch has some more bytes around it.
    let largest = limit.map_or(usize::MAX, |limit| limit.saturating_sub(150));
    let slow_code = slow_code(seed, &properties);
    let setup = Setup {
        seed,
        properties,
        cluster,
        topic,
        threads: size.threads,
        link_quality,
        steps,
        slow_code: prompt.map_or(SlowCode::default(), |_| slow_code),
        prompt,
        largest,
        recovers,
        ..Setup::calm(0)
    };
    SeedScenario { setup, kinds, is_calm, length: size.length }
}

/// Whether brokers are somewhere else after this, as far as clients are told.
fn sends_brokers_away(step: &Step) -> bool {
    matches!(step, Step::Move(_) | Step::Wipe { .. } | Step::Lie(_, Lie::OddPorts))
}

/// Whether this ends the run before all has to be answered.
fn is_hasty(step: &Step) -> bool {
    match step {
        Step::Act(_, Act::Close { within }) => within.is_some_and(|within| within < Duration::from_secs(100)),
        _ => false,
    }
}

/// With idempotence this is the end, so not too often.
fn denial(dice: &mut Dice, size: &Size, thrown: &[Kind], enabled: &[Kind]) -> Option<(Duration, Step)> {
    let kind = Kind::Refusals;
    (thrown.contains(&kind) && enabled.contains(&kind) && dice.u32(..8) == 0).then(|| {
        let denied = Fault::fail(Api::Produce, CLUSTER_AUTHORIZATION_FAILED);
        (size.length.mul_f64(dice.f64()), Step::Fault(denied))
    })
}

/// The topics, all alike.
fn topic(size: &Size, limit: Option<usize>) -> TopicConfig {
    let topic = TopicConfig::new(size.partitions);
    limit.map_or(topic.clone(), |limit| topic.max_message_bytes(limit))
}

/// Batches have to be split; some records are too large by themselves.
fn limit(dice: &mut Dice) -> Option<usize> {
    let limit = dice.usize(200..3_000);
    (dice.u32(..3) == 0).then_some(limit)
}

/// What kind of brokers these are, the newest Produce that they speak, and how slow they are.
struct Versions {
    kind: u32,
    newest: i16,
    delay: Duration,
}

impl Versions {
    fn random(dice: &mut Dice) -> Versions {
        let (newest, delay) = (dice.i16(3..=13), Duration::from_millis(dice.u64(..200)));
        Versions { kind: dice.u32(..6), newest, delay }
    }

    fn know_zstd(&self) -> bool {
        self.kind != 0 || self.newest >= 7
    }
}

/// The cluster, and whether its answers are always slow.
fn cluster(
    versions: &Versions,
    size: &Size,
    topic: &TopicConfig,
    is_calm: bool,
) -> (EmbeddedClusterBuilder, bool) {
    // Nobody has to say who he is.
    let cluster = EmbeddedCluster::builder().brokers(3);
    let mut cluster = cluster.without(Api::SaslHandshake).without(Api::SaslAuthenticate);
    for name in &TOPICS[..size.topics] {
        cluster = cluster.topic_with(*name, topic.clone());
    }
    let cluster = match versions.kind {
        0 => cluster.api_versions(Api::Produce, 3..=versions.newest),
        1 if !is_calm => cluster.answer_delay(versions.delay),
        // Without topic ids; and without leader epochs to believe.
        2 => cluster.api_versions(Api::Produce, 3..=9).api_versions(Api::Metadata, 0..=9),
        3 => {
            let cluster = cluster.api_versions(Api::Produce, 3..=7).api_versions(Api::Metadata, 0..=7);
            cluster.api_versions(Api::ApiVersions, 0..=2)
        }
        _ => cluster,
    };
    (cluster, versions.kind == 1)
}

fn properties(dice: &mut Dice, is_dense: bool, knows_zstd: bool) -> Vec<(&'static str, String)> {
    let linger = [0, 0, 5, 50, 1000][dice.usize(..if is_dense { 3 } else { 5 })];
    let request_timeout = dice.u64(100..=if is_dense { 1_000 } else { 10_000 });
    let spare = [500, 5_000, 60_000][dice.usize(..if is_dense { 2 } else { 3 })];
    let delivery_timeout = linger + request_timeout + dice.u64(..=spare);
    let batch_size = [0, 200, 1_000, 4_000, 16_384][dice.usize(..if is_dense { 3 } else { 5 })];
    let memory = [20_000, 100_000, 1_000_000][dice.usize(..3)];
    let (idempotent, acks) =
        [("true", "all"), ("true", "all"), ("true", "all"), ("false", "all"), ("false", "1"), ("false", "0")]
            [dice.usize(..if is_dense { 3 } else { 6 })];
    let retry_backoff = if dice.bool() { 100 } else { dice.u64(1..=200) };
    let mut properties = vec![
        ("linger.ms", linger),
        ("request.timeout.ms", request_timeout),
        ("delivery.timeout.ms", delivery_timeout),
        ("batch.size", batch_size),
        ("buffer.memory", memory.max(batch_size)),
        ("max.block.ms", [500, 10_000, 60_000][dice.usize(..3)]),
        ("max.in.flight.requests.per.connection", dice.u64(1..=5)),
        ("retry.backoff.ms", retry_backoff),
        ("retry.backoff.max.ms", dice.u64(200..=2_000)),
        ("reconnect.backoff.ms", dice.u64(1..=100)),
        ("reconnect.backoff.max.ms", dice.u64(100..=2_000)),
        ("socket.connection.setup.timeout.ms", dice.u64(100..=5_000)),
        ("socket.connection.setup.timeout.max.ms", 5_000),
        ("max.request.size", [2_000, 20_000, 1_048_576][dice.usize(..3)]),
    ];
    let rare = [
        (4, "metadata.max.age.ms", dice.u64(100..=5_000)),
        (4, "metadata.max.idle.ms", 5_000),
        (4, "connections.max.idle.ms", dice.u64(100..=5_000)),
        (4, "metadata.recovery.rebootstrap.trigger.ms", dice.u64(..5_000)),
        // Long enough for all but nobody.
        (4, "bootstrap.resolve.timeout.ms", 60_000),
        (6, "retries", dice.u64(1..=4)),
    ];
    properties
        .extend(rare.iter().filter(|(of, ..)| dice.u32(..*of) == 0).map(|(_, name, value)| (*name, *value)));
    let codec = ["none", "none", "gzip", "snappy", "lz4", "zstd"][dice.usize(..6)];
    let codec = if codec == "zstd" && !knows_zstd { "none" } else { codec };
    let recovery = ["rebootstrap", "rebootstrap", "none"][dice.usize(..3)];
    let texts = properties.into_iter().map(|(name, value)| (name, value.to_string()));
    let words = [
        ("enable.idempotence", idempotent),
        ("acks", acks),
        ("compression.type", codec),
        ("metadata.recovery.strategy", recovery),
    ];
    texts.chain(words.map(|(name, word)| (name, word.to_owned()))).collect()
}

/// Bursts of records from several threads, and now and then a flush, or somebody who waits.
fn application(dice: &mut Dice, size: &Size, is_calm: bool) -> Steps {
    let mut steps = Vec::new();
    let largest = [10, 100, 1_500][dice.usize(..3)];
    let keyless = dice.u32(..3) == 0;
    for _ in 0..dice.u32(1..=40) {
        let at = size.length.mul_f64(dice.f64());
        let (thread, topic) = (dice.usize(..size.threads), dice.usize(..size.topics));
        let favourite = dice.i32(0..size.partitions);
        for _ in 0..dice.u32(1..=30) {
            let scattered = dice.i32(0..size.partitions);
            let partition = if dice.bool() { favourite } else { scattered };
            let partition = (!keyless || dice.bool()).then_some(partition);
            let act = Act::Send { topic, partition, size: dice.usize(..=largest), how: how(dice, largest) };
            steps.push((at, Step::Act(thread, act)));
        }
        let others = dice.usize(..size.threads);
        let act = match dice.u32(..12) {
            0 => Act::Flush,
            1 => Act::Get { within: None },
            2 => Act::Get { within: Some(Duration::from_millis(dice.u64(..500))) },
            3 => Act::PartitionsFor { topic },
            _ => continue,
        };
        steps.push((at, Step::Act(others, act)));
    }
    if dice.u32(..8) == 0 {
        let within = Duration::from_millis([0, dice.u64(1..2_000), 100_000][dice.usize(..3)]);
        let within = (dice.u32(..4) > 0).then_some(within);
        let at = size.length.mul_f64(dice.f64());
        if dice.u32(..4) > 0 {
            steps.push((at, Step::Act(dice.usize(..size.threads), Act::Close { within })));
        } else {
            steps.extend((0..size.threads).map(|thread| (at, Step::Act(thread, Act::Drop))));
        }
    } else if !is_calm && dice.u32(..8) == 0 {
        // One of several lets go.
        steps.push((size.length.mul_f64(dice.f64()), Step::Act(size.threads - 1, Act::Drop)));
    }
    steps
}

fn how(dice: &mut Dice, largest: usize) -> How {
    match dice.u32(..40) {
        0..4 => How::Send,
        4..6 => How::TrySend,
        6 => How::Callback(CallbackDeed::Sends(dice.usize(..=largest))),
        7 if dice.bool() => How::Callback(CallbackDeed::Waits),
        _ => How::Callback(CallbackDeed::Nothing),
    }
}

/// Troubles of the kinds that were thrown, and in most runs an end of them.
fn trouble(dice: &mut Dice, size: &Size, thrown: &[Kind], enabled: &[Kind]) -> Steps {
    let mut steps = Vec::new();
    let least = if size.is_dense { 30 } else { 1 };
    for _ in 0..dice.u32(least..=60) {
        let at = size.length.mul_f64(dice.f64());
        let kind = thrown[dice.usize(..thrown.len())];
        let found = of_kind(kind, dice, size, at);
        if enabled.contains(&kind) {
            steps.extend(found);
        }
    }
    if dice.u32(..4) > 0 {
        let calm = size.length.mul_f64(dice.f64() * 1.5);
        steps.retain(|(at, step)| *at < calm || mends(step));
        steps.push((calm, Step::Calm));
    }
    steps
}

/// Whether it puts something right, and so comes also where nothing goes wrong any more.
fn mends(step: &Step) -> bool {
    matches!(step, Step::Start(_) | Step::Create(..))
}

/// Adds troubles of the kinds that came later to those that a run has, and returns these kinds.
pub(super) fn later_trouble(
    dice: &mut Dice,
    size: &Size,
    possible: &[Kind],
    enabled: &[Kind],
    trouble: &mut Steps,
) -> Vec<Kind> {
    if dice.u32(..3) > 0 {
        return Vec::new();
    }
    let thrown: Vec<Kind> = (0..dice.usize(1..=2)).map(|_| possible[dice.usize(..possible.len())]).collect();
    let calm = trouble.iter().find(|(_, step)| matches!(step, Step::Calm)).map(|(at, _)| *at);
    for _ in 0..dice.u32(1..=20) {
        let at = size.length.mul_f64(dice.f64());
        let kind = thrown[dice.usize(..thrown.len())];
        let found = of_kind(kind, dice, size, at);
        if enabled.contains(&kind) {
            let stays = |(at, step): &(Duration, Step)| calm.is_none_or(|calm| *at < calm) || mends(step);
            trouble.extend(found.into_iter().filter(stays));
        }
    }
    thrown
}

/// Where and when something goes wrong, where it is about one place, and for how long.
struct Spot {
    topic: usize,
    partition: i32,
    broker: i32,
    at: Duration,
    shortly: Duration,
}

impl Spot {
    fn random(dice: &mut Dice, size: &Size, at: Duration) -> Spot {
        let broker = dice.i32(1..=3);
        let topic = dice.usize(..size.topics);
        let partition = dice.i32(0..size.partitions);
        Spot { topic, partition, broker, at, shortly: Duration::from_millis(dice.u64(1..3_000)) }
    }
}

pub(super) fn of_kind(kind: Kind, dice: &mut Dice, size: &Size, at: Duration) -> Steps {
    let spot = Spot::random(dice, size, at);
    let Spot { topic, partition, broker, shortly, .. } = spot;
    let one = |step: Step| vec![(at, step)];
    let fault = |fault: Fault| vec![(at, Step::Fault(fault))];
    match kind {
        Kind::LostAnswers => fault(lost_answer(dice).times(dice.u32(1..=2))),
        Kind::SlowAnswers => fault(Fault::delay(Api::Produce, shortly).times(dice.u32(1..=5))),
        Kind::Stops => vec![(at, Step::Stop(broker)), (at + shortly, Step::Start(broker))],
        Kind::Leaders => one(Step::MoveLeader(topic, partition, broker)),
        Kind::Cuts => one(Step::Cut(broker)),
        Kind::Stalls if dice.bool() => one(Step::Detain(broker, shortly)),
        Kind::Stalls => one(Step::Stall(broker, shortly)),
        Kind::OtherApis => fault(other_api(dice)),
        Kind::Throttles => {
            let api = [Api::Produce, Api::Metadata, Api::InitProducerId, Api::ApiVersions][dice.usize(..4)];
            fault(Fault::throttle(api, shortly))
        }
        Kind::Refusals => fault(refusal(dice, TOPICS[topic], partition)),
        Kind::UnknownCodes => fault(unknown_code(dice, TOPICS[topic], partition)),
        Kind::Partitions => one(Step::Grow(topic, size.partitions + dice.i32(1..=4))),
        Kind::LaggingMetadata => lag(dice, size, &spot),
        Kind::LyingMetadata | Kind::LyingHints => {
            let lies = if kind == Kind::LyingMetadata { &Lie::ALL[..10] } else { &Lie::ALL[10..15] };
            let lie = Step::Lie(dice.bool().then_some(broker), lies[dice.usize(..lies.len())]);
            vec![(at, lie), (at + shortly, Step::Honest)]
        }
        Kind::Recreation => {
            let create = Step::Create(topic, dice.i32(1..=8), broker);
            match dice.bool() {
                true => one(create),
                false => vec![(at, Step::Delete(topic)), (at + shortly, create)],
            }
        }
        Kind::Forgetting => forgetting(dice, &spot),
        Kind::NewCluster => one(Step::Wipe { keep_topics: dice.u32(..4) > 0 }),
        Kind::OtherProducers => one(Step::Other),
        Kind::NewAddresses => one(Step::Move(broker)),
        Kind::SilentConnections => one(Step::Silence(broker)),
        Kind::WallClock => one(Step::Jump(dice.i64(-100_000_000..=100_000_000))),
        Kind::RefusedIds => {
            let codes = [31, 53, 14, 15, 16, 35, 41, 51, 999];
            fault(Fault::fail(Api::InitProducerId, codes[dice.usize(..9)]).times(dice.u32(1..=20)))
        }
        Kind::Interrupts => one(Step::Interrupt(dice.usize(..size.threads))),
        Kind::SlowCallbacks => {
            let how = How::Callback(CallbackDeed::Slow(shortly / 4));
            one(Step::Act(dice.usize(..size.threads), Act::Send { topic, partition: None, size: 10, how }))
        }
        Kind::Restarts => one(Step::Restart(broker)),
        Kind::OddAnswers => odd_answers(dice, &spot),
        Kind::RefusedTopics => {
            let refusal = Fault::fail(Api::Metadata, [17, 29][dice.usize(..2)]);
            fault(refusal.on_topic(TOPICS[topic]).times(dice.u32(1..=3)))
        }
        _ => Vec::new(), // those of secured connections have dice of their own
    }
}

/// Producers are forgotten; the next batch of one partition may be told so.
fn forgetting(dice: &mut Dice, spot: &Spot) -> Steps {
    let Spot { topic, partition, broker, at, .. } = *spot;
    let what = match dice.u32(..4) {
        0 => Forgotten::All,
        1 => Forgotten::Broker(broker),
        _ => Forgotten::Partition(topic, partition),
    };
    // Brokers of before 2.5 say so; newer ones take whatever comes.
    let says_so = Fault::fail(Api::Produce, 59).on_partition(TOPICS[topic], partition);
    let is_told = dice.bool() && !matches!(what, Forgotten::Broker(_));
    let told = is_told.then_some((at, Step::Fault(says_so)));
    [(at, Step::Forget(what))].into_iter().chain(told).collect()
}

/// A broker's answers are odd for a while, and so that this matters: a producer is forgotten, or needs another id.
fn odd_answers(dice: &mut Dice, spot: &Spot) -> Steps {
    let Spot { topic, partition, broker, at, shortly } = *spot;
    let lie = Lie::ALL[15..][dice.usize(..Lie::ALL.len() - 15)];
    let cause = match lie {
        Lie::LogStarts => Some(Fault::fail(Api::Produce, 59).on_partition(TOPICS[topic], partition)),
        // Without a place of its own in the log a batch ends its epoch.
        Lie::LateEpochs => Some(Fault::fail(Api::Produce, 87).times(5)),
        _ => None,
    };
    let cause = cause.map(|fault| {
        let forgotten = Step::Forget(Forgotten::Partition(topic, partition));
        let other_id = Step::Wipe { keep_topics: true };
        let before = if lie == Lie::LogStarts { forgotten } else { other_id };
        [(at, before), (at, Step::Fault(fault))]
    });
    let who = if lie == Lie::LateEpochs { None } else { dice.bool().then_some(broker) };
    let lies = [(at, Step::Lie(who, lie)), (at + shortly, Step::Honest)];
    lies.into_iter().chain(cause.into_iter().flatten()).collect()
}

/// A broker's metadata stays as it is while something changes.
fn lag(dice: &mut Dice, size: &Size, spot: &Spot) -> Steps {
    let Spot { topic, partition, broker, at, shortly } = *spot;
    let change = match dice.u32(..4) {
        0 => Step::Grow(topic, size.partitions + dice.i32(1..=4)),
        1 => Step::Create(topic, dice.i32(1..=6), broker),
        _ => Step::MoveLeader(topic, partition, dice.i32(1..=3)),
    };
    let soon = shortly.mul_f64(dice.f64());
    vec![(at, Step::Freeze(broker)), (at + soon, change), (at + shortly, Step::Thaw(broker))]
}

fn lost_answer(dice: &mut Dice) -> Fault {
    let kinds = [Fault::drop_answer, Fault::cut_before, Fault::cut_after];
    kinds[dice.usize(..3)](Api::Produce)
}

/// The broker says no, at once or after it has written. It never says 45 or 59 here: they tell that it lacks the batch,
/// and where it has it no broker says so. The first comes of itself, the second where a broker has forgotten.
fn refusal(dice: &mut Dice, topic: &str, partition: i32) -> Fault {
    let passing = [2, 3, 5, 6, 7, 13, 19, 56, 89, 100];
    let lasting = [10, 29, 47, 87];
    let after_write = [3, 6, 7, 13, 20, 46, 56, 100, -1];
    let fault = match dice.u32(..10) {
        0..6 => Fault::fail(Api::Produce, passing[dice.usize(..passing.len())]),
        6..8 => Fault::fail_after(Api::Produce, after_write[dice.usize(..after_write.len())]),
        _ => Fault::fail(Api::Produce, lasting[dice.usize(..lasting.len())]),
    };
    let fault = fault.times(dice.u32(1..=3));
    if dice.bool() { fault.on_partition(topic, partition) } else { fault }
}

/// A code that nobody knows, before or after the broker has written.
fn unknown_code(dice: &mut Dice, topic: &str, partition: i32) -> Fault {
    let code = [999, -32_768, 400, 131][dice.usize(..4)];
    match dice.u32(..4) {
        0 => Fault::fail(Api::Metadata, code).on_topic(topic),
        1 => Fault::fail(Api::Produce, code).on_partition(topic, partition),
        _ => Fault::fail_after(Api::Produce, code).on_partition(topic, partition),
    }
}

fn other_api(dice: &mut Dice) -> Fault {
    let api = [Api::Metadata, Api::ApiVersions, Api::InitProducerId][dice.usize(..3)];
    let fault = match (dice.u32(..4), api) {
        (0, _) => Fault::drop_answer(api),
        (1, _) => Fault::cut_after(api),
        (2, _) => Fault::delay(api, Duration::from_millis(dice.u64(1..5_000))),
        (_, Api::Metadata) => Fault::fail(api, [3, 5, 129][dice.usize(..3)]),
        (_, Api::InitProducerId) => Fault::fail(api, [14, 15][dice.usize(..2)]),
        _ => Fault::cut_before(api),
    };
    fault.times(dice.u32(1..=3))
}
