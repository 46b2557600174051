//! Many runs, each from a seed, on several threads; and one again, with its history.
//!
//! Owns: which seeds run where, what is counted. Must not know: what a run is made of.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::planted::{self, Defect};
use crate::simulation::composition::compose;
use crate::simulation::coverage::Coverage;
use crate::simulation::history::{History, RecordOutcome, Violation};
use crate::simulation::plan::Lie;
use crate::simulation::run_parts::{Presence, RunParts};
use crate::simulation::scenario::SeedScenario;
use crate::simulation::secured_side::SecuredSide;
use crate::simulation::trouble_kinds::Kind;
use crate::simulation::world::World;
use crate::stage;

/// Which runs.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// On how many threads.
    pub threads: usize,
    /// The kinds of trouble that may come.
    pub kinds: Vec<Kind>,
    /// A defect that is planted, by its name.
    pub defect: Option<&'static str>,
    /// How many findings are enough.
    pub enough: usize,
    /// What they have beside a producer, its callers and brokers.
    pub parts: RunParts,
}

/// The first seed, on one thread, with every kind of trouble that is held, and none of what has scenarios of its own.
impl Default for Runs {
    fn default() -> Runs {
        Runs {
            first: 1,
            count: 1,
            threads: 1,
            kinds: Kind::held(),
            defect: None,
            enough: 20,
            parts: RunParts::PLAIN,
        }
    }
}

/// A seed in which a promise was broken.
#[derive(Debug, Clone)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub what: String,
}

/// What came of many runs.
#[derive(Debug, Clone, Default)]
pub struct SeedsReport {
    /// How many runs there were.
    pub seeds: u64,
    /// Records that were accepted.
    pub accepted: u64,
    /// Those of them that were acknowledged.
    pub acknowledged: u64,
    /// Records that came back.
    pub refused: u64,
    /// By seed.
    pub found: Vec<Found>,
    /// What was reached.
    pub coverage: Coverage,
    /// What the runs have had.
    parts: Option<RunParts>,
}

/// The defects that seeds can find: name, and what it is. What is too rare for that has a run of its own, by a script.
pub fn defects() -> impl Iterator<Item = (&'static str, &'static str)> {
    let found_by_seeds = Defect::ALL.into_iter().filter(|defect| !Defect::SCRIPTED.contains(defect));
    found_by_seeds.map(|defect| (defect.name(), defect.about()))
}

/// What runs need to show this defect.
#[must_use]
pub fn parts_for(defect: &str) -> RunParts {
    match Defect::named(defect) {
        Some(defect) if Defect::SECURED.contains(&defect) => {
            RunParts { security: Presence::Always, ..RunParts::PLAIN }
        }
        Some(defect) if Defect::TRANSACTIONAL.contains(&defect) => RunParts::TRANSACTIONS,
        _ => RunParts::PLAIN,
    }
}

/// Runs all of them; `done` is told of each seed that is over.
pub fn run_seeds(runs: &Runs, done: impl Fn(u64) + Sync) -> SeedsReport {
    let next = AtomicU64::new(runs.first);
    let (is_enough, report) = (AtomicBool::new(false), Mutex::new(SeedsReport::default()));
    let work = || {
        planted::plant(runs.defect.and_then(Defect::named));
        let mut own = SeedsReport::default();
        while !is_enough.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs.first + runs.count {
                break;
            }
            let found = own.found.len();
            own.add(seed, runs);
            if own.found.len() > found {
                let mut all = report.lock().unwrap();
                all.found.append(&mut own.found);
                is_enough.fetch_or(all.found.len() >= runs.enough, Ordering::Relaxed);
            }
            done(seed);
        }
        planted::plant(None);
        report.lock().unwrap().join(own);
    };
    std::thread::scope(|scope| {
        (0..runs.threads.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    let mut report = report.into_inner().unwrap();
    report.parts = Some(runs.parts);
    report.found.sort_by_key(|found| found.seed);
    report
}

/// Runs one seed again, and tells its history on the standard error output.
///
/// # Errors
/// What was broken.
pub fn replay(seed: u64, runs: &Runs) -> Result<(), String> {
    planted::plant(runs.defect.and_then(Defect::named));
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, runs, true, &mut Coverage::default())));
    planted::plant(None);
    outcome.unwrap_or_else(|_| Err("a panic".to_owned())).map(drop)
}

/// One run.
pub(super) fn run(seed: u64, runs: &Runs, is_told: bool, coverage: &mut Coverage) -> Result<History, String> {
    let parts = runs.parts.of_seed(seed);
    let SeedScenario { mut setup, kinds, .. } = compose(seed, parts, &runs.kinds);
    setup.is_told = is_told;
    parts.names(|is_there| is_there).for_each(|name| coverage.add("part", name, 1));
    if is_told {
        eprintln!("{parts:?}, {kinds:?}, {} threads, {:?}", setup.threads, setup.properties);
        if let Some(security) = &setup.security {
            eprintln!(
                "{:?}",
                security.properties.iter().filter(|(name, _)| !name.starts_with("ssl.")).collect::<Vec<_>>()
            );
        }
    }
    for kind in kinds {
        coverage.add("thrown", format!("{kind:?}"), 1);
    }
    let mut world = World::new(setup);
    let lines = world.lines.clone();
    let ended = world.run().and_then(|()| world.end());
    let network = lines.network();
    for (name, count) in &network.steps {
        coverage.add("step", name, *count);
    }
    for ((api, fault), count) in network.brokers.rules.faults_acted() {
        coverage.add("fault", format!("{fault} {api:?}"), *count);
    }
    for ((api, code), count) in &network.observer.codes {
        coverage.add(&format!("{api:?}"), code, *count);
    }
    let secured = network.secured.iter().flat_map(SecuredSide::counts);
    secured.for_each(|(name, count)| coverage.add("secured", name, count));
    let logins = network.wire.logins.counts();
    logins.iter().for_each(|(name, count)| coverage.add("login", name, *count));
    drop(network);
    for ((group, name), count) in stage::take_notes() {
        coverage.add(group, name, count);
    }
    let history = ended?;
    let violations = history.check();
    if violations.is_empty() { Ok(history) } else { Err(summary(&violations)) }
}

impl SeedsReport {
    /// What was to be reached and was not. Of troubles it is what they have done that counts, not that they were thrown.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let parts = self.parts.unwrap_or(RunParts::PLAIN);
        let wanted = parts.names(|presence| presence != Presence::Never);
        let missing_parts = wanted.filter(|name| !self.coverage.has("part", name));
        let missing_parts: Vec<String> = missing_parts.map(|name| format!("part: {name}")).collect();
        let mut kinds = Vec::new();
        if parts.transactions == Presence::Always {
            kinds.extend(Kind::of_transactions());
            // Of what has been said that is odd some is never said here.
            kinds.extend(Kind::LATER_BESIDE_TRANSACTIONS.iter().filter(|kind| **kind != Kind::OddAnswers));
        }
        if parts.two_phases != Presence::Never {
            kinds.extend(Kind::of_two_phases());
        }
        if parts.security == Presence::Always {
            kinds.extend(Kind::of_secured_connections());
        }
        let missing = match kinds.is_empty() {
            false => self.coverage.missing_of(&kinds),
            true => {
                let (first, later) = Kind::of_any_connections();
                let lies = Lie::ALL.into_iter().map(|lie| format!("{lie:?}"));
                self.coverage.missing(&[first, later].concat(), lies)
            }
        };
        missing_parts.into_iter().chain(missing).collect()
    }

    fn add(&mut self, seed: u64, runs: &Runs) {
        self.seeds += 1;
        match catch_unwind(AssertUnwindSafe(|| run(seed, runs, false, &mut self.coverage))) {
            Ok(Ok(history)) => {
                self.accepted += history.records.len() as u64;
                self.refused += history.refused.len() as u64;
                let outcomes = history.records.iter().filter_map(|record| record.outcome());
                self.acknowledged += outcomes.filter(|outcome| outcome.is_success()).count() as u64;
                for outcome in history.records.iter().filter_map(|record| record.outcome()) {
                    if let RecordOutcome::Failed { kind, .. } = outcome {
                        self.coverage.add("failed", format!("{kind:?}"), 1);
                    }
                }
                for transaction in &history.transactions.transactions {
                    self.coverage.add(
                        "transaction",
                        format!("{:?}", transaction.fate(history.transactions.is_settled)),
                        1,
                    );
                }
                for how in &history.transactions.completed {
                    self.coverage.add("two phases", how, 1);
                }
                for refused in &history.refused {
                    self.coverage.add("refused", format!("{:?}", refused.kind), 1);
                }
            }
            Ok(Err(what)) => self.found.push(Found { seed, what }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                self.found.push(Found { seed, what: format!("a panic: {}", text.unwrap_or_default()) });
            }
        }
    }

    fn join(&mut self, other: SeedsReport) {
        self.seeds += other.seeds;
        self.accepted += other.accepted;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.found.extend(other.found);
        self.coverage.join(other.coverage);
    }
}

/// The violations of each kind, and an example.
fn summary(violations: &[Violation]) -> String {
    let mut kinds: BTreeMap<String, (&Violation, usize)> = BTreeMap::new();
    for violation in violations {
        let text = format!("{violation:?}");
        let kind = text.split('(').next().unwrap_or_default().to_owned();
        kinds.entry(kind).or_insert((violation, 0)).1 += 1;
    }
    let kinds: Vec<_> = kinds.values().map(|(example, count)| format!("{count} x {example:?}")).collect();
    kinds.join(", ")
}
