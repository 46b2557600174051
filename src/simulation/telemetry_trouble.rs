//! What goes wrong with telemetry (KIP-714): brokers that never answer, refuse, are slow, or cut the connection.
//!
//! Owns: its dice. Must not know: what a record is.
//! Holds: what else a seed throws does not depend on this. In calm runs it comes as well: records must not notice.

use std::time::Duration;

use kafka_embedded::{Api, Fault, TelemetryOptions};

use crate::simulation::plan::Step;
use crate::simulation::scenario::{Dice, SeedScenario};

/// Somebody has subscribed to the clients' metrics, and telling him goes wrong.
pub(super) fn subscribe(scenario: &mut SeedScenario) {
    let setup = &mut scenario.setup;
    let dice = &mut Dice::with_seed(!setup.seed);
    setup.cluster = setup.cluster.clone().telemetry(options(dice));
    setup.is_subscribed = true;
    let faults = dice.usize(..6);
    setup.steps.extend((0..faults).map(|_| {
        let fault = fault(dice, scenario.length);
        (scenario.length.mul_f64(dice.f64()), Step::Fault(fault))
    }));
}

fn options(dice: &mut Dice) -> TelemetryOptions {
    // What is read, pushed and read again takes real time.
    let interval = [1_000, 5_000, 60_000, 300_000][dice.usize(..4)];
    let options = TelemetryOptions::new().interval(Duration::from_millis(interval));
    let options = if dice.bool() { options.delta() } else { options };
    let options = options.compression_types([dice.i8(0..5), 0]);
    match dice.u32(..6) {
        0 => options.metrics(Vec::<String>::new()),
        1 => options,
        2 => options.max_bytes(100),
        _ => options.metrics(["org.apache.kafka.producer.topic."]),
    }
}

fn fault(dice: &mut Dice, length: Duration) -> Fault {
    let api = [Api::GetTelemetrySubscriptions, Api::PushTelemetry][dice.usize(..2)];
    let code = [117, 118, 76, 89, 42, 87, 35, 31, -1, 999][dice.usize(..10)];
    let time = length.mul_f64(dice.f64());
    let fault = match dice.u32(..7) {
        0 | 1 => Fault::drop_answer(api),
        2 => Fault::cut_before(api),
        3 => Fault::cut_after(api),
        4 => Fault::delay(api, time),
        5 => Fault::throttle(api, time),
        _ => Fault::fail(api, code),
    };
    match dice.u32(..4) {
        0 => fault.always(),
        times => fault.times(times),
    }
}
