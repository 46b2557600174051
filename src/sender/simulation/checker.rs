//! Proof that the checker sees: histories with a planted defect, made by hand and by real runs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::sender::simulation::history::{
    Accepted, Content, Delivery, Flush, History, Logged, Outcome, Promise, Told, Violation,
};
use crate::sender::simulation::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

fn content(partition: i32, number: u8) -> Content {
    let value = format!("{partition}/{number}/").into_bytes();
    Content { key: None, value, header: vec![number], timestamp: i64::from(number) }
}

fn acknowledged(partition: i32, offset: i64) -> Outcome {
    Outcome::Acknowledged { partition, offset: Some(offset) }
}

fn failed(possibly_written: bool) -> Outcome {
    Outcome::Failed { kind: ErrorKind::Timeout, possibly_written, text: String::new() }
}

/// Three records in each of two partitions, sent each second and acknowledged at once.
fn sound() -> History {
    let (mut records, mut logs) = (Vec::new(), BTreeMap::<i32, Vec<Logged>>::new());
    for number in 0..3 {
        for partition in 0..2 {
            let (content, at, offset) =
                (content(partition, number), SECOND * number.into(), i64::from(number));
            let outcome = acknowledged(partition, offset);
            let told = vec![Told { at, outcome: outcome.clone() }];
            logs.entry(partition).or_default().push(Logged { offset, content: content.clone() });
            records.push(Accepted { partition, content, at, told, future: Some(outcome) });
        }
    }
    let promise = Promise {
        delivery: Delivery::ExactlyOnce,
        ordered: true,
        told_in_order: true,
        within: SECOND,
        flushed_within: SECOND,
    };
    let flushes = vec![Flush { asked: SECOND, finished: Some(SECOND), forgotten: 0 }];
    History { promise, records, flushes, logs, memory_kept: 0 }
}

fn log(history: &mut History, partition: i32) -> &mut Vec<Logged> {
    history.logs.get_mut(&partition).unwrap()
}

fn renumber(log: &mut [Logged]) {
    (0..).zip(log).for_each(|(offset, logged)| logged.offset = offset);
}

/// Tells another outcome of the record.
fn tell(history: &mut History, record: usize, outcome: Outcome) {
    history.records[record].told[0].outcome = outcome.clone();
    history.records[record].future = Some(outcome);
}

type Plant = (fn(&mut History), fn(&Violation) -> bool);

#[test]
fn every_planted_defect_is_reported() {
    assert_eq!(sound().check(), []);
    let plants: [Plant; 19] = [
        (|it| drop(log(it, 0).pop()), |found| *found == Violation::Lost("0/2".into())),
        (
            |it| {
                let twice = log(it, 1)[1].clone();
                log(it, 1).push(twice);
                renumber(log(it, 1));
            },
            |found| *found == Violation::Twice("1/1".into()),
        ),
        (
            |it| {
                log(it, 0).swap(0, 1);
                renumber(log(it, 0));
                tell(it, 0, acknowledged(0, 1));
                tell(it, 2, acknowledged(0, 0));
            },
            |found| *found == Violation::Overtaken("0/1".into()),
        ),
        (|it| tell(it, 1, acknowledged(1, 2)), |found| *found == Violation::Elsewhere("1/0".into())),
        (|it| tell(it, 1, acknowledged(0, 0)), |found| *found == Violation::Elsewhere("1/0".into())),
        (|it| log(it, 0)[0].content.timestamp += 1, |found| *found == Violation::Altered("0/0".into())),
        (|it| log(it, 0)[0].content.key = Some(vec![]), |found| *found == Violation::Altered("0/0".into())),
        (|it| log(it, 0)[0].content.header.push(1), |found| *found == Violation::Altered("0/0".into())),
        (|it| tell(it, 4, failed(false)), |found| *found == Violation::WrittenAfterAll("0/2".into())),
        (
            |it| {
                let stranger = Logged { offset: 3, content: content(0, 9) };
                log(it, 0).push(stranger);
            },
            |found| *found == Violation::Stranger("0/9".into()),
        ),
        (|it| it.records[3].told.clear(), |found| *found == Violation::Unanswered("1/1".into())),
        (
            |it| {
                let again = it.records[3].told[0].clone();
                it.records[3].told.push(again);
            },
            |found| *found == Violation::AnsweredTwice("1/1".into()),
        ),
        (|it| it.records[3].future = None, |found| *found == Violation::Contradiction("1/1".into())),
        (
            |it| it.records[4].told[0].at += 2 * SECOND,
            |found| *found == Violation::Late("0/2".into(), 2 * SECOND),
        ),
        (
            |it| it.records[0].told[0].at += SECOND + SECOND / 2,
            |found| *found == Violation::ToldOutOfOrder("0/1".into()),
        ),
        (|it| it.flushes[0].finished = None, |found| *found == Violation::FlushUnfinished(SECOND)),
        (|it| it.flushes[0].finished = Some(3 * SECOND), |found| *found == Violation::FlushLate(2 * SECOND)),
        (|it| it.flushes[0].forgotten = 2, |found| *found == Violation::FlushForgot(2)),
        (|it| it.memory_kept = 1, |found| *found == Violation::MemoryKept(1)),
    ];
    all_are_seen(plants);
}

fn all_are_seen(plants: [Plant; 19]) {
    for (place, (plant, expected)) in plants.into_iter().enumerate() {
        let mut history = sound();
        plant(&mut history);
        let found = history.check();
        assert!(found.iter().any(expected), "defect {place} was not seen; instead: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let mut history = sound();
    tell(&mut history, 0, failed(true));
    assert_eq!(history.check(), [], "it may be there");
    log(&mut history, 0).remove(0);
    assert_eq!(history.check(), [], "or not");
    tell(&mut history, 0, failed(false));
    assert_eq!(history.check(), [], "it is not");

    let mut twice = sound();
    twice.promise.delivery = Delivery::AtLeastOnce;
    let again = Logged { offset: 3, ..log(&mut twice, 1)[1].clone() };
    log(&mut twice, 1).push(again);
    assert_eq!(twice.check(), [], "without idempotence a retry may write again");

    let mut lost = sound();
    lost.promise.delivery = Delivery::Unknown;
    log(&mut lost, 0).pop();
    assert_eq!(lost.check(), [], "with acks=0 nobody knows");
}

#[test]
fn a_broker_that_forgets_or_repeats_is_seen_in_a_run() {
    let run = || {
        let setup = Setup::calm(1).send(Duration::ZERO, 0, 3).send(SECOND, 0, 3);
        let mut world = World::new(setup);
        world.run().unwrap();
        world.end().unwrap()
    };
    let mut history = run();
    assert_eq!(history.check(), []);
    let last = log(&mut history, 0).pop().unwrap();
    assert_eq!(history.check(), [Violation::Lost("0/5".into())]);
    log(&mut history, 0).extend([last.clone(), last]);
    assert_eq!(history.check(), [Violation::Twice("0/5".into())]);
}

#[test]
fn a_sender_that_is_not_woken_is_seen() {
    for is_deaf in [false, true] {
        let mut setup = Setup::calm(1).send(Duration::ZERO, 0, 1).send(SECOND, 0, 1);
        setup.prompt = Some(SECOND / 10);
        let mut world = World::new(setup);
        world.network().is_deaf = is_deaf;
        world.run().unwrap();
        let violations = world.end().unwrap().check();
        let is_late = |violation: &Violation| matches!(violation, Violation::Late(..));
        assert_eq!(violations.iter().any(is_late), is_deaf, "{violations:?}");
    }
}
