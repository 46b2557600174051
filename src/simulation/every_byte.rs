//! Connections that break at each byte of their handshakes, of their logins and of what comes first after those.
//!
//! Owns: these runs. Must not know: how a connection breaks.

use std::time::Duration;

use kafka_embedded::SaslMechanism;

use crate::simulation::history::RecordOutcome;
use crate::simulation::plan::Step;
use crate::simulation::secured_setup::{SecuredSetup, SecurityWish};
use crate::simulation::security_step::{SecurityStep, TravelWay};
use crate::simulation::world::{Setup, World};

/// Connections that were cut, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutPlaces {
    /// How they were secured, and which way the bytes went.
    pub what: String,
    /// How many bytes were tried until a record was acknowledged before the next one.
    pub bytes: usize,
}

/// Cuts the first connection to each broker at every byte (or at each that is a multiple of `distance`), in both directions,
/// with each kind of security, until a record is acknowledged before that byte is reached. Each on a thread of its own.
///
/// # Errors
/// What was broken, and where.
pub fn cut_at_every_byte(distance: usize) -> Result<Vec<CutPlaces>, String> {
    std::thread::scope(|scope| {
        let ways = [TravelWay::ToBroker, TravelWay::ToClient];
        let all = wishes().into_iter().flat_map(|(name, wish)| ways.map(|way| (name, wish, way)));
        let begun: Vec<_> = all
            .map(|(name, wish, way)| scope.spawn(move || cut_one_way(name, wish, way, distance)))
            .collect();
        begun.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".to_owned()))).collect()
    })
}

fn cut_one_way(name: &str, wish: SecurityWish, way: TravelWay, distance: usize) -> Result<CutPlaces, String> {
    let mut bytes = 0;
    while is_cut_and_survives(wish, way, bytes).map_err(|why| format!("{name}, {way:?}, {bytes}: {why}"))? {
        bytes += distance;
    }
    Ok(CutPlaces { what: format!("{name} {way:?}"), bytes })
}

fn wishes() -> [(&'static str, SecurityWish); 4] {
    let plain = SecurityWish {
        has_tls: false,
        is_mutual: false,
        mechanism: Some(SaslMechanism::Plain),
        asks: true,
        token_life: Duration::from_secs(5),
    };
    let scram = SecurityWish { mechanism: Some(SaslMechanism::ScramSha256), asks: false, ..plain };
    let mutual = SecurityWish { has_tls: true, is_mutual: true, mechanism: None, ..plain };
    let tokens = SecurityWish { has_tls: true, mechanism: Some(SaslMechanism::OAuthBearer), ..plain };
    [
        ("PLAIN", plain),
        ("SCRAM-SHA-256", scram),
        ("TLS with certificates of both", mutual),
        ("OAUTHBEARER over TLS", tokens),
    ]
}

/// Whether anything was cut there; an error where that did any harm.
fn is_cut_and_survives(wish: SecurityWish, way: TravelWay, bytes: usize) -> Result<bool, String> {
    let security = SecuredSetup::new(wish);
    let setup = Setup::calm(1).with("linger.ms", 0).with("delivery.timeout.ms", 10_000);
    let setup = setup.with("request.timeout.ms", 1_000).with("reconnect.backoff.ms", 10);
    let cluster = security.brokers(setup.cluster.clone(), None, Duration::from_millis(100));
    let setup = Setup { cluster, security: Some(security), ..setup };
    let cut = |setup: Setup, broker| {
        setup.step(Duration::ZERO, Step::Secure(SecurityStep::CutAt(broker, way, bytes)))
    };
    let setup = (1..=3).fold(setup, cut).send(Duration::from_millis(1), 0, 1);
    let mut world = World::new(setup);
    world.run()?;
    let counts = world.network().secured.as_ref().map(|secured| secured.counts()).unwrap_or_default();
    let history = world.end()?;
    let violations = history.check();
    let told = history.records.first().and_then(|record| record.told.first());
    let Some(told) = told.filter(|told| violations.is_empty() && told.at < LONGEST) else {
        return Err(format!("{violations:?}, {told:?}"));
    };
    match told.outcome {
        RecordOutcome::Acknowledged { .. } => Ok(counts.keys().any(|name| name.starts_with("cut in"))),
        RecordOutcome::Failed { .. } => Err(format!("{told:?}")),
    }
}

/// A record has to be acknowledged by then.
const LONGEST: Duration = Duration::from_secs(3);
