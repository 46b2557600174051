//! Proof that the checker sees: histories with a planted defect, made by hand and by real runs.

use std::time::Duration;

use kafka_embedded::{Api, Fault};

use crate::error::ErrorKind;
use crate::planted::{self, Defect};
use crate::simulation::history::{
    Accepted, Call, Delivery, History, Log, Logged, ObservedFlush, Promise, RecordContent, RecordOutcome,
    RefusedRecord, Told, Violation,
};
use crate::simulation::plan::Step;
use crate::simulation::transaction_book::TransactionHistory;
use crate::simulation::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

fn content(partition: i32, number: u8) -> RecordContent {
    let value = format!("{partition}/{number}/").into_bytes();
    let timestamps = (i64::from(number), i64::from(number));
    RecordContent { key: None, value, header: vec![number], timestamps }
}

fn logged(content: &RecordContent, offset: i64) -> Logged {
    let RecordContent { key, value, header, timestamps } = content.clone();
    Logged { offset, key, value, header, timestamp: timestamps.0 }
}

fn acknowledged(partition: i32, offset: i64) -> RecordOutcome {
    RecordOutcome::Acknowledged { partition, offset: Some(offset) }
}

fn failed(possibly_written: bool) -> RecordOutcome {
    let (kind, text) = (ErrorKind::Timeout, String::new());
    RecordOutcome::Failed { kind, possibly_written, attempts: 1, partition: Some(0), text }
}

/// Three records in each of two partitions, sent each second and acknowledged at once.
fn sound() -> History {
    let mut records = Vec::new();
    let log =
        |partition| Log { topic: "t".to_owned(), partition, records: Vec::new(), forgotten: Vec::new() };
    let mut logs = vec![log(0), log(1)];
    for number in 0..3 {
        for partition in 0..2 {
            let (content, at, offset) =
                (content(partition, number), SECOND * number.into(), i64::from(number));
            let outcome = acknowledged(partition, offset);
            let told = vec![Told { at, outcome: outcome.clone() }];
            logs[partition as usize].records.push(logged(&content, offset));
            let record = Accepted::now("t", Some(partition), content, at, true);
            records.push(Accepted { told, future: Some(outcome), ..record });
        }
    }
    let promise = Promise {
        delivery: Delivery::ExactlyOnce,
        ordered: true,
        sound: true,
        largest: 100,
        within: SECOND,
        flushed_within: SECOND,
        slack: Duration::ZERO,
    };
    let flushes = vec![ObservedFlush { asked: SECOND, finished: Some(SECOND), forgotten: 0 }];
    let refused =
        vec![RefusedRecord { content: content(0, 7), kind: ErrorKind::Timeout, text: String::new() }];
    let calls = vec![Call { name: "send", took: SECOND, limit: SECOND }];
    History {
        promise,
        records,
        refused,
        calls,
        flushes,
        logs,
        transactions: TransactionHistory::default(),
        remarks: Vec::new(),
    }
}

fn log(history: &mut History, partition: i32) -> &mut Vec<Logged> {
    &mut history.logs[partition as usize].records
}

fn renumber(log: &mut [Logged]) {
    (0..).zip(log).for_each(|(offset, logged)| logged.offset = offset);
}

/// Tells another outcome of the record.
fn tell(history: &mut History, record: usize, outcome: RecordOutcome) {
    history.records[record].told[0].outcome = outcome.clone();
    history.records[record].future = Some(outcome);
}

type Plant = (fn(&mut History), fn(&Violation) -> bool);

#[test]
fn every_planted_defect_is_reported() {
    assert_eq!(sound().check(), []);
    let plants: [Plant; 18] = [
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
            |found| *found == Violation::Overtaken("0/0".into()),
        ),
        (|it| tell(it, 1, acknowledged(1, 2)), |found| *found == Violation::Elsewhere("1/0".into())),
        (|it| tell(it, 1, acknowledged(0, 0)), |found| *found == Violation::Elsewhere("1/0".into())),
        (|it| log(it, 0)[0].timestamp += 1, |found| *found == Violation::Altered("0/0".into())),
        (|it| log(it, 0)[0].key = Some(vec![]), |found| *found == Violation::Altered("0/0".into())),
        (|it| log(it, 0)[0].header.push(1), |found| *found == Violation::Altered("0/0".into())),
        (|it| tell(it, 4, failed(false)), |found| *found == Violation::WrittenAfterAll("0/2".into())),
        (
            |it| {
                let stranger = logged(&content(0, 9), 3);
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
    ];
    all_are_seen(&plants);
}

#[test]
fn every_planted_defect_of_the_calls_is_reported() {
    let plants: [Plant; 6] = [
        (|it| it.calls[0].took += SECOND, |found| *found == Violation::CallLate("send", 2 * SECOND)),
        (
            |it| {
                let written = logged(&content(0, 7), 3);
                log(it, 0).push(written);
            },
            |found| *found == Violation::RefusedAndWritten("0/7".into()),
        ),
        (|it| it.remarks.push(Violation::MemoryKept(1)), |found| *found == Violation::MemoryKept(1)),
        (|it| tell(it, 0, failed(true)), |found| *found == Violation::FailedForNothing("0/0: ".into())),
        (|it| it.logs[0].topic = "another".into(), |found| *found == Violation::Elsewhere("0/0".into())),
        (
            |it| {
                it.records[0].has_callback = false;
                it.records[0].told.clear();
                it.records[0].is_late = true;
            },
            |found| *found == Violation::Late("0/0".into(), Duration::ZERO),
        ),
    ];
    all_are_seen(&plants);
}

fn all_are_seen(plants: &[Plant]) {
    for (place, (plant, expected)) in plants.iter().enumerate() {
        let mut history = sound();
        plant(&mut history);
        let found = history.check();
        assert!(found.iter().any(expected), "defect {place} was not seen; instead: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let mut history = sound();
    history.promise.sound = false;
    tell(&mut history, 0, failed(true));
    assert_eq!(history.check(), [], "it may be there");
    log(&mut history, 0).remove(0);
    assert_eq!(history.check(), [], "or not");
    tell(&mut history, 0, failed(false));
    assert_eq!(history.check(), [], "it is not");

    let mut too_large = sound();
    log(&mut too_large, 0).remove(2);
    let refused = RecordOutcome::Failed {
        kind: ErrorKind::RecordTooLarge,
        possibly_written: false,
        attempts: 1,
        partition: Some(0),
        text: String::new(),
    };
    tell(&mut too_large, 4, refused);
    assert_eq!(too_large.check(), [Violation::FailedForNothing("0/2: ".into())], "it is small");
    too_large.promise.largest = 0;
    assert_eq!(too_large.check(), [], "it is too large for its topic");

    let mut twice = sound();
    (twice.promise.delivery, twice.promise.sound) = (Delivery::AtLeastOnce, false);
    let again = Logged { offset: 3, ..log(&mut twice, 1)[1].clone() };
    log(&mut twice, 1).push(again);
    assert_eq!(twice.check(), [], "without idempotence a retry may write again");

    let mut forgotten = sound();
    let again = Logged { offset: 3, ..log(&mut forgotten, 1)[1].clone() };
    log(&mut forgotten, 1).push(again);
    assert_eq!(forgotten.check(), [Violation::Twice("1/1".into())]);
    forgotten.logs[1].forgotten = vec![3];
    assert_eq!(forgotten.check(), [], "the broker has forgotten that it has it");
    forgotten.logs[1].forgotten = vec![1];
    assert_eq!(forgotten.check(), [Violation::Twice("1/1".into())], "it has forgotten others");

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
    assert_eq!(history.check(), [Violation::Lost("test/5".into())]);
    log(&mut history, 0).extend([last.clone(), last]);
    assert_eq!(history.check(), [Violation::Twice("test/5".into())]);
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

/// Fault B3. Batches without a producer id are told apart by what they hold.
#[test]
fn a_storm_of_retries_is_seen_whatever_acks_says() {
    let settings = [("true", "all"), ("false", "all"), ("false", "1")];
    for ((idempotent, acks), defect) in
        settings.into_iter().flat_map(|it| [(it, None), (it, Some(Defect::NoBackoff))])
    {
        let setup =
            Setup::calm(1).with("enable.idempotence", idempotent).with("acks", acks).with("linger.ms", 0);
        let setup = setup.with("request.timeout.ms", 1_000).with("delivery.timeout.ms", 3_000);
        let setup = setup.step(Duration::ZERO, Step::Fault(Fault::fail(Api::Produce, 7).always()));
        planted::plant(defect);
        let mut world = World::new(setup.send(SECOND, 0, 1));
        let history = world.run().and_then(|()| world.end());
        planted::plant(None);
        let violations = history.unwrap().check();
        let is_storm = |violation: &Violation| matches!(violation, Violation::TooManyRequests(_));
        assert_eq!(violations.iter().any(is_storm), defect.is_some(), "acks={acks}: {violations:?}");
    }
}

/// A fault that no request has met has done nothing, however often it was injected.
#[test]
fn faults_count_when_they_take_effect() {
    for (at, is_met) in [(Duration::ZERO, true), (3 * SECOND, false)] {
        let faults = [
            Fault::throttle(Api::Produce, SECOND / 10),
            Fault::delay(Api::Produce, SECOND / 10),
            Fault::throttle(Api::InitProducerId, SECOND / 10),
        ];
        let setup = Setup::calm(1).send(SECOND, 0, 1);
        let setup = faults.into_iter().fold(setup, |setup, fault| setup.step(at, Step::Fault(fault)));
        let mut world = World::new(setup);
        world.run().unwrap();
        let acted = world.with_rules(|rules| rules.faults_acted().clone());
        let met = [(Api::Produce, "delay"), (Api::Produce, "throttle"), (Api::InitProducerId, "throttle")];
        assert!(met.iter().all(|fault| acted.contains_key(fault) == is_met), "{acted:?}");
        assert_eq!(world.end().unwrap().check(), []);
    }
}
