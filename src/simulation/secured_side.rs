//! `SecuredSide`: TLS and SASL at the brokers' side of the network, and what goes wrong with them.
//!
//! Owns: what becomes of each step, which connection is to break where, which work is held back. Must not know: what is
//! right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kafka_embedded::{CertificateOptions, ClusterRules, TlsEnd};

use crate::error::Error;
use crate::network::{BackgroundWork, ChannelBuilder, HandshakeStep, Job, TransportLayer, Upkeep};
use crate::simulation::identity::ClientIdentity;
use crate::simulation::secured_setup::{SecuredSetup, good_certificate};
use crate::simulation::security_step::{SecurityStep, ShownCertificate, TravelWay, WorkMood};
use crate::simulation::tls_line::{LayerLog, ObservedLayer};
use crate::stage::Clock;

/// The layer that was made last, and belongs to the next connection.
pub(super) type NewestLayer = Arc<Mutex<Option<LayerLog>>>;

pub(super) struct SecuredSide {
    setup: SecuredSetup,
    clock: Clock,
    newest: NewestLayer,
    /// Where connections to come are to break.
    cuts: Vec<(i32, TravelWay, usize)>,
    shown: ShownCertificate,
    /// When that certificate ends, by clocks on walls since 1970.
    shown_until: Option<Duration>,
    work: WorkMood,
    held: Vec<Job>,
    counts: BTreeMap<String, u64>,
}

impl SecuredSide {
    pub(super) fn new(setup: SecuredSetup, clock: &Clock, newest: NewestLayer) -> SecuredSide {
        SecuredSide {
            setup,
            clock: clock.clone(),
            newest,
            cuts: Vec::new(),
            shown: ShownCertificate::Good,
            shown_until: None,
            work: WorkMood::Prompt,
            held: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Carries out what needs no connection; gives back the broker whose connections are to take new keys.
    pub(super) fn carry_out(&mut self, step: SecurityStep, rules: &mut ClusterRules) -> Option<i32> {
        let identity = &self.setup.identity;
        match step {
            SecurityStep::Tls(fault) => self.setup.tls.iter().for_each(|tls| tls.inject(fault.clone())),
            SecurityStep::CutAt(broker, way, bytes) => self.cuts.push((broker, way, bytes)),
            SecurityStep::NewKeys(broker) => return Some(broker),
            SecurityStep::Certificate(shown) => self.show(shown),
            SecurityStep::Work(mood) => self.work = mood,
            SecurityStep::Tokens(mood) => identity.set_mood(mood),
            SecurityStep::Revoke => identity.revoke(),
            SecurityStep::BrokersPassword(password) => rules.set_user(ClientIdentity::USER, password),
            SecurityStep::OwnPassword(password) => identity.set_password(password),
        }
        None
    }

    /// Nothing goes wrong any more: gives back the work that was held back.
    pub(super) fn calm(&mut self, rules: &mut ClusterRules) -> Vec<Job> {
        self.setup.tls.iter().for_each(|tls| tls.clear_faults());
        self.cuts.clear();
        self.show(ShownCertificate::Good);
        self.work = WorkMood::Prompt;
        self.setup.identity.calm();
        if self.setup.mechanism.is_some() {
            rules.set_user(ClientIdentity::USER, ClientIdentity::PASSWORDS[0]);
        }
        std::mem::take(&mut self.held)
    }

    /// The program is no more: nobody waits for its work.
    pub(super) fn crashed(&mut self) {
        self.held.clear();
    }

    fn show(&mut self, shown: ShownCertificate) {
        let Some(tls) = self.setup.tls.as_ref().filter(|_| shown != self.shown) else { return };
        self.shown = shown;
        self.shown_until = None;
        let options = match shown {
            ShownCertificate::Good => good_certificate(),
            ShownCertificate::Expired => good_certificate().expired(),
            ShownCertificate::OfAStranger => good_certificate().by_another_authority(),
            ShownCertificate::OfAnother => CertificateOptions::for_names(["another-broker"]),
            ShownCertificate::Ends(later) => {
                let until = Duration::from_secs((self.wall() + later).as_secs());
                self.shown_until = Some(until);
                good_certificate().valid_until(until)
            }
        };
        tls.replace_certificate(&options).expect("sound names");
    }

    fn wall(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.clock.wall_ms()).unwrap_or(0))
    }

    /// The layer that the connection has which is begun now.
    pub(super) fn take_layer(&mut self) -> Option<LayerLog> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where a new connection to this broker breaks.
    pub(super) fn take_cut(&mut self, broker: i32) -> Option<(TravelWay, usize)> {
        let place = self.cuts.iter().position(|(other, ..)| *other == broker)?;
        let (_, way, bytes) = self.cuts.remove(place);
        Some((way, bytes))
    }

    /// A broker accepts a connection: its end, and whether what it shows of itself is not good.
    pub(super) fn accept(&mut self, broker: i32) -> Option<(TlsEnd, bool)> {
        let end = self.setup.tls.as_ref()?.accept(broker);
        let is_impostor = match self.shown {
            ShownCertificate::Good => false,
            ShownCertificate::Ends(_) => self.shown_until.is_some_and(|until| self.wall() > until + SECOND),
            _ => true,
        };
        if is_impostor {
            let shown = format!("{:?}", self.shown);
            self.count(format!("shown {}", shown.split('(').next().unwrap_or_default()));
        }
        Some((end, is_impostor))
    }

    /// How much later than it would be work in the background is done; none: not for now.
    pub(super) fn work_delay(&mut self) -> Option<Duration> {
        match self.work {
            WorkMood::Prompt => Some(Duration::ZERO),
            WorkMood::Late(by) => {
                self.count("work late".to_owned());
                Some(by)
            }
            WorkMood::Never => None,
        }
    }

    pub(super) fn hold_back(&mut self, job: Job) {
        self.count("work held back".to_owned());
        self.held.push(job);
    }

    /// Counts that something has come about.
    pub(super) fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// What has come about, and how often.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.counts.clone();
        let faults = self.setup.tls.iter().flat_map(|tls| tls.faults_acted());
        counts.extend(faults.map(|(name, count)| (format!("TLS {name}"), count)));
        let tokens = self.setup.identity.counts();
        counts.extend(tokens.into_iter().map(|(name, count)| (name.to_owned(), count)));
        counts
    }
}

/// The client's channels, of whose layers is noted what they do.
#[derive(Debug)]
pub(super) struct ObservedChannels {
    pub(super) channels: Arc<dyn ChannelBuilder>,
    pub(super) newest: NewestLayer,
}

impl ChannelBuilder for ObservedChannels {
    fn prepare(&self) -> Option<BackgroundWork> {
        self.channels.prepare()
    }

    fn transport_layer(&self, host: &str) -> Result<Option<Box<dyn TransportLayer>>, Error> {
        let layer = self.channels.transport_layer(host)?;
        let log = LayerLog::default();
        let observed = |layer| Box::new(ObservedLayer { layer, log: log.clone() }) as Box<dyn TransportLayer>;
        let observed = layer.map(observed);
        let newest = observed.is_some().then_some(log);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(observed)
    }

    fn authentication(&self, host: &str) -> Vec<Box<dyn HandshakeStep>> {
        self.channels.authentication(host)
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        self.channels.upkeep(now)
    }
}

const SECOND: Duration = Duration::from_secs(1);
