//! The dice for the user's code that takes its time: callbacks, interceptors, serializers, a logger.
//!
//! Owns: who takes how long. Must not know: what else goes on; where this is thrown, nothing goes wrong.

use std::time::Duration;

use fastrand::Rng;

use crate::simulation::plan::Step;
use crate::simulation::player::{Act, CallbackDeed, How};
use crate::simulation::slow_code::{Dawdler, SlowCode};

/// Callbacks that take their time, all together less than any record has.
pub(super) fn slow_callbacks(
    dice: &mut Rng,
    length: Duration,
    partitions: i32,
    properties: &[(&'static str, String)],
) -> Vec<(Duration, Step)> {
    let delivery = milliseconds(properties, "delivery.timeout.ms");
    let count = [1, 2, 4, dice.u64(1..=40)][dice.usize(..4)];
    let slow = How::Callback(CallbackDeed::Slow(Duration::from_millis(delivery / 3 / count)));
    let at = length.mul_f64(dice.f64());
    let send = |partition: i32, how| Act::Send { topic: 0, partition: Some(partition), size: 10, how };
    let slow = (0..count).map(|_| (at, Step::Act(0, send(0, slow))));
    // More than goes at once: the rest goes right after them.
    let others = (0..10 * partitions).map(|it| it % partitions);
    let others = others.map(|it| (at, Step::Act(0, send(it, How::Callback(CallbackDeed::Nothing)))));
    slow.chain(others).collect()
}

/// Interceptors, serializers and a logger that take their time, all together less than any record has beside slow
/// callbacks and the linger. It has dice of its own: what was found in a seed stays in it.
pub(super) fn slow_code(seed: u64, properties: &[(&'static str, String)]) -> SlowCode {
    let dice = &mut Rng::with_seed(seed.rotate_left(32));
    let (linger, delivery) =
        (milliseconds(properties, "linger.ms"), milliseconds(properties, "delivery.timeout.ms"));
    let whole = delivery.saturating_sub(3 * linger + 500) / 3;
    let each = |dice: &mut Rng| Duration::from_millis(whole / [1, 2, 4, dice.u64(1..=40)][dice.usize(..4)]);
    let all = [Dawdler::Interceptor, Dawdler::Serializer, Dawdler::Logger].map(|who| (who, each(dice)));
    let slow = all.into_iter().filter(|(_, time)| dice.bool() && !time.is_zero()).collect();
    SlowCode::new(slow, Duration::from_millis(whole))
}

fn milliseconds(properties: &[(&'static str, String)], name: &str) -> u64 {
    let value = properties.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
