//! Stores whose files change: new connections have what is new, and what is broken changes nothing.

use std::fs;
use std::time::{Duration, Instant};

use super::authority::{BOTH, TestAuthority, params, server_config};
use super::folder::Folder;
use super::pair::{ConnectedPair, context_of};
use crate::security::tls::TlsContext;
use crate::stage::{self, Clock, Role};

fn connect(
    context: &std::sync::Arc<TlsContext>,
    server: &std::sync::Arc<rustls::ServerConfig>,
) -> Result<(), String> {
    // As the network does it before each connection.
    context.look_again().unwrap().run().unwrap();
    ConnectedPair::new(context, "kafka", server).travel(1000).map_err(|error| error.to_string())
}

/// Behaviour 99.
#[test]
fn a_trust_store_that_has_changed_counts_for_the_next_connection() {
    let folder = Folder::new("tls-trust");
    let (old, new) = (TestAuthority::new("old"), TestAuthority::new("new"));
    let [of_old, of_new] =
        [&old, &new].map(|authority| server_config(&authority.certify(&["kafka"]), &[], None, &BOTH));
    let path = folder.write("trust.pem", &old.pem());
    let context = context_of(&[("ssl.truststore.location", &path)]).unwrap();
    connect(&context, &of_old).unwrap();
    assert!(connect(&context, &of_new).unwrap_err().contains("CN=new"));

    let before = context.client_config();
    context.look_again().unwrap().run().unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &context.client_config()), "nothing has changed");

    folder.write("trust.pem", &new.pem());
    connect(&context, &of_new).unwrap();
    // Also a session of before is not taken up any more.
    assert!(connect(&context, &of_old).unwrap_err().contains("CN=old"));
}

/// Behaviour 99.
#[test]
fn what_is_broken_keeps_what_was_before_and_is_read_again_when_it_changes() {
    let folder = Folder::new("tls-broken");
    let (old, new) = (TestAuthority::new("old"), TestAuthority::new("new"));
    let [of_old, of_new] =
        [&old, &new].map(|authority| server_config(&authority.certify(&["kafka"]), &[], None, &BOTH));
    let path = folder.write("trust.pem", &old.pem());
    let context = context_of(&[("ssl.truststore.location", &path)]).unwrap();
    let half = new.pem();
    for broken in ["", "nothing", &half[..half.len() / 2]] {
        folder.write("trust.pem", broken);
        connect(&context, &of_old).unwrap();
        let error = context.reload().unwrap_err().to_string();
        assert!(error.starts_with(&format!("ssl.truststore.location ({path}): ")), "{error}");
        connect(&context, &of_old).unwrap();
    }
    fs::remove_file(&path).unwrap();
    connect(&context, &of_old).unwrap();
    folder.write("trust.pem", &new.pem());
    connect(&context, &of_new).unwrap();
}

/// Key and trust change together or not at all.
#[test]
fn a_key_that_does_not_fit_leaves_the_trust_store_as_it_was_too() {
    let folder = Folder::new("tls-together");
    let (old, new, clients) =
        (TestAuthority::new("old"), TestAuthority::new("new"), TestAuthority::new("clients"));
    let [of_old, of_new] = [&old, &new]
        .map(|authority| server_config(&authority.certify(&["kafka"]), &[], Some(&clients), &BOTH));
    let (first, second) = (clients.certify(&["first"]), clients.certify(&["second"]));
    let trust = folder.write("trust.pem", &old.pem());
    let key = folder.write("key.pem", &format!("{}{}", first.key_pem(), first.pem));
    let context =
        context_of(&[("ssl.truststore.location", &trust), ("ssl.keystore.location", &key)]).unwrap();
    connect(&context, &of_old).unwrap();
    folder.write("trust.pem", &new.pem());
    folder.write("key.pem", &format!("{}{}", second.key_pem(), first.pem));
    connect(&context, &of_old).unwrap();
    folder.write("key.pem", &format!("{}{}", second.key_pem(), second.pem));
    connect(&context, &of_new).unwrap();
    context.reload().unwrap();
    connect(&context, &of_new).unwrap();
}

/// Behaviour 99.
#[test]
fn files_are_looked_at_in_their_time_though_nothing_connects() {
    let clock = Clock::new(Instant::now(), 1_700_000_000_000);
    let _stage = stage::enter(Role { clock: clock.clone(), baton: None });
    let folder = Folder::new("tls-idle");
    let (old, new) = (TestAuthority::new("old"), TestAuthority::new("new"));
    let [of_old, of_new] =
        [&old, &new].map(|authority| server_config(&authority.certify(&["kafka"]), &[], None, &BOTH));
    let trusts = |context: &std::sync::Arc<TlsContext>, server| {
        ConnectedPair::new(context, "kafka", server).travel(1000).is_ok()
    };
    let path = folder.write("trust.pem", &old.pem());
    let pairs = [("ssl.truststore.location", path.as_str()), ("ssl.reload.interval.ms", "60000")];
    let context = context_of(&pairs).unwrap();
    let minute = Duration::from_secs(60);
    // How much is due, and how long there is nothing to ask for.
    let ask = || {
        let upkeep = context.upkeep(stage::now());
        (upkeep.work, upkeep.next.unwrap().saturating_duration_since(stage::now()))
    };
    let not_yet = |left| {
        let (work, next) = ask();
        assert_eq!((work.len(), next), (0, left));
    };
    not_yet(minute);
    folder.write("trust.pem", &new.pem());
    clock.spend(minute / 2);
    not_yet(minute / 2);
    clock.spend(minute / 2);
    let (mut work, next) = ask();
    assert_eq!((work.len(), next), (1, minute));
    assert!(trusts(&context, &of_old), "it is not done yet");

    // One that does not come to its end is not joined by others.
    clock.spend(minute);
    not_yet(minute);
    work.pop().unwrap().run().unwrap();
    assert!(trusts(&context, &of_new) && !trusts(&context, &of_old));

    // What is looked at for a connection need not be looked at again.
    clock.spend(minute / 2);
    connect(&context, &of_new).unwrap();
    not_yet(minute);

    // What is broken leaves what was before; what could not be begun comes again, but not at once.
    folder.write("trust.pem", "broken");
    clock.spend(minute);
    drop(ask().0);
    not_yet(minute);
    clock.spend(minute);
    ask().0.pop().unwrap().run().unwrap();
    assert!(trusts(&context, &of_new));
    folder.write("trust.pem", &old.pem());
    clock.spend(minute);
    ask().0.pop().unwrap().run().unwrap();
    assert!(trusts(&context, &of_old));
}

#[test]
fn without_files_or_an_interval_there_is_nothing_to_look_at() {
    let folder = Folder::new("tls-never");
    let pem = TestAuthority::new("root").pem();
    let context = context_of(&[("ssl.truststore.certificates", &pem)]).unwrap();
    assert!(context.look_again().is_none());
    context.reload().unwrap();
    let path = folder.write("trust.pem", &pem);
    let never = context_of(&[("ssl.truststore.location", &path), ("ssl.reload.interval.ms", "0")]).unwrap();
    let usual = context_of(&[("ssl.truststore.location", &path)]).unwrap();
    let now = stage::now();
    let later = now + Duration::from_secs(1_000_000);
    for context in [context, never] {
        assert!(context.upkeep(later).work.is_empty() && context.upkeep(later).next.is_none());
    }
    let next = usual.upkeep(now).next.unwrap();
    assert!(next <= now + Duration::from_secs(300) && next > now + Duration::from_secs(200));
}

/// The files stay as they are, and what was wrong with them passes.
/// Behaviour 99.
#[test]
fn what_could_not_be_used_for_a_while_is_used_then_though_it_has_not_changed() {
    const JANUARY_2024_MS: i64 = 1_704_067_200_000;
    let (at_first, much_later) = (JANUARY_2024_MS, 20 * 365 * 86_400_000);
    let clock = Clock::new(Instant::now(), at_first);
    let _stage = stage::enter(Role { clock: clock.clone(), baton: None });
    let folder = Folder::new("tls-passing");
    let clients = TestAuthority::new("clients");
    let brokers = TestAuthority::new("brokers");
    let certify = |name: &str| {
        let mut params = params(&[name], name);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let own = clients.certify_as(params);
        (format!("{}{}", own.key_pem(), own.pem), own.der)
    };
    let ((first, first_der), (second, second_der)) = (certify("first"), certify("second"));
    let key = folder.write("key.pem", &first);
    let context =
        context_of(&[("ssl.truststore.certificates", &brokers.pem()), ("ssl.keystore.location", &key)])
            .unwrap();
    let server = server_config(&brokers.certify(&["kafka"]), &[], Some(&clients), &BOTH);
    let shown = || {
        context.look_again().unwrap().run().unwrap();
        let mut pair = ConnectedPair::new(&context, "kafka", &server);
        pair.travel(1000).unwrap();
        pair.server.peer_certificates().unwrap()[0].clone().into_owned()
    };
    assert_eq!(shown(), first_der);
    // This machine's clock is wrong when the new file comes.
    clock.jump(much_later);
    folder.write("key.pem", &second);
    context.look_again().unwrap().run().unwrap();
    clock.jump(-much_later);
    assert_eq!(shown(), second_der);
}

/// What was read late, of files as they were early.
#[test]
fn what_was_read_earlier_does_not_take_the_place_of_what_was_read_later() {
    let folder = Folder::new("tls-order");
    let [old, new, newest] = ["old", "new", "newest"].map(TestAuthority::new);
    let of_newest = server_config(&newest.certify(&["kafka"]), &[], None, &BOTH);
    let path = folder.write("trust.pem", &old.pem());
    let context = context_of(&[("ssl.truststore.location", &path)]).unwrap();
    for late in [new.pem(), String::from("broken")] {
        folder.write("trust.pem", &late);
        let reading = context.find_news().unwrap();
        folder.write("trust.pem", &newest.pem());
        context.take_news();
        context.settle(reading);
        ConnectedPair::new(&context, "kafka", &of_newest).travel(1000).unwrap();
        assert!(context.find_news().is_none());
    }
}

/// A file system that hangs: nobody waits for it for long, and no thread is added to those that do.
#[test]
fn a_look_that_comes_to_no_end_keeps_nobody_from_connecting_with_what_was_before() {
    let clock = Clock::new(Instant::now(), 1_700_000_000_000);
    let _stage = stage::enter(Role { clock: clock.clone(), baton: None });
    let folder = Folder::new("tls-hanging");
    let (old, new) = (TestAuthority::new("old"), TestAuthority::new("new"));
    let [of_old, of_new] =
        [&old, &new].map(|authority| server_config(&authority.certify(&["kafka"]), &[], None, &BOTH));
    let path = folder.write("trust.pem", &old.pem());
    let pairs = [("ssl.truststore.location", path.as_str()), ("ssl.reload.interval.ms", "60000")];
    let context = context_of(&pairs).unwrap();
    let hanging = context.look_again().unwrap();
    clock.spend(Duration::from_secs(4));
    connect(&context, &of_old).unwrap();
    clock.spend(Duration::from_secs(1));
    folder.write("trust.pem", &new.pem());
    assert!(context.look_again().is_none());
    clock.spend(Duration::from_secs(600));
    assert!(context.look_again().is_none() && context.upkeep(stage::now()).work.is_empty());
    ConnectedPair::new(&context, "kafka", &of_old).travel(1000).unwrap();
    // It goes on, and finds what is there now.
    hanging.run().unwrap();
    ConnectedPair::new(&context, "kafka", &of_new).travel(1000).unwrap();
    connect(&context, &of_new).unwrap();
}
