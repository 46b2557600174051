//! `GssExchange`: what GSSAPI says to a broker: our ticket for it, and that no layer of SASL follows.
//!
//! Owns: the order of the messages. Must not know: where tickets come from, Kafka's requests.
//! Threads: the sender's; tickets are bought in the background. Holds: nothing is agreed to before the broker has proved
//! that it has the key of the service's name (mutual authentication).
//! Source: RFC 4752, 3.1; RFC 4121; JDK's `GssKrb5Client`.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use krb5::initiator::{GSS_C_INTEG_FLAG, GSS_C_MUTUAL_FLAG, GSS_C_REPLAY_FLAG, GSS_C_SEQUENCE_FLAG};
use krb5::{Credentials, InitiatorContext};

use super::security_layer;
use super::tickets::{NoTicket, Tickets};
use crate::catch_panic::catch_panic;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::network::Upkeep;
use crate::security::sasl::mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
use crate::security::sasl::pending::Pending;
use crate::security::sasl::refreshing_login::{LoginReply, RefreshingLogin};

/// GSSAPI, with one login for all connections.
#[derive(Debug)]
pub(crate) struct Gssapi {
    login: Arc<RefreshingLogin<Tickets>>,
    /// The brokers' name in Kerberos: `kafka` of `kafka/host@REALM`.
    service: Arc<str>,
}

impl Gssapi {
    pub(super) fn new(login: Arc<RefreshingLogin<Tickets>>, service: &str) -> Gssapi {
        Gssapi { login, service: Arc::from(service) }
    }
}

impl Mechanisms for Gssapi {
    fn name(&self) -> &'static str {
        GSSAPI
    }

    fn begin(&self, host: &str) -> Result<Box<dyn Mechanism>, Error> {
        let (login, service) = (Arc::clone(&self.login), Arc::clone(&self.service));
        Ok(Box::new(GssExchange { login, service, host: Arc::from(host), stage: GssStage::Login }))
    }

    fn upkeep(&self, now: Instant) -> Upkeep {
        self.login.upkeep(now)
    }
}

struct GssExchange {
    login: Arc<RefreshingLogin<Tickets>>,
    service: Arc<str>,
    host: Arc<str>,
    stage: GssStage,
}

/// How far it is.
enum GssStage {
    /// Needs a ticket to buy others with.
    Login,
    /// One for the broker is being bought.
    Buying(Arc<Tickets>, Pending<Result<Arc<Credentials>, NoTicket>>),
    /// The broker has our ticket, and has to prove that it could read it.
    Shown(Box<Shown>),
    /// It has, and offers a security layer next.
    Believed(Box<Shown>),
    /// All is said.
    Over(Arc<Tickets>),
    Failed,
}

/// What was said with which ticket.
struct Shown {
    tickets: Arc<Tickets>,
    context: InitiatorContext,
    /// Whose ticket it is.
    principal: String,
}

impl Mechanism for GssExchange {
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
        match std::mem::replace(&mut self.stage, GssStage::Failed) {
            GssStage::Login => self.begin(),
            GssStage::Buying(tickets, pending) => match pending.take() {
                None => {
                    self.stage = GssStage::Buying(tickets, pending);
                    Ok(MechanismReply::Wait(None))
                }
                Some(bought) => match bought? {
                    Ok(ticket) => self.show(tickets, &ticket),
                    Err(NoTicket { error, is_over }) => {
                        if is_over {
                            self.login.refused(&tickets);
                        }
                        Err(error)
                    }
                },
            },
            GssStage::Shown(mut shown) => {
                let context = &mut shown.context;
                guarded("the broker's proof", || context.step(challenge).map_err(|error| error.to_string()))?;
                self.stage = GssStage::Believed(shown);
                Ok(MechanismReply::Continue(SaslToken::from(Vec::new())))
            }
            GssStage::Believed(shown) => {
                let answer = guarded("the broker's offer", || answer(&shown, challenge))?;
                self.stage = GssStage::Over(shown.tickets);
                Ok(MechanismReply::Last(SaslToken::from(answer)))
            }
            GssStage::Over(_) | GssStage::Failed => {
                Err(Error::new(ErrorKind::Bug, format!("{GSSAPI} is asked after its end")))
            }
        }
    }

    fn refused(&mut self) {
        // The service's key may have changed since the ticket was bought.
        if let GssStage::Shown(shown) | GssStage::Believed(shown) = &self.stage {
            shown.tickets.forget(&self.host);
        } else if let GssStage::Over(tickets) = &self.stage {
            tickets.forget(&self.host);
        }
    }
}

impl GssExchange {
    /// Shows the ticket for the broker, or has it bought first.
    fn begin(&mut self) -> Result<MechanismReply, Error> {
        let tickets = match self.login.credential()? {
            LoginReply::Wait(work) => {
                self.stage = GssStage::Login;
                return Ok(MechanismReply::Wait(work));
            }
            LoginReply::Has(tickets) => tickets,
        };
        if let Some(ticket) = tickets.kept(&self.host) {
            return self.show(tickets, &ticket);
        }
        let (buyer, service, host) =
            (Arc::clone(&tickets), Arc::clone(&self.service), Arc::clone(&self.host));
        let (pending, work) =
            Pending::begin("a Kerberos ticket for a broker", move || Ok(buyer.buy(&service, &host)));
        self.stage = GssStage::Buying(tickets, pending);
        Ok(MechanismReply::Wait(Some(work)))
    }

    fn show(&mut self, tickets: Arc<Tickets>, ticket: &Credentials) -> Result<MechanismReply, Error> {
        let flags = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;
        let made = || InitiatorContext::new(ticket, flags).map_err(|error| error.to_string());
        let (context, message) = guarded("the ticket for the broker", made)?;
        let principal = ticket.client.to_string();
        self.stage = GssStage::Shown(Box::new(Shown { tickets, context, principal }));
        Ok(MechanismReply::Continue(SaslToken::from(message)))
    }
}

/// What is said to the offer of a security layer.
fn answer(shown: &Shown, offer: &[u8]) -> Result<Vec<u8>, String> {
    let Shown { context, principal, .. } = shown;
    let tokens = context.per_message_tokens().map_err(|error| error.to_string())?;
    let offer = tokens.verify_wrap_unsealed(offer).map_err(|error| error.to_string())?;
    let expected = context.recv_seq().unwrap_or(0);
    if offer.seq != expected {
        return Err(format!("it has the number {}, and {expected} is next", offer.seq));
    }
    let answer = security_layer::answer(&offer.message, principal)?;
    tokens.emit_wrap_unsealed(context.send_seq(), &answer, 0).map_err(|error| error.to_string())
}

/// Something that reads a stranger's bytes.
fn guarded<T>(what: &str, read: impl FnOnce() -> Result<T, String>) -> Result<T, Error> {
    let read = catch_panic(read).unwrap_or_else(|| Err("reading it has panicked".to_owned()));
    read.map_err(|why| {
        Error::new(
            ErrorKind::Authentication,
            format!("{GSSAPI}: {what} is not to be believed: {}", Escaped(&why)),
        )
    })
}

/// How far it is, and no key.
impl fmt::Debug for GssExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            GssStage::Login => "Login",
            GssStage::Buying(..) => "Buying",
            GssStage::Shown(_) => "Shown",
            GssStage::Believed(_) => "Believed",
            GssStage::Over(_) => "Over",
            GssStage::Failed => "Failed",
        };
        f.debug_tuple("GssExchange").field(&self.host).field(&stage).finish()
    }
}

/// The mechanism's name.
const GSSAPI: &str = "GSSAPI";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use krb5::{KdcClient, KerberosContext, Krb5Conf};

    use super::super::test_realm::{REALM, TestRealm};
    use super::*;
    use crate::backoff::ExponentialBackoff;
    use crate::network::Job;
    use crate::security::sasl::refresh_time::RefreshRules;
    use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

    /// Tickets of a KDC that does not answer, with one for `broker`.
    struct Given(Arc<TestRealm>);

    impl CredentialSource<Tickets> for Given {
        fn fetch(&self) -> Result<Tickets, NoCredential> {
            let tickets = self.0.tickets(KdcClient::new(REALM, ["127.0.0.1:1"]), Krb5Conf::empty());
            Ok(tickets.with("broker", self.0.service_ticket()))
        }
    }

    fn mechanism(realm: &Arc<TestRealm>) -> Gssapi {
        let rules = RefreshRules {
            window_factor: 0.8,
            window_jitter: 0.0,
            min_period: Duration::ZERO,
            buffer: Duration::ZERO,
        };
        let retry = ExponentialBackoff::new(Duration::from_secs(60), Duration::from_secs(60));
        let source = Box::new(Given(Arc::clone(realm)));
        Gssapi::new(RefreshingLogin::new("a Kerberos ticket", source, rules, retry), "kafka")
    }

    /// What it says, once all work is done.
    fn said(exchange: &mut Box<dyn Mechanism>, challenge: &[u8]) -> Result<(Vec<u8>, bool), Error> {
        loop {
            match exchange.evaluate(challenge)? {
                MechanismReply::Wait(work) => work.into_iter().for_each(|work| drop(Job::Work(work).run())),
                MechanismReply::Continue(token) => return Ok((token.as_bytes().to_vec(), false)),
                MechanismReply::Last(token) => return Ok((token.as_bytes().to_vec(), true)),
                MechanismReply::Done => panic!("done"),
            }
        }
    }

    /// Our ticket was shown, and the broker has its own idea of who we are.
    fn shown(realm: &Arc<TestRealm>) -> (Box<dyn Mechanism>, KerberosContext, Vec<u8>) {
        let mut exchange = mechanism(realm).begin("broker").unwrap();
        let (token, _) = said(&mut exchange, b"").unwrap();
        let (context, proof) = KerberosContext::accept_token(realm.keytab(), &token).unwrap();
        (exchange, context, proof)
    }

    #[test]
    fn the_broker_learns_who_we_are_and_that_no_layer_follows() {
        let realm = Arc::new(TestRealm::new());
        let (mut exchange, context, proof) = shown(&realm);
        assert_eq!(context.client_principal, "alice@TEST.LOCAL");
        assert_eq!(context.service_principal, "kafka/broker@TEST.LOCAL");
        assert_eq!(said(&mut exchange, &proof).unwrap(), (Vec::new(), false));
        let tokens = context.per_message_tokens().unwrap();
        let offer = tokens.emit_wrap_unsealed(context.acceptor_seq.into(), &[7, 0, 255, 255], 0).unwrap();
        let (answer, is_last) = said(&mut exchange, &offer).unwrap();
        let answer = tokens.verify_wrap_unsealed(&answer).unwrap();
        assert_eq!(answer.message, b"\x01\0\0\0alice@TEST.LOCAL");
        assert!(is_last && answer.seq == u64::from(context.initiator_seq));
        assert_eq!(exchange.evaluate(b"").unwrap_err().kind(), ErrorKind::Bug);
    }

    #[test]
    fn who_cannot_read_the_ticket_is_not_believed() {
        let realm = Arc::new(TestRealm::new());
        let (_, _, of_another) = shown(&realm);
        let (mut exchange, _, proof) = shown(&realm);
        // Of another login, byte by byte changed, cut off, empty, or our own words.
        let mut tries = vec![of_another, Vec::new(), proof[..proof.len() - 1].to_vec()];
        tries.extend((0..proof.len()).map(|at| {
            let mut changed = proof.clone();
            changed[at] ^= 1;
            changed
        }));
        for proof in tries {
            let error = said(&mut exchange, &proof).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            exchange = shown(&realm).0;
        }
    }

    #[test]
    fn an_offer_is_the_brokers_own_the_next_one_and_one_without_a_layer() {
        let realm = Arc::new(TestRealm::new());
        let begun = || {
            let (mut exchange, context, proof) = shown(&realm);
            said(&mut exchange, &proof).unwrap();
            (exchange, context)
        };
        for (layers, number, words) in [(1, 1, "number"), (6, 0, "TLS"), (0, 0, "TLS")] {
            let (mut exchange, context) = begun();
            let tokens = context.per_message_tokens().unwrap();
            let number = u64::from(context.acceptor_seq) + number;
            let offer = tokens.emit_wrap_unsealed(number, &[layers, 0, 0, 0], 0).unwrap();
            let error = said(&mut exchange, &offer).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        // The two bytes that say how far the rest was turned around are nobody's secret, and nothing is wrong with a whole turn.
        for damage in (0..60).filter(|damage| !(6..8).contains(damage)) {
            let (mut exchange, context) = begun();
            let tokens = context.per_message_tokens().unwrap();
            let mut offer = tokens.emit_wrap_unsealed(context.acceptor_seq.into(), &[1, 0, 0, 0], 0).unwrap();
            match offer.get_mut(damage) {
                Some(byte) => *byte ^= 0x10,
                None => offer.truncate(damage % 32),
            }
            let error = said(&mut exchange, &offer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{damage}: {error}");
        }
    }

    #[test]
    fn a_ticket_that_a_broker_refuses_is_bought_anew() {
        let realm = Arc::new(TestRealm::new());
        let mechanism = mechanism(&realm);
        let mut exchange = mechanism.begin("broker").unwrap();
        said(&mut exchange, b"").unwrap();
        exchange.refused();
        // By a KDC that is not there.
        let error = said(&mut mechanism.begin("broker").unwrap(), b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.to_string().starts_with("no Kerberos ticket for the broker: no KDC"), "{error}");
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let realm = Arc::new(TestRealm::new());
        let (exchange, ..) = shown(&realm);
        assert_eq!(format!("{exchange:?}"), "GssExchange(\"broker\", \"Shown\")");
    }
}
