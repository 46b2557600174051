//! `SimulatedChannels`: what is spoken on connections beside the requests, in tests of the network and under simulation:
//! envelopes, and who we are.
//!
//! Owns: the steps that tests use, and whether the brokers believe them. Must not know: connections.
//! Who we are is told by asking for the broker's versions once more: a request that any broker answers at any time.

#![allow(clippy::expect_used, clippy::panic, reason = "it is for tests: what cannot go on has failed")]

mod envelopes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::network::{
    Asking, BackgroundWork, ChannelBuilder, HandshakeStep, StepAction, StepFindings, StepProgress,
    StepRequest, TransportLayer, Upkeep,
};
use crate::protocol::{ApiVersionsRequest, Request, encode_request};
use crate::sync::Mutex;

use envelopes::EnvelopeLayer;
pub(crate) use envelopes::{BrokerEnvelopes, EnvelopeReader};

/// What is spoken on connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedChannels {
    pub(crate) is_layered: bool,
    /// What the brokers think of us, where we say who we are.
    pub(crate) authority: Option<Arc<Authority>>,
}

/// What the brokers think of who we are.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    /// They do not believe us.
    pub(crate) refuses: AtomicBool,
    /// How long they believe us; none: as long as a connection stands.
    pub(crate) session: Option<Duration>,
    /// How many requests it takes.
    pub(crate) rounds: u32,
    /// There is no token before work in the background has fetched one.
    pub(crate) wants_token: bool,
    /// That work leaves none.
    pub(crate) has_no_token: bool,
    /// How often they were asked, and how often they have believed us.
    pub(crate) asked: AtomicU32,
    pub(crate) believed: AtomicU32,
    /// After how long what they know us by is renewed, beside all connections.
    pub(crate) renewed_every: Option<Duration>,
    /// There is something to be done before a connection is made.
    pub(crate) prepares: bool,
    /// A renewal panics.
    pub(crate) renewals_fail: bool,
    /// How often it was, and when it will be.
    pub(crate) renewals: Mutex<(u32, Option<Instant>)>,
}

impl SimulatedChannels {
    /// A layer, and brokers that want to know who we are, in one round or two, and again before long; sometimes that takes
    /// a token.
    pub(crate) fn layered(seed: u64) -> SimulatedChannels {
        let authority = Authority {
            session: Some(Duration::from_millis(1_000 + seed % 7 * 500)),
            rounds: 1 + (seed % 2) as u32,
            wants_token: seed.is_multiple_of(3),
            ..Authority::default()
        };
        SimulatedChannels { is_layered: true, authority: Some(Arc::new(authority)) }
    }

    /// How many requests the handshake of a connection has.
    pub(crate) fn handshake_requests(&self) -> u32 {
        1 + self.authority.as_ref().map_or(0, |authority| authority.rounds.max(1))
    }
}

impl ChannelBuilder for SimulatedChannels {
    fn transport_layer(&self, host: &str) -> Result<Option<Box<dyn TransportLayer>>, Error> {
        Ok(self.is_layered.then(|| Box::new(EnvelopeLayer::client(host)) as Box<dyn TransportLayer>))
    }

    fn prepare(&self) -> Option<BackgroundWork> {
        let prepares = self.authority.as_ref().is_some_and(|authority| authority.prepares);
        prepares.then(|| BackgroundWork::unattended("the keys", || {}))
    }

    fn authentication(&self, _host: &str) -> Vec<Box<dyn HandshakeStep>> {
        let step = |authority: &Arc<Authority>| {
            let (authority, token) = (Arc::clone(authority), Arc::default());
            Box::new(Introduction { authority, token, is_fetched: false, round: 0 }) as Box<dyn HandshakeStep>
        };
        self.authority.iter().map(step).collect()
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        let authority = self.authority.as_ref();
        let Some((authority, every)) = authority.and_then(|it| Some((it, it.renewed_every?))) else {
            return Upkeep::default();
        };
        let mut renewals = authority.renewals.lock();
        let is_due = renewals.1.is_some_and(|at| at <= now);
        let work = is_due.then(|| {
            renewals.0 += 1;
            let fails = authority.renewals_fail;
            BackgroundWork::unattended("a renewal", move || assert!(!fails, "no renewal"))
        });
        let next = renewals.1.filter(|_| !is_due).unwrap_or(now + every);
        renewals.1 = Some(next);
        Upkeep { work: work.into_iter().collect(), next: Some(next) }
    }
}

/// Says who we are.
#[derive(Debug)]
struct Introduction {
    authority: Arc<Authority>,
    token: Arc<AtomicBool>,
    is_fetched: bool,
    round: u32,
}

impl HandshakeStep for Introduction {
    fn name(&self) -> &'static str {
        "Introduction"
    }

    fn next(&mut self, asking: &Asking<'_>) -> Result<StepAction, Error> {
        if self.authority.wants_token && !self.token.load(Ordering::Relaxed) {
            let (token, comes) = (Arc::clone(&self.token), !self.authority.has_no_token);
            let work = BackgroundWork::new("a token", move || token.store(comes, Ordering::Relaxed));
            let is_first = !std::mem::replace(&mut self.is_fetched, true);
            return Ok(StepAction::Wait(is_first.then_some(work)));
        }
        let request = ApiVersionsRequest { client_software_name: "n", client_software_version: "v" };
        let spoken = asking.versions.and_then(|versions| versions.range(ApiVersionsRequest::KEY));
        let version = spoken.map_or(0, |range| (*range.end()).min(*ApiVersionsRequest::VERSIONS.end()));
        let message = encode_request(&request, version, asking.correlation_id, asking.client_id);
        Ok(StepAction::Send(StepRequest { message, version, name: "Introduction" }))
    }

    fn answered(&mut self, _frame: &[u8]) -> Result<StepProgress, Error> {
        self.authority.asked.fetch_add(1, Ordering::Relaxed);
        if self.authority.refuses.load(Ordering::Relaxed) {
            let error = Error::new(ErrorKind::Authentication, "the broker asks: who are you?");
            return Err(error.with_code(ErrorCode::SASL_AUTHENTICATION_FAILED));
        }
        self.round += 1;
        if self.round < self.authority.rounds {
            return Ok(StepProgress::Continue);
        }
        self.authority.believed.fetch_add(1, Ordering::Relaxed);
        Ok(StepProgress::Done(StepFindings { session: self.authority.session, ..StepFindings::default() }))
    }
}
