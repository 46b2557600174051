//! Brokers that want to know who we are, and do not always believe it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kafka_embedded::{Api, Fault, SaslMechanism};

use crate::error::ErrorKind;
use crate::network::test_channels::{Authority, SimulatedChannels};
use crate::simulation::every_byte::{CutPlaces, cut_at_every_byte};
use crate::simulation::history::RecordOutcome;
use crate::simulation::plan::Step;
use crate::simulation::secured_setup::{SecuredSetup, SecurityWish};
use crate::simulation::security_step::{SecurityStep, ShownCertificate, WorkMood};
use crate::simulation::tests::keeps_its_promises;
use crate::simulation::world::{Setup, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn secured(authority: &Arc<Authority>) -> Setup {
    let authority = Some(Arc::clone(authority));
    let channels = SimulatedChannels { is_layered: true, authority };
    Setup { channels, ..Setup::calm(1).with("linger.ms", 0) }
}

fn offset(outcome: Option<&RecordOutcome>) -> Option<i64> {
    match outcome {
        Some(RecordOutcome::Acknowledged { offset, .. }) => *offset,
        other => panic!("not acknowledged: {other:?}"),
    }
}

/// Behaviour 8.
#[test]
fn a_failed_authentication_is_told_at_once_to_those_who_wait_for_metadata_and_then_until_it_works_again() {
    let authority = Arc::new(Authority::default());
    authority.refuses.store(true, Ordering::Relaxed);
    let setup = secured(&authority).send(Duration::ZERO, 0, 1).send(5 * SECOND, 0, 1);
    let mut world = World::new(setup.send(15 * SECOND, 0, 1));
    world.run_for(10 * SECOND).unwrap();
    let attempts = authority.asked.load(Ordering::Relaxed);
    assert!((10..60).contains(&attempts), "{attempts} attempts with three servers in ten seconds");
    // Somebody has set it right; nothing has to be started anew.
    authority.refuses.store(false, Ordering::Relaxed);
    world.run_for(10 * SECOND).unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    assert_eq!(history.refused.len(), 2);
    for refused in &history.refused {
        assert_eq!(refused.kind, ErrorKind::Authentication, "{}", refused.text);
        assert!(refused.text.contains("who are you?"), "{}", refused.text);
    }
    let took: Vec<_> =
        history.calls.iter().filter(|call| call.name == "send").map(|call| call.took).collect();
    assert!(took[0] < 100 * MS && took[1] < MS, "{took:?}");
    assert_eq!(history.records.len(), 1);
    assert_eq!(offset(history.records[0].outcome()), Some(0));
}

/// Behaviour 8.
#[test]
fn records_that_wait_for_a_broker_that_refuses_us_fail_at_once_and_later_ones_go_when_it_does_not() {
    let authority = Arc::new(Authority::default());
    let setup = secured(&authority).send(Duration::ZERO, 0, 1).send(3 * SECOND, 0, 3);
    let setup = (1..=3).fold(setup, |setup, broker| setup.step(2 * SECOND, Step::Cut(broker)));
    let mut world = World::new(setup.send(10 * SECOND, 0, 2));
    world.run_for(SECOND).unwrap();
    authority.refuses.store(true, Ordering::Relaxed);
    world.run_for(6 * SECOND).unwrap();
    authority.refuses.store(false, Ordering::Relaxed);
    world.run_for(10 * SECOND).unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    let (refused, others): (Vec<_>, Vec<_>) =
        history.records.iter().partition(|record| (SECOND..9 * SECOND).contains(&record.at));
    assert_eq!(refused.len(), 3);
    for record in refused {
        let told = &record.told[0];
        let RecordOutcome::Failed { kind: ErrorKind::Authentication, possibly_written: false, text, .. } =
            &told.outcome
        else {
            panic!("{:?}", told.outcome)
        };
        assert!(text.contains("who are you?"), "{text}");
        assert!(told.at - record.at < 1500 * MS, "as soon as the backoff lets it be tried: {:?}", told.at);
    }
    let offsets: Vec<_> = others.iter().map(|record| offset(record.outcome())).collect();
    assert_eq!(offsets, [Some(0), Some(1), Some(2)]);
}

/// Behaviour 42.
#[test]
fn records_go_on_while_who_we_are_is_said_again_and_wait_no_longer_than_that_takes() {
    let authority = Arc::new(Authority {
        session: Some(1_300 * MS),
        rounds: 2,
        wants_token: true,
        ..Authority::default()
    });
    let setup = secured(&authority);
    let setup = (0..400).fold(setup, |setup, number| setup.send(SECOND + number * 50 * MS, 0, 1));
    let mut world = World::new(setup);
    world.run().unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    let believed = authority.believed.load(Ordering::Relaxed);
    assert!(believed >= 15, "{believed} times in 21 seconds");
    for (number, record) in history.records.iter().enumerate() {
        assert_eq!(offset(record.outcome()), Some(number as i64));
        // The first one has to find the broker. Nothing takes longer than a millisecond on its way.
        let longest = if number == 0 { 100 * MS } else { 15 * MS };
        assert!(record.told[0].at - record.at < longest, "{:?}", record.told);
    }
}

const PLAINTEXT_SCRAM: SecurityWish = SecurityWish {
    has_tls: false,
    is_mutual: false,
    mechanism: Some(SaslMechanism::ScramSha256),
    asks: false,
    token_life: Duration::from_secs(5),
};
const TLS: SecurityWish = SecurityWish { has_tls: true, mechanism: None, ..PLAINTEXT_SCRAM };
const TLS_TOKENS: SecurityWish =
    SecurityWish { has_tls: true, mechanism: Some(SaslMechanism::OAuthBearer), ..PLAINTEXT_SCRAM };

/// Brokers that believe us for so long; nothing goes wrong by itself.
fn really_secured(wish: SecurityWish, session: Option<Duration>) -> Setup {
    let security = SecuredSetup::new(wish);
    let setup = Setup::calm(1).with("linger.ms", 0);
    let cluster = security.brokers(setup.cluster.clone(), session, 100 * MS);
    Setup { cluster, security: Some(security), ..setup }
}

fn secure(setup: Setup, at: Duration, step: SecurityStep) -> Setup {
    setup.step(at, Step::Secure(step))
}

/// All connections break.
fn cut(setup: Setup, at: Duration) -> Setup {
    (1..=3).fold(setup, |setup, broker| setup.step(at, Step::Cut(broker)))
}

/// Behaviour 42.
/// Each byte is for optimised builds (`simulate --every-byte`).
#[test]
fn a_connection_that_is_cut_at_any_byte_of_its_handshake_loses_nothing() {
    let places = cut_at_every_byte(23).unwrap();
    for CutPlaces { what, bytes } in &places {
        assert!(*bytes > if what.contains("TLS") { 1_000 } else { 300 }, "{what}: {bytes}");
    }
    assert_eq!(places.len(), 8);
}

/// Behaviour 42.
#[test]
fn records_wait_no_longer_than_the_round_trips_of_a_login_that_is_repeated() {
    let mechanisms = [SaslMechanism::Plain, SaslMechanism::ScramSha512, SaslMechanism::OAuthBearer];
    for (mechanism, asks) in mechanisms.into_iter().zip([true, false, false]) {
        let token_life = 60 * SECOND;
        let wish =
            SecurityWish { mechanism: Some(mechanism), asks, has_tls: asks, token_life, ..PLAINTEXT_SCRAM };
        let setup = really_secured(wish, Some(1_400 * MS));
        let setup = (0..400).fold(setup, |setup, number| setup.send(SECOND + number * 50 * MS, 0, 1));
        let mut world = World::new(setup);
        world.run().unwrap();
        let again = world.network().wire.logins.counts().get("believed again").copied().unwrap_or(0);
        assert!(again >= 14, "{mechanism:?}: {again} times in 21 seconds");
        let history = world.end().unwrap();
        assert_eq!(history.check(), []);
        for (number, record) in history.records.iter().enumerate() {
            assert_eq!(offset(record.outcome()), Some(number as i64));
            // The first one has to find the broker, and SCRAM has to make keys. A round trip is two milliseconds at most, and
            // a login has three of them; what is asked for in the background takes a millisecond.
            let longest = if number == 0 { 100 * MS } else { 12 * MS };
            let took = record.told[0].at - record.at;
            assert!(took < longest, "{mechanism:?}, record {number}: {took:?}");
        }
    }
}

/// Behaviour 42.
/// Brokers take a second login within a second for an error, however short the session is.
#[test]
fn where_a_session_is_shorter_than_brokers_let_us_log_in_again_nothing_fails() {
    let brief = Fault::session(600 * MS, 600 * MS).always();
    let setup = really_secured(PLAINTEXT_SCRAM, None).step(Duration::ZERO, Step::Fault(brief));
    let setup = (0..200).fold(setup, |setup, number| setup.send(SECOND + number * 50 * MS, 0, 1));
    let history = keeps_its_promises(setup);
    for (number, record) in history.records.iter().enumerate() {
        assert_eq!(offset(record.outcome()), Some(number as i64));
        let took = record.told[0].at - record.at;
        assert!(took < 700 * MS, "record {number}: {took:?}");
    }
}

/// Behaviour 8.
#[test]
fn whom_a_broker_refuses_in_a_repeated_login_is_told_so_at_once_and_goes_on_when_it_does_not() {
    for code in [58, 34] {
        let refused = Fault::fail(Api::SaslAuthenticate, code).times(40);
        let setup = really_secured(PLAINTEXT_SCRAM, Some(3 * SECOND)).send(SECOND, 0, 1);
        let setup = setup.step(2 * SECOND, Step::Fault(refused)).send(5 * SECOND, 0, 2);
        let history = keeps_its_promises(setup.step(15 * SECOND, Step::Calm).send(40 * SECOND, 0, 2));
        let outcomes: Vec<_> = history.records.iter().map(|record| record.outcome().unwrap()).collect();
        for (record, outcome) in history.records.iter().zip(&outcomes).skip(1).take(2) {
            let RecordOutcome::Failed {
                kind: ErrorKind::Authentication, possibly_written: false, text, ..
            } = outcome
            else {
                panic!("{outcome:?}")
            };
            assert!(text.contains(&code.to_string()), "{text}");
            let took = record.told[0].at - record.at;
            assert!(took < 1500 * MS, "{took:?}");
        }
        let offsets: Vec<_> = [0, 3, 4].map(|number| offset(Some(outcomes[number]))).to_vec();
        assert_eq!(offsets, [Some(0), Some(1), Some(2)]);
    }
}

/// Found by a seed with transactions: the time after which it would have been idle came again and again.
/// Behaviour 42.
#[test]
fn a_connection_that_waits_for_what_it_logs_in_with_is_not_idle_and_the_sender_sleeps() {
    let wish = SecurityWish { mechanism: Some(SaslMechanism::Plain), asks: true, ..PLAINTEXT_SCRAM };
    let setup = really_secured(wish, Some(4 * SECOND)).with("connections.max.idle.ms", 1_000);
    let setup = secure(setup, SECOND, SecurityStep::Work(WorkMood::Late(2 * SECOND)));
    let setup = (0..6).fold(setup, |setup, number| setup.send(number * 780 * MS, 0, 1));
    let history = keeps_its_promises(setup);
    let waited = history.records.iter().filter(|record| record.told[0].at - record.at > SECOND);
    assert_eq!(waited.count(), 1, "for the login");
}

/// Behaviour 42.
#[test]
fn tokens_that_never_come_fail_what_waits_in_its_time_and_nothing_when_they_come() {
    let setup = really_secured(TLS_TOKENS, None).with("delivery.timeout.ms", 4_000);
    let setup = setup.with("request.timeout.ms", 1_000).send(SECOND, 0, 1);
    let setup = secure(setup, 2 * SECOND, SecurityStep::Work(WorkMood::Never));
    // The token ends, and so does its session: it takes another one to go on.
    let setup = cut(setup, 8 * SECOND).send(9 * SECOND, 0, 1);
    let history = keeps_its_promises(setup.step(20 * SECOND, Step::Calm).send(30 * SECOND, 0, 1));
    let outcomes: Vec<_> = history.records.iter().map(|record| record.outcome().unwrap()).collect();
    assert_eq!(offset(Some(outcomes[0])), Some(0));
    assert!(matches!(outcomes[1], RecordOutcome::Failed { possibly_written: false, .. }), "{outcomes:?}");
    assert_eq!(offset(Some(outcomes[2])), Some(1));
}

/// Behaviour 8.
/// Certificates are judged by the clock of the run.
#[test]
fn a_certificate_that_ends_while_the_client_runs_is_not_believed_from_then_on_and_a_new_one_is() {
    let shown = SecurityStep::Certificate(ShownCertificate::Ends(5 * SECOND));
    let setup = secure(really_secured(TLS, None), Duration::ZERO, shown).send(SECOND, 0, 1);
    let setup = cut(setup, 3 * SECOND).send(4 * SECOND, 0, 1);
    let setup = cut(setup, 7 * SECOND).send(8 * SECOND, 0, 1);
    let setup = secure(setup, 10 * SECOND, SecurityStep::Certificate(ShownCertificate::Good));
    let history = keeps_its_promises(setup.send(20 * SECOND, 0, 1));
    let outcomes: Vec<_> = history.records.iter().map(|record| record.outcome().unwrap()).collect();
    let RecordOutcome::Failed { kind: ErrorKind::Authentication, text, .. } = outcomes[2] else {
        panic!("{outcomes:?}")
    };
    assert!(text.contains("has expired"), "{text}");
    let offsets: Vec<_> = [0, 1, 3].map(|number| offset(Some(outcomes[number]))).to_vec();
    assert_eq!(offsets, [Some(0), Some(1), Some(2)]);
}
