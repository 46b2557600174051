//! Scenarios of secured connections: TLS, SASL or both around a scenario, and what goes wrong with them, from a seed.
//!
//! Owns: these dice. Must not know: how steps are carried out, what is right.
//! Holds: all else of a seed is as in its plain run. Which kinds of trouble it throws does not depend on which of them are
//! switched on.

use std::time::Duration;

use kafka_embedded::{AlertAt, Api, Fault, SaslMechanism, TlsFault};

use crate::simulation::identity::{ClientIdentity, TokenMood};
use crate::simulation::plan::Step;
use crate::simulation::scenario::{Dice, SeedScenario, Steps};
use crate::simulation::secured_setup::{SecuredSetup, SecurityWish};
use crate::simulation::security_step::{SecurityStep, ShownCertificate, TravelWay, WorkMood};
use crate::simulation::trouble_kinds::Kind;

/// Secures all connections of a scenario, and lets something go wrong with that where anything may.
pub(super) fn secure(scenario: &mut SeedScenario, enabled: &[Kind]) {
    let dice = &mut Dice::with_seed(scenario.setup.seed ^ 0x5ec0_5ec0_5ec0_5ec0);
    let wish = wish(dice);
    let setup = &mut scenario.setup;
    let security = SecuredSetup::new(wish);
    let session = (dice.u32(..3) > 0).then(|| Duration::from_millis(dice.u64(1_300..6_000)));
    let failure_delay = Duration::from_millis([0, 10, 100][dice.usize(..3)]);
    setup.cluster = security.brokers(setup.cluster.clone(), session, failure_delay);
    setup.security = Some(security);
    let mut steps = Steps::new();
    // Other keys are nothing that goes wrong.
    for _ in 0..dice.u32(..10) {
        let at = scenario.length.mul_f64(dice.f64());
        let step = Step::Secure(SecurityStep::NewKeys(dice.i32(1..=3)));
        if enabled.contains(&Kind::KeyUpdates) && wish.has_tls {
            steps.push((at, step));
        }
    }
    if !scenario.is_calm {
        scenario.kinds.extend(trouble(dice, scenario.length, &wish, enabled, &mut steps));
    }
    let setup = &mut scenario.setup;
    let calm = setup.steps.iter().find(|(_, step)| matches!(step, Step::Calm)).map(|(at, _)| *at);
    let mends = |step: &Step| matches!(step, Step::Start(_));
    let stays = |(at, step): &(Duration, Step)| calm.is_none_or(|calm| *at < calm) || mends(step);
    setup.steps.extend(steps.into_iter().filter(stays));
}

fn wish(dice: &mut Dice) -> SecurityWish {
    let mechanisms = [
        SaslMechanism::Plain,
        SaslMechanism::ScramSha256,
        SaslMechanism::ScramSha512,
        SaslMechanism::OAuthBearer,
        SaslMechanism::OAuthBearer,
    ];
    let mechanism = mechanisms[dice.usize(..mechanisms.len())];
    let (has_tls, has_sasl) = [(false, true), (true, false), (true, true), (true, true)][dice.usize(..4)];
    let (has_tls, has_sasl) = if cfg!(feature = "tls") { (has_tls, has_sasl) } else { (false, true) };
    let mechanism = Some(mechanism).filter(|_| has_sasl);
    let token_life = Duration::from_millis(dice.u64(3_000..15_000));
    SecurityWish { has_tls, is_mutual: dice.u32(..4) == 0, mechanism, asks: dice.u32(..3) > 0, token_life }
}

/// Adds troubles of some kinds, and returns these.
fn trouble(
    dice: &mut Dice,
    length: Duration,
    wish: &SecurityWish,
    enabled: &[Kind],
    steps: &mut Steps,
) -> Vec<Kind> {
    let possible: Vec<Kind> =
        Kind::of_secured_connections().iter().copied().filter(|kind| fits(*kind, wish)).collect();
    let thrown: Vec<Kind> = (0..dice.usize(1..=3)).map(|_| possible[dice.usize(..possible.len())]).collect();
    for _ in 0..dice.u32(1..=25) {
        let at = length.mul_f64(dice.f64());
        let kind = thrown[dice.usize(..thrown.len())];
        let mut found = of_kind(kind, dice, wish, at);
        // What stands is not touched by what happens to new connections: some are made.
        if dice.bool() {
            found.push((at, Step::Cut(dice.i32(1..=3))));
        }
        if enabled.contains(&kind) {
            steps.extend(found);
        }
    }
    thrown.into_iter().filter(|kind| enabled.contains(kind)).collect()
}

/// Whether this can go wrong there at all.
fn fits(kind: Kind, wish: &SecurityWish) -> bool {
    match kind {
        Kind::Alerts | Kind::FalseBrokers | Kind::Truncations | Kind::KeyUpdates => wish.has_tls,
        Kind::FalseProofs | Kind::RefusedLogins | Kind::BriefSessions | Kind::Rotation => {
            wish.mechanism.is_some()
        }
        Kind::LateTokens => {
            let asks = wish.asks && wish.mechanism.is_some();
            asks || wish.mechanism == Some(SaslMechanism::OAuthBearer) || is_scram(wish)
        }
        _ => true,
    }
}

fn is_scram(wish: &SecurityWish) -> bool {
    matches!(wish.mechanism, Some(SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512))
}

fn of_kind(kind: Kind, dice: &mut Dice, wish: &SecurityWish, at: Duration) -> Steps {
    let broker = dice.i32(1..=3);
    let shortly = Duration::from_millis(dice.u64(1..3_000));
    let times = dice.u32(1..=6);
    let secure = |step: SecurityStep| (at, Step::Secure(step));
    let then = |step: SecurityStep| (at + shortly, Step::Secure(step));
    let fault = |fault: Fault| (at, Step::Fault(fault));
    match kind {
        Kind::HandshakeCuts => {
            let way = if dice.bool() { TravelWay::ToBroker } else { TravelWay::ToClient };
            let most = if wish.has_tls { [300, 1_200, 2_500] } else { [100, 300, 700] };
            let most = most[dice.usize(..3)];
            let cut = secure(SecurityStep::CutAt(broker, way, dice.usize(..most)));
            vec![cut, (at, Step::Cut(broker))]
        }
        Kind::HandshakeStalls => vec![stalled(dice, wish, at, shortly, times)],
        Kind::Alerts => {
            let places = [AlertAt::ClientHello, AlertAt::Finished, AlertAt::Data(dice.usize(..500))];
            let number = [40, 42, 44, 45, 46, 48, 70, 80, 90, 116][dice.usize(..10)];
            let alert = TlsFault::alert(places[dice.usize(..3)], number);
            let odd = TlsFault::not_tls(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]);
            let alert = if dice.u32(..6) == 0 { odd } else { alert };
            vec![secure(SecurityStep::Tls(alert.on_broker(broker).times(times)))]
        }
        Kind::FalseBrokers => {
            let shown = match dice.u32(..4) {
                0 => ShownCertificate::Expired,
                1 => ShownCertificate::OfAStranger,
                2 => ShownCertificate::OfAnother,
                _ => ShownCertificate::Ends(shortly / 2),
            };
            let cut = (at + shortly / 2, Step::Cut(broker));
            let show = |shown| SecurityStep::Certificate(shown);
            vec![secure(show(shown)), cut, then(show(ShownCertificate::Good))]
        }
        Kind::FalseProofs if is_scram(wish) && dice.bool() => {
            vec![fault(Fault::bad_server_signature().on_broker(broker).times(times))]
        }
        Kind::FalseProofs => vec![fault(Fault::wrong_challenge().on_broker(broker).times(times))],
        Kind::RefusedLogins => vec![fault(refused(dice, broker).times(times))],
        Kind::BriefSessions => {
            let real = Duration::from_millis(dice.u64(1_000..3_000));
            let told = if dice.bool() { real * 2 } else { real.mul_f64(0.5 + dice.f64()) };
            vec![fault(Fault::session(told, real).on_broker(broker).times(times))]
        }
        Kind::LateTokens => late_token(dice, wish, at, shortly),
        Kind::Rotation => rotation(dice, wish, at, shortly),
        Kind::KeyUpdates => vec![secure(SecurityStep::NewKeys(broker))],
        // The broker ends its connections as it stops.
        _ => {
            let truncation = SecurityStep::Tls(TlsFault::truncate().on_broker(broker).times(times));
            vec![
                secure(truncation),
                (at + shortly, Step::Stop(broker)),
                (at + shortly * 2, Step::Start(broker)),
            ]
        }
    }
}

/// Something in a handshake takes long, or for ever.
fn stalled(
    dice: &mut Dice,
    wish: &SecurityWish,
    at: Duration,
    shortly: Duration,
    times: u32,
) -> (Duration, Step) {
    let broker = dice.i32(1..=3);
    let is_dead = dice.u32(..4) == 0;
    if wish.has_tls && (wish.mechanism.is_none() || dice.bool()) {
        let by = if is_dead { Duration::from_secs(3_600) } else { shortly };
        let fault = TlsFault::slow_handshake(by).on_broker(broker).times(times);
        return (at, Step::Secure(SecurityStep::Tls(fault)));
    }
    let api = if dice.bool() { Api::SaslHandshake } else { Api::SaslAuthenticate };
    let fault = match (is_dead, dice.u32(..4)) {
        (true, _) => Fault::drop_answer(api),
        (_, 0) => Fault::cut_before(api),
        (_, 1) => Fault::cut_after(api),
        _ => Fault::delay(api, shortly),
    };
    (at, Step::Fault(fault.on_broker(broker).times(times)))
}

/// A broker does not believe us, or knows nothing of what we say.
fn refused(dice: &mut Dice, broker: i32) -> Fault {
    let fault = match dice.u32(..6) {
        0 => Fault::fail(Api::SaslHandshake, [33, 34][dice.usize(..2)]),
        1 => Fault::fail(Api::SaslAuthenticate, [34, -1, 999][dice.usize(..3)]),
        _ => Fault::fail(Api::SaslAuthenticate, SASL_AUTHENTICATION_FAILED),
    };
    if dice.bool() { fault.on_broker(broker) } else { fault }
}

/// Tokens, passwords or keys come late, never, or are of no use.
fn late_token(dice: &mut Dice, wish: &SecurityWish, at: Duration, shortly: Duration) -> Steps {
    let mood = match dice.u32(..3) {
        0 => SecurityStep::Work(WorkMood::Never),
        _ => SecurityStep::Work(WorkMood::Late(shortly)),
    };
    let token = [TokenMood::Ended, TokenMood::Brief, TokenMood::Missing][dice.usize(..3)];
    let is_token = wish.mechanism == Some(SaslMechanism::OAuthBearer) && dice.u32(..3) > 0;
    let (bad, good) = match is_token {
        true => (SecurityStep::Tokens(token), SecurityStep::Tokens(TokenMood::Given)),
        false => (mood, SecurityStep::Work(WorkMood::Prompt)),
    };
    // The one that is there is of no use any more, so that another is wanted.
    let revoke = (is_token || dice.bool()).then_some((at, Step::Secure(SecurityStep::Revoke)));
    let steps = vec![(at, Step::Secure(bad)), (at + shortly * 2, Step::Secure(good))];
    steps.into_iter().chain(revoke).collect()
}

/// Brokers believe something else from now on, and the client hears of it before, after, or never.
fn rotation(dice: &mut Dice, wish: &SecurityWish, at: Duration, shortly: Duration) -> Steps {
    if wish.mechanism == Some(SaslMechanism::OAuthBearer) {
        return vec![(at, Step::Secure(SecurityStep::Revoke))];
    }
    let password = ClientIdentity::PASSWORDS[dice.usize(..3)];
    let (brokers, own) = (SecurityStep::BrokersPassword(password), SecurityStep::OwnPassword(password));
    let (first, second) = if dice.bool() { (brokers, own) } else { (own, brokers) };
    let mut steps = vec![(at, Step::Secure(first)), (at + shortly, Step::Secure(second))];
    if dice.u32(..4) == 0 {
        steps.truncate(1);
    }
    steps
}

const SASL_AUTHENTICATION_FAILED: i16 = 58;
