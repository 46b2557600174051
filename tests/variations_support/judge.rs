//! The judge: what was acknowledged is where it was told to be, nothing is twice or out of order under idempotence, each
//! record is answered once and in time, and what is said not to be written is not.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::Api;
use kafka_producer::{Error, RecordMetadata};

use super::{
    DELIVERY, Logs, MODES, Mode, PARTITIONS, RECOVERY, SLACK, Sent, World, another_producer, send, traffic,
    wait,
};

/// One trouble: what happens while records are sent.
pub(crate) type Trouble = fn(&World);

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The trouble is over, and all goes on.
    Healed,
    /// The producer is closed while the trouble lasts.
    Closed,
}

/// Where a record lies: in which life of its topic, in which partition, at which offset.
type Place = (usize, (&'static str, i32), i64);

/// Everything that lay anywhere, and what is wrong.
struct Judge<'a> {
    world: &'a World,
    lives: &'a [Logs],
    places: HashMap<&'a str, Vec<Place>>,
    wrong: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(world: &'a World, lives: &'a [Logs]) -> Judge<'a> {
        let mut judge = Judge { world, lives, places: HashMap::new(), wrong: Vec::new() };
        for (life, logs) in lives.iter().enumerate() {
            for (partition, log) in logs {
                let mut newest: HashMap<&str, &str> = HashMap::new();
                for (offset, value) in log {
                    judge.places.entry(value).or_default().push((life, *partition, *offset));
                    let before = newest.insert(&value[..1], value).unwrap_or_default();
                    if world.mode.is_idempotent() && &**value <= before {
                        judge.wrong.push(format!("life {life}, {partition:?}: {value} behind {before}"));
                    }
                }
            }
        }
        judge
    }

    fn look_at(&mut self, sent: &Sent) {
        let Sent { value, topic, partition, future, answers, .. } = sent;
        let Some(outcome) = future.try_get() else {
            return self.wrong.push(format!("{value} for {topic}-{partition:?} is not answered in time"));
        };
        let (count, after) = (&answers.count, &answers.after_ms);
        let (count, after) = (count.load(Ordering::Relaxed), after.load(Ordering::Relaxed) as u128);
        if count != 1 || after > (DELIVERY + SLACK / 2).as_millis() {
            self.wrong.push(format!("{value} was answered {count} times, after {after} ms"));
        }
        let found = self.places.get(&**value).cloned().unwrap_or_default();
        let lives: HashSet<usize> = found.iter().map(|(life, ..)| *life).collect();
        if self.world.mode.is_idempotent() && lives.len() < found.len() {
            self.wrong.push(format!("{value} is there more than once: {found:?}"));
        }
        if self.world.mode.acks != "0" {
            self.compare(sent, outcome, &found);
        }
    }

    /// Whether what the answer says is true.
    fn compare(&mut self, sent: &Sent, outcome: Result<RecordMetadata, Error>, found: &[Place]) {
        let value = &sent.value;
        match outcome {
            Ok(metadata) => {
                let told = metadata.offset();
                let place = (sent.topic, metadata.partition());
                let is_there = |(_, partition, offset): &Place| {
                    *partition == place && told.is_none_or(|told| told == *offset)
                };
                // What was written between our last look at a topic and its end.
                let gone = self.lives.split_last().map_or(&[][..], |(_, gone)| gone);
                let unseen = gone.iter().any(|logs| {
                    let end = logs.get(&place).and_then(|log| log.last()).map_or(0, |(offset, _)| offset + 1);
                    told.is_some_and(|told| (end..end + 60).contains(&told))
                });
                if !found.iter().any(is_there) && !unseen {
                    self.wrong.push(format!("{value} is acknowledged as {metadata} and lies at {found:?}"));
                }
            }
            Err(error) if !error.possibly_written() && !found.is_empty() => {
                self.wrong.push(format!("{value} lies at {found:?}, and failed as not written: {error}"));
            }
            Err(error) if error.is_fatal() => self.wrong.push(format!("{value}: {error}")),
            Err(_) => {}
        }
    }
}

/// Runs one trouble in one mode; returns what is wrong.
fn run(trouble: Trouble, mode: Mode, end: End) -> Vec<String> {
    let world = World::new(mode);
    let stop = AtomicBool::new(false);
    let (mut sent, others) = thread::scope(|scope| {
        let sender = scope.spawn(|| traffic(&world.producer, &stop, "a"));
        wait(40);
        trouble(&world);
        if end == End::Closed {
            let _ = world.producer.close_timeout(SLACK / 20);
        }
        // Whoever comes later must not be taken for this one.
        let other = another_producer(&world.cluster, mode);
        let to = |partition| send(&other, ("t", Some(partition)), None, format!("b{partition}"));
        let others: Vec<Sent> = (0..PARTITIONS).filter_map(to).collect();
        wait(60);
        stop.store(true, Ordering::Relaxed);
        world.heal();
        others.iter().for_each(|sent| drop(sent.future.get_timeout(DELIVERY)));
        (sender.join().unwrap(), others)
    });
    let mut wrong = Vec::new();
    let asked = [Api::Metadata, Api::InitProducerId].map(|api| world.cluster.requests(api));
    if asked.iter().sum::<usize>() > MOST_ASKED {
        wrong.push(format!("{asked:?} requests for metadata and producer ids"));
    }
    if end == End::Healed {
        sent.extend(probe(&world, &mut wrong));
    }
    sent.extend(others);
    // All are answered first: the logs must not change any more.
    sent.iter().for_each(|sent| {
        let _ = sent.future.get_timeout((DELIVERY + SLACK).saturating_sub(sent.at.elapsed()));
    });
    if let Err(error) = world.producer.close_timeout(SLACK) {
        wrong.push(format!("close: {error}"));
    }
    wait(if mode.acks == "0" || end == End::Closed { 30 } else { 0 });
    let mut lives = world.gone.lock().unwrap().clone();
    lives.push(world.logs(&["t", "u"]));
    let mut judge = Judge::new(&world, &lives);
    sent.iter().for_each(|sent| judge.look_at(sent));
    wrong.extend(judge.wrong);
    wrong
}

/// Sends to each partition when all is well again, and sees that nothing is stuck.
fn probe(world: &World, wrong: &mut Vec<String>) -> Vec<Sent> {
    let healed = Instant::now();
    let count = world.producer.partitions_for("t").map_or(0, |partitions| partitions.len() as i32);
    if count == 0 {
        wrong.push("the topic is not there afterwards".to_owned());
    }
    let mut probes = Vec::new();
    for partition in 0..count.min(PARTITIONS) {
        for number in 0.. {
            let value = format!("az{number:03}{partition}");
            let Some(probe) = send(&world.producer, ("t", Some(partition)), None, value) else { continue };
            let outcome = probe.future.get_timeout(DELIVERY + SLACK);
            probes.push(probe);
            match outcome {
                // An answer from before may still be on its way; and where little is sent again, the first record may find
                // the leader elsewhere.
                Err(_)
                    if healed.elapsed() < RECOVERY / 8
                        || (healed.elapsed() < RECOVERY && world.mode.sends_little_again()) =>
                {
                    wait(20);
                    continue;
                }
                Err(error) => wrong.push(format!("partition {partition} afterwards: {error}")),
                Ok(_) if healed.elapsed() > RECOVERY => {
                    wrong.push(format!("partition {partition} took {:?}", healed.elapsed()));
                }
                Ok(_) => {}
            }
            break;
        }
    }
    probes
}

/// Runs these troubles in all modes.
pub(crate) fn run_all(troubles: &[(&str, Trouble)]) {
    run_where(|_| true, troubles);
}

/// Every which run is taken where nobody asks for more, so that each trouble is in another part of the modes.
const EVERY: usize = 3;

/// Runs a part of these troubles in these modes, several at a time. `VARIATION=text` runs those alone whose names have the
/// text, and all of these; `VARIATION=` runs all of all, as `.ci/run` does.
pub(crate) fn run_where(is_meant: fn(&Mode) -> bool, troubles: &[(&str, Trouble)]) {
    let asked = std::env::var("VARIATION");
    let every = if asked.is_ok() { 1 } else { EVERY };
    let only = asked.unwrap_or_default();
    let modes: Vec<&Mode> = MODES.iter().filter(|mode| is_meant(mode)).collect();
    let mut runs = Vec::new();
    for (name, trouble) in troubles.iter().filter(|(name, _)| name.contains(&only)) {
        runs.extend(modes.iter().map(|mode| (name, trouble, **mode, End::Healed)));
        runs.extend(modes.iter().take(2).map(|mode| (name, trouble, **mode, End::Closed)));
    }
    let runs: Vec<_> = runs.into_iter().step_by(every).collect();
    let (next, doubtful) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(one) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _turn = Turn::take(1);
                    if let Err(wrong) = run_one(one) {
                        println!("once: {wrong}");
                        doubtful.lock().unwrap().push(one);
                    }
                }
            });
        }
    });
    let wrong: Vec<String> =
        doubtful.into_inner().unwrap().into_iter().filter_map(|one| run_again(one).err()).collect();
    assert!(wrong.is_empty(), "{} of {} runs:\n{}", wrong.len(), runs.len(), wrong.join("\n"));
}

type Run<'a> = (&'a &'a str, &'a Trouble, Mode, End);

fn run_one((name, trouble, mode, end): &Run<'_>) -> Result<(), String> {
    let found = run(**trouble, *mode, *end);
    if found.is_empty() {
        return Ok(());
    }
    let first: Vec<_> = found.iter().take(6).collect();
    Err(format!("{name}, {mode:?}, {end:?}: {} faults: {first:#?}", found.len()))
}

/// The time-outs of a run are short: a machine that stands still for as long makes brokers write what was given up long
/// ago, which no producer can know of. So a run that failed beside others has to pass twice by itself; and a failure while
/// the machine had no time for it says nothing.
fn run_again(one: &Run<'_>) -> Result<(), String> {
    let _turn = Turn::take(AT_A_TIME);
    let mut passed = 0;
    for _ in 0..12 {
        match while_watched(|| run_one(one)) {
            (Ok(()), _) if passed == 1 => return Ok(()),
            (Ok(()), _) => passed += 1,
            (Err(wrong), lateness) if lateness < BUSY => return Err(wrong),
            (Err(wrong), lateness) => println!("the machine was late by {lateness:?}: {wrong}"),
        }
    }
    run_one(one)
}

/// Who is late by so much, time and again, has waited for a processor.
const BUSY: Duration = Duration::from_millis(50);

/// What comes of it, and by how much a thread was late at most that slept meanwhile.
fn while_watched<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (over, latest) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    let outcome = thread::scope(|scope| {
        // Also where the work panics.
        let _over = Over(&over);
        scope.spawn(|| {
            let nap = Duration::from_millis(5);
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(nap);
                let late = begun.elapsed().saturating_sub(nap);
                let mut latest = latest.lock().unwrap();
                *latest = latest.max(late);
            }
        });
        work()
    });
    (outcome, latest.into_inner().unwrap())
}

/// How many runs all tests of this program have at a time, so that a busy machine is not too late for everything.
const AT_A_TIME: usize = 10;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// As many of these as it says; they are free again when it is dropped.
struct Turn(usize);

impl Turn {
    fn take(count: usize) -> Turn {
        let free = |running: usize| (running + count <= AT_A_TIME).then_some(running + count);
        while RUNNING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            wait(5);
        }
        Turn(count)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        RUNNING.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// What one run, and all of its producers, may ask at most.
const MOST_ASKED: usize = 400;
