//! Runs in which somebody has subscribed to the producer's metrics (KIP-714), and is told in vain.

use std::time::Duration;

use kafka_embedded::{Api, Fault, TelemetryOptions};

use crate::simulation::plan::Step;
use crate::simulation::player::Act;
use crate::simulation::tests::keeps_its_promises;
use crate::simulation::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// Records every 100 ms for so many seconds, each acknowledged within a second whatever becomes of telemetry.
fn subscribed(options: TelemetryOptions, seconds: u32) -> Setup {
    let mut setup = Setup::calm(3).with("request.timeout.ms", 30_000);
    setup.cluster = setup.cluster.telemetry(options);
    (setup.is_subscribed, setup.prompt) = (true, Some(SECOND));
    (0..10 * seconds).fold(setup, |setup, at| setup.send(at * SECOND / 10, at as i32 % 3, 2))
}

/// Behaviour 115.
#[test]
fn a_broker_that_goes_wrong_with_telemetry_delays_no_record() {
    for api in [Api::GetTelemetrySubscriptions, Api::PushTelemetry] {
        for fault in [
            Fault::drop_answer(api),
            Fault::cut_before(api),
            Fault::cut_after(api),
            Fault::delay(api, 20 * SECOND),
            Fault::throttle(api, 3600 * SECOND),
            Fault::fail(api, 117),
            Fault::fail(api, 42),
        ] {
            let setup = subscribed(TelemetryOptions::new().interval(SECOND), 10)
                .step(Duration::ZERO, Step::Fault(fault.always()));
            keeps_its_promises(setup);
        }
    }
}

/// Behaviours 114, 115.
#[test]
fn metrics_are_pushed_as_often_as_is_wanted_and_a_silent_broker_delays_the_end_by_a_second_at_most() {
    let setup = subscribed(TelemetryOptions::new().interval(5 * SECOND), 60);
    let mut world = World::new(setup);
    world.run().unwrap();
    let pushes = world.with_rules(|rules| rules.telemetry_pushes().to_vec());
    assert!((10..=13).contains(&pushes.len()), "{} pushes in a minute", pushes.len());
    let gaps = pushes.windows(2).map(|pair| pair[1].at - pair[0].at);
    gaps.for_each(|gap| assert!((5 * SECOND..6 * SECOND).contains(&gap), "{gap:?}"));
    assert_eq!(world.end().unwrap().check(), []);

    let silent = Fault::drop_answer(Api::PushTelemetry).always();
    let setup = subscribed(TelemetryOptions::new().interval(600 * SECOND), 5);
    let setup = setup.step(Duration::ZERO, Step::Fault(silent));
    let closes = 10 * SECOND;
    let mut world = World::new(setup.step(closes, Step::Act(0, Act::Close { within: None })));
    world.run().unwrap();
    assert!((closes + SECOND..closes + 2 * SECOND).contains(&world.elapsed()), "{:?}", world.elapsed());
    let pushes = world.with_rules(|rules| rules.telemetry_pushes().to_vec());
    assert_eq!(pushes.iter().map(|push| push.terminating).collect::<Vec<_>>(), [true]);
    assert_eq!(world.end().unwrap().check(), []);
}
