//! `RefreshingLogin`: one credential that all connections share, fetched in the background, and anew before it ends.
//!
//! Owns: who is to fetch when, and what is said to those who wait. Must not know: what a credential is, where it comes
//! from, connections.
//! Threads: the sender asks; a worker fetches, one at a time. Locks: its own, for a moment; nothing is fetched under it.
//! Holds: whoever waits is told how it ended; a fetch that failed is not repeated before the backoff is over; what is
//! still good is used while nothing newer is to be had.
//! Source: Java's `ExpiringCredentialRefreshingLogin`, which has a thread for it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::refresh_time::{AGAIN_AFTER_FAILURE, Lifetime, RefreshRules};
use crate::backoff::ExponentialBackoff;
use crate::catch_panic::catch_panic;
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::network::{BackgroundWork, Upkeep};
use crate::planted::{Defect, planted};
use crate::stage;
use crate::sync::Mutex;

/// Something by which brokers know us, for a while.
pub(crate) trait ExpiringCredential: Send + Sync + 'static {
    /// From when to when it is good.
    fn lifetime(&self) -> Lifetime;
}

/// Where credentials come from. Called on a worker's thread, and may take its time.
pub(crate) trait CredentialSource<C>: Send + Sync {
    /// Fetches one.
    fn fetch(&self) -> Result<C, NoCredential>;
}

/// Why there is none.
#[derive(Debug)]
pub(crate) struct NoCredential {
    pub(crate) text: String,
    /// Nothing that may pass: the same would be refused again.
    pub(crate) is_final: bool,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// One credential for all connections.
pub(crate) struct RefreshingLogin<C> {
    /// What it is called in messages: `a token for OAUTHBEARER`.
    what: &'static str,
    source: Box<dyn CredentialSource<C>>,
    rules: RefreshRules,
    retry: ExponentialBackoff,
    state: Mutex<LoginState<C>>,
}

struct LoginState<C> {
    held: Option<Held<C>>,
    is_fetching: bool,
    /// The last fetch failed.
    failure: Option<FailedFetch>,
    has_succeeded: bool,
    random: fastrand::Rng,
}

struct Held<C> {
    credential: Arc<C>,
    usable_until: Option<Moment>,
    refresh_at: Option<Moment>,
}

/// A time by two clocks: that on the wall may be set, and the other stands still while the machine sleeps.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: SystemTime,
    /// None: so late that it never comes.
    running: Option<Instant>,
}

impl Moment {
    fn now() -> Moment {
        Moment { wall: stage::wall(), running: Some(stage::now()) }
    }

    /// The moment when the clock on the wall will show this, if nobody sets it.
    fn at(self, wall: SystemTime) -> Moment {
        let later = wall.duration_since(self.wall).unwrap_or_default();
        Moment { wall, running: self.running.and_then(|running| running.checked_add(later)) }
    }

    /// How long it is from that one to this, by the clock that gets there first.
    fn since(self, earlier: Moment) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        let running =
            self.running.zip(earlier.running).map(|(end, start)| end.saturating_duration_since(start));
        running.map_or(wall, |running| running.min(wall))
    }
}

struct FailedFetch {
    error: Error,
    count: u32,
    not_before: Instant,
}

/// What a login says to whoever needs a credential.
#[derive(Debug)]
pub(crate) enum LoginReply<C> {
    /// Here it is.
    Has(Arc<C>),
    /// It is being fetched, or is to be, by this work.
    Wait(Option<BackgroundWork>),
}

impl<C: ExpiringCredential> RefreshingLogin<C> {
    pub(crate) fn new(
        what: &'static str,
        source: Box<dyn CredentialSource<C>>,
        rules: RefreshRules,
        retry: ExponentialBackoff,
    ) -> Arc<Self> {
        let state = LoginState {
            held: None,
            is_fetching: false,
            failure: None,
            has_succeeded: false,
            random: fastrand::Rng::new(),
        };
        Arc::new(RefreshingLogin { what, source, rules, retry, state: Mutex::new(state) })
    }

    /// The credential, if it is there; otherwise it is fetched. An error where that has just failed.
    pub(crate) fn credential(self: &Arc<Self>) -> Result<LoginReply<C>, Error> {
        let (now, moment) = (stage::now(), Moment::now());
        let mut state = self.state.lock();
        if let Some(held) = state.held.as_ref().filter(|held| held.is_usable(moment)) {
            return Ok(LoginReply::Has(held.credential.clone()));
        }
        if state.is_fetching {
            return Ok(LoginReply::Wait(None));
        }
        if let Some(failure) = state.failure.as_ref().filter(|failure| failure.not_before > now) {
            return Err(failure.error.clone());
        }
        state.is_fetching = true;
        drop(state);
        Ok(LoginReply::Wait(Some(self.work())))
    }

    /// Brokers refused this one: the next connection needs another.
    pub(crate) fn refused(&self, credential: &Arc<C>) {
        if planted(Defect::RefusedTokensStay) {
            return;
        }
        let mut state = self.state.lock();
        let is_it = |held: &Held<C>| Arc::ptr_eq(&held.credential, credential);
        let gone = if state.held.as_ref().is_some_and(is_it) { state.held.take() } else { None };
        drop(state);
        drop(gone);
    }

    /// What is to be done now so that the credential does not end unnoticed, and when to ask again.
    pub(crate) fn upkeep(self: &Arc<Self>, now: Instant) -> Upkeep {
        let moment = Moment::now();
        let mut state = self.state.lock();
        let due = state.held.as_ref().and_then(|held| held.refresh_at);
        let Some(due) = due.filter(|_| !state.is_fetching) else { return Upkeep::default() };
        let left = due.since(moment);
        if left.is_zero() {
            state.is_fetching = true;
            drop(state);
            return Upkeep { work: vec![self.work()], next: None };
        }
        // The clock on the wall may be set: it is looked at again before long.
        Upkeep { work: Vec::new(), next: Some(now + left.min(LONGEST_LOOK_AWAY)) }
    }

    /// The work of fetching. Whoever makes it has set `is_fetching`.
    fn work(self: &Arc<Self>) -> BackgroundWork {
        let ticket = FetchTicket(Some(self.clone()));
        BackgroundWork::new(self.what, move || {
            let mut ticket = ticket;
            if let Some(login) = ticket.0.take() {
                login.fetch();
            }
        })
    }

    /// Fetches, on a worker's thread.
    fn fetch(&self) {
        let fetched = catch_panic(|| self.source.fetch()).unwrap_or_else(|| {
            let text = "what fetches it has panicked".to_owned();
            Err(NoCredential { text, is_final: false, source: None })
        });
        let (now, moment) = (stage::now(), Moment::now());
        match fetched {
            Ok(credential) => self.fetched(credential, moment),
            Err(reason) => self.failed(reason, now, moment),
        }
    }

    fn fetched(&self, credential: C, moment: Moment) {
        let wall = moment.wall;
        let lifetime = credential.lifetime();
        let over = lifetime.ends.and_then(|ends| wall.duration_since(ends).ok());
        let mut state = self.state.lock();
        let chance = state.random.f64();
        let held = Held {
            credential: Arc::new(credential),
            // What is over by our clock is for the broker to refuse, whose clock may be right.
            usable_until: lifetime.ends.map(|ends| moment.at(ends.max(wall + AGAIN_AFTER_FAILURE))),
            refresh_at: self.rules.refresh_at(lifetime, wall, chance).map(|wall| moment.at(wall)),
        };
        let before = state.held.replace(held);
        state.is_fetching = false;
        state.failure = None;
        state.has_succeeded = true;
        drop(state);
        drop(before);
        match over.filter(|over| !over.is_zero()) {
            Some(over) => logging::warn!(
                "{} was fetched that ended {} s ago by this machine's clock: brokers are likely to refuse it; are the \
                 clocks right?",
                self.what,
                over.as_secs()
            ),
            None => logging::debug!("{} was fetched", self.what),
        }
    }

    fn failed(&self, reason: NoCredential, now: Instant, moment: Moment) {
        let NoCredential { text, is_final, source } = reason;
        let mut state = self.state.lock();
        state.is_fetching = false;
        // What has worked before is likely to work again, as a connection that was lost.
        let passes = state.has_succeeded && !is_final;
        let kind = if passes { ErrorKind::Network } else { ErrorKind::Authentication };
        let error = Error::new(kind, format!("no {}: {text}", self.what.trim_start_matches("a ")));
        let error = match source {
            Some(source) => error.with_source(source),
            None => error,
        };
        let count = state.failure.as_ref().map_or(0, |failure| failure.count.saturating_add(1));
        let not_before = now + self.retry.after(count, &mut state.random);
        state.failure = Some(FailedFetch { error: error.clone(), count, not_before });
        let is_usable = state.held.as_ref().is_some_and(|held| held.is_usable(moment));
        if let Some(held) = state.held.as_mut() {
            held.refresh_at = Some(moment.at(moment.wall + AGAIN_AFTER_FAILURE));
        }
        drop(state);
        if is_usable {
            logging::warn!("{error}; the one that is there is used until it ends");
        }
    }
}

impl<C> Held<C> {
    fn is_usable(&self, moment: Moment) -> bool {
        self.usable_until.is_none_or(|until| !until.since(moment).is_zero()) || planted(Defect::OldTokens)
    }
}

/// Nothing of what it holds.
impl<C> fmt::Debug for RefreshingLogin<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefreshingLogin").field(&self.what).finish()
    }
}

/// The duty to fetch: where the work is never done, somebody else may.
struct FetchTicket<C: ExpiringCredential>(Option<Arc<RefreshingLogin<C>>>);

impl<C: ExpiringCredential> Drop for FetchTicket<C> {
    fn drop(&mut self) {
        if let Some(login) = self.0.take() {
            login.state.lock().is_fetching = false;
        }
    }
}

impl NoCredential {
    /// Something that may pass.
    pub(crate) fn passing(text: impl Into<String>) -> NoCredential {
        NoCredential { text: text.into(), is_final: false, source: None }
    }

    /// Something that does not.
    pub(crate) fn lasting(text: impl Into<String>) -> NoCredential {
        NoCredential { text: text.into(), is_final: true, source: None }
    }
}

/// The clock on the wall may be set, and the machine may have slept.
const LONGEST_LOOK_AWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex as StdMutex;

    use super::*;
    use crate::network::Job;
    use crate::stage::{Clock, Role};

    #[derive(Debug)]
    struct Ticket(u32, Lifetime);

    impl ExpiringCredential for Ticket {
        fn lifetime(&self) -> Lifetime {
            self.1
        }
    }

    /// What is fetched, one after another; none: a panic.
    type Given = VecDeque<Option<Result<Ticket, NoCredential>>>;

    impl CredentialSource<Ticket> for StdMutex<Given> {
        fn fetch(&self) -> Result<Ticket, NoCredential> {
            let next = self.lock().unwrap().pop_front().expect("nothing more is fetched");
            next.expect("on purpose")
        }
    }

    const RULES: RefreshRules = RefreshRules {
        window_factor: 0.8,
        window_jitter: 0.0,
        min_period: Duration::from_secs(60),
        buffer: Duration::from_secs(300),
    };

    fn login(
        given: Vec<Option<Result<Ticket, NoCredential>>>,
        retry: Duration,
    ) -> Arc<RefreshingLogin<Ticket>> {
        let source = StdMutex::new(Given::from(given));
        RefreshingLogin::new("a ticket", Box::new(source), RULES, ExponentialBackoff::new(retry, retry))
    }

    fn lasts(number: u32, seconds: u64) -> Option<Result<Ticket, NoCredential>> {
        let ends = Some(SystemTime::now() + Duration::from_secs(seconds));
        Some(Ok(Ticket(number, Lifetime { starts: None, ends })))
    }

    fn fails(text: &str) -> Option<Result<Ticket, NoCredential>> {
        Some(Err(NoCredential::passing(text)))
    }

    fn work(login: &Arc<RefreshingLogin<Ticket>>) -> BackgroundWork {
        match login.credential() {
            Ok(LoginReply::Wait(Some(work))) => work,
            other => panic!("{other:?}"),
        }
    }

    fn number(login: &Arc<RefreshingLogin<Ticket>>) -> u32 {
        match login.credential() {
            Ok(LoginReply::Has(ticket)) => ticket.0,
            other => panic!("{other:?}"),
        }
    }

    fn run(work: BackgroundWork) {
        Job::Work(work).run();
    }

    /// Behaviour 108.
    #[test]
    fn one_fetches_and_all_others_wait_and_then_all_have_it() {
        let login = login(vec![lasts(1, 3600)], Duration::ZERO);
        let work = work(&login);
        assert!(matches!(login.credential(), Ok(LoginReply::Wait(None))));
        run(work);
        assert_eq!((number(&login), number(&login)), (1, 1));
        let next = login.upkeep(Instant::now());
        assert!(next.work.is_empty() && next.next.is_some(), "it is looked after");
    }

    #[test]
    fn a_failure_is_told_until_the_backoff_is_over_and_then_it_is_tried_again() {
        let login = login(vec![fails("nobody there"), lasts(2, 3600)], Duration::from_millis(50));
        run(work(&login));
        for _ in 0..2 {
            let error = login.credential().unwrap_err();
            assert_eq!(error.to_string(), "no ticket: nobody there");
        }
        std::thread::sleep(Duration::from_millis(60));
        run(work(&login));
        assert_eq!(number(&login), 2);
    }

    #[test]
    fn what_has_worked_before_fails_as_a_lost_connection_unless_it_is_final() {
        let login = login(
            vec![lasts(1, 3600), fails("down"), Some(Err(NoCredential::lasting("wrong password"))), None],
            Duration::ZERO,
        );
        run(work(&login));
        let LoginReply::Has(ticket) = login.credential().unwrap() else { panic!() };
        login.refused(&ticket);
        let mut kinds = Vec::new();
        for _ in 0..3 {
            run(work(&login));
            let state = login.state.lock();
            let failure = state.failure.as_ref().unwrap();
            kinds.push((failure.error.kind(), failure.error.to_string()));
        }
        let [(first, _), (second, text), (third, panic)] = &kinds[..] else { panic!() };
        assert_eq!((*first, *second), (ErrorKind::Network, ErrorKind::Authentication));
        assert_eq!((text.as_str(), *third), ("no ticket: wrong password", ErrorKind::Network));
        assert!(panic.contains("has panicked"), "{panic}");
    }

    #[test]
    fn it_is_fetched_anew_in_time_and_the_old_one_serves_while_that_fails() {
        let login = login(vec![lasts(1, 3600), fails("down"), lasts(2, 3600)], Duration::ZERO);
        run(work(&login));
        let due = |login: &Arc<RefreshingLogin<Ticket>>| {
            login.state.lock().held.as_mut().unwrap().refresh_at = Some(Moment::now());
            login.upkeep(Instant::now()).work.pop().unwrap()
        };
        let refresh = due(&login);
        assert!(login.upkeep(Instant::now()).work.is_empty(), "one at a time");
        run(refresh);
        assert_eq!(number(&login), 1);
        let next = login.upkeep(Instant::now());
        assert!(next.work.is_empty() && next.next.is_some(), "not at once");
        run(due(&login));
        assert_eq!(number(&login), 2);
    }

    #[test]
    fn what_is_over_is_not_used_and_what_comes_over_is_left_to_the_broker() {
        let login = login(vec![lasts(1, 3600), lasts(2, 0)], Duration::ZERO);
        run(work(&login));
        login.state.lock().held.as_mut().unwrap().usable_until = Some(Moment::now());
        run(work(&login));
        assert_eq!(number(&login), 2);
    }

    /// The clock was a day fast when it was fetched, and was set right then.
    #[test]
    fn a_clock_that_is_set_back_makes_nothing_last_longer() {
        let clock = Clock::new(Instant::now(), 1_700_000_000_000);
        let _stage = stage::enter(Role { clock: clock.clone(), baton: None });
        let true_time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let ticket = |number| {
            let ends = Some(true_time + Duration::from_secs(3_600));
            Some(Ok(Ticket(number, Lifetime { starts: None, ends })))
        };
        let login = login(vec![ticket(1), ticket(2)], Duration::ZERO);
        clock.jump(86_400_000);
        run(work(&login));
        clock.jump(-86_400_000);
        assert_eq!(number(&login), 1);
        let next = login.upkeep(stage::now()).next.unwrap();
        assert!(next <= stage::now() + AGAIN_AFTER_FAILURE, "it seemed to be over");
        clock.spend(AGAIN_AFTER_FAILURE);
        run(work(&login));
        assert_eq!(number(&login), 2);
        clock.spend(Duration::from_secs(3_589));
        assert_eq!(number(&login), 2);
    }

    #[test]
    fn work_that_is_never_done_leaves_the_duty_to_the_next() {
        let login = login(vec![lasts(1, 3600)], Duration::ZERO);
        drop(work(&login));
        run(work(&login));
        assert_eq!(number(&login), 1);
    }
}
