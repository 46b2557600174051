//! `SaslCredentials`: a user's name and password, and where they come from.
//!
//! Owns: reading them out of `sasl.jaas.config`, and asking those who have them otherwise. Must not know: mechanisms.
//! Threads: whoever has to be asked is asked on a worker's thread, once for each login, and by a few at a time: one that
//! never answers holds that many threads and no more.
//! Holds: the password is no text of a `Debug`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::jaas::JaasEntry;
use super::mechanism::{Mechanism, MechanismReply};
use super::pending::Pending;
use crate::catch_panic::text_of;
use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// A user's name and password, for a login by PLAIN or SCRAM.
///
/// The closure of [`KafkaProducerBuilder::sasl_credentials`](crate::KafkaProducerBuilder::sasl_credentials) returns it. Its
/// `Debug` does not show the password, and its memory is overwritten when it is dropped.
///
/// ```
/// use kafka_producer::SaslCredentials;
///
/// let credentials = SaslCredentials::new("orders", "secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SaslCredentials {
    pub(super) username: String,
    pub(super) password: Secret,
    /// The password is the HMAC of a delegation token, and the name is the token's id.
    pub(super) is_token: bool,
}

impl SaslCredentials {
    /// A name and a password. Neither may be empty or hold a NUL: a login with such a one fails.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> SaslCredentials {
        SaslCredentials {
            username: username.into(),
            password: Secret::from(password.into()),
            is_token: false,
        }
    }

    /// The id and the HMAC of a delegation token (KIP-48), for a login by SCRAM: what `tokenauth="true"` says in
    /// `sasl.jaas.config`.
    pub fn delegation_token(token_id: impl Into<String>, hmac: impl Into<String>) -> SaslCredentials {
        SaslCredentials { is_token: true, ..SaslCredentials::new(token_id, hmac) }
    }

    /// What the options of a login module say.
    pub(super) fn of(entry: &JaasEntry) -> Result<SaslCredentials, String> {
        let wanted = |name: &'static str| {
            entry.option(name).filter(|value| !value.expose().is_empty()).ok_or_else(|| {
                format!("the option {name} is missing or empty; expected is: MODULE required username=\"…\" password=\"…\";")
            })
        };
        let (username, password) = (wanted("username")?, wanted("password")?);
        let credentials = SaslCredentials {
            username: username.expose().to_owned(),
            password: password.clone(),
            is_token: entry.is_on("tokenauth"),
        };
        credentials.check()?;
        Ok(credentials)
    }

    /// Whether any broker could take them.
    fn check(&self) -> Result<(), String> {
        for (what, text) in [("name", &*self.username), ("password", self.password.expose())] {
            if text.is_empty() {
                return Err(format!("the user's {what} is empty"));
            }
            if text.contains('\0') {
                return Err(format!("the user's {what} holds a NUL, which no mechanism can say"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SaslCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslCredentials")
            .field("username", &self.username)
            .field("password", &self.password)
            .finish_non_exhaustive()
    }
}

/// What gives credentials, and may give others each time: a closure of the program, or of ours that reads a file again.
pub(crate) type AskForCredentials =
    Arc<dyn Fn() -> Result<SaslCredentials, Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// Where a login's credentials come from.
#[derive(Clone)]
pub(super) enum CredentialsSource {
    Fixed(SaslCredentials),
    Asked {
        ask: AskForCredentials,
        /// How many are asking now.
        asking: Arc<AtomicUsize>,
    },
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialsSource::Fixed(_) => "Fixed",
            CredentialsSource::Asked { .. } => "Asked",
        })
    }
}

impl CredentialsSource {
    /// They are asked for each time.
    pub(super) fn asked(ask: AskForCredentials) -> Self {
        CredentialsSource::Asked { ask, asking: Arc::default() }
    }

    /// An exchange that `make` makes of the credentials, once they are had.
    pub(super) fn begin(
        &self,
        make: impl FnOnce(SaslCredentials) -> Box<dyn Mechanism> + Send + 'static,
    ) -> Box<dyn Mechanism> {
        match self {
            CredentialsSource::Fixed(credentials) => make(credentials.clone()),
            CredentialsSource::Asked { ask, asking } => {
                let (ask, asking) = (Arc::clone(ask), Arc::clone(asking));
                Box::new(AskedExchange { ask, asking, stage: AskStage::Begin(Box::new(make)) })
            }
        }
    }
}

/// Asks, and becomes the exchange that needed it.
struct AskedExchange {
    ask: AskForCredentials,
    asking: Arc<AtomicUsize>,
    stage: AskStage,
}

type Make = Box<dyn FnOnce(SaslCredentials) -> Box<dyn Mechanism> + Send>;

enum AskStage {
    Begin(Make),
    Asked(Pending<SaslCredentials>, Make),
    Had(Box<dyn Mechanism>),
    Failed,
}

impl fmt::Debug for AskedExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedExchange")
    }
}

impl Mechanism for AskedExchange {
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
        match std::mem::replace(&mut self.stage, AskStage::Failed) {
            AskStage::Begin(make) => {
                let Some(turn) = AskingTurn::take(&self.asking) else {
                    // The end of any other's work brings this one on.
                    self.stage = AskStage::Begin(make);
                    return Ok(MechanismReply::Wait(None));
                };
                let ask = Arc::clone(&self.ask);
                let (pending, work) = Pending::begin("the credentials", move || {
                    let _turn = turn;
                    asked(&ask)
                });
                self.stage = AskStage::Asked(pending, make);
                Ok(MechanismReply::Wait(Some(work)))
            }
            AskStage::Asked(pending, make) => match pending.take() {
                None => {
                    self.stage = AskStage::Asked(pending, make);
                    Ok(MechanismReply::Wait(None))
                }
                Some(credentials) => {
                    let mut exchange = make(credentials?);
                    let reply = exchange.evaluate(challenge);
                    self.stage = AskStage::Had(exchange);
                    reply
                }
            },
            AskStage::Had(mut exchange) => {
                let reply = exchange.evaluate(challenge);
                self.stage = AskStage::Had(exchange);
                reply
            }
            AskStage::Failed => Err(Error::new(ErrorKind::Bug, "a login that has failed goes on")),
        }
    }
}

/// One of those who may ask at a time.
struct AskingTurn(Arc<AtomicUsize>);

impl AskingTurn {
    fn take(asking: &Arc<AtomicUsize>) -> Option<AskingTurn> {
        let one_more = |count: usize| (count < MOST_ASKING).then_some(count + 1);
        asking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(AskingTurn(Arc::clone(asking)))
    }
}

impl Drop for AskingTurn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many are asked at a time, each on a thread.
const MOST_ASKING: usize = 16;

/// What comes of asking, as an error of ours where it fails.
fn asked(ask: &AskForCredentials) -> Result<SaslCredentials, Error> {
    let failed = |text: String| {
        Error::new(
            ErrorKind::Authentication,
            format!("the credentials for the login could not be had: {text}"),
        )
    };
    let credentials = ask().map_err(|error| failed(text_of(&error)).with_source(error))?;
    credentials.check().map_err(failed)?;
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Says(SaslCredentials);

    impl Mechanism for Says {
        fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
            let said = [self.0.username.as_bytes(), challenge].concat();
            Ok(MechanismReply::Continue(said.into()))
        }
    }

    fn said(reply: Result<MechanismReply, Error>) -> String {
        match reply {
            Ok(MechanismReply::Continue(token)) => String::from_utf8(token.as_bytes().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn work(reply: Result<MechanismReply, Error>) -> crate::network::BackgroundWork {
        match reply {
            Ok(MechanismReply::Wait(Some(work))) => work,
            other => panic!("{other:?}"),
        }
    }

    fn run(work: crate::network::BackgroundWork) {
        crate::network::Job::Work(work).run();
    }

    #[test]
    fn options_have_to_hold_both_and_an_error_names_the_one_that_is_missing() {
        let of = |text: &str| SaslCredentials::of(&JaasEntry::parse(text).unwrap());
        let credentials = of("m required username=\"alice\" password=\"tiger\";").unwrap();
        assert_eq!(credentials, SaslCredentials::new("alice", "tiger"));
        assert!(!format!("{credentials:?}").contains("tiger"));
        let token = of("m required username=id password=hmac tokenauth=True;").unwrap();
        assert_eq!(token, SaslCredentials::delegation_token("id", "hmac"));
        for (text, words) in [
            ("m required password=tiger;", "the option username is missing or empty"),
            ("m required username=tiger;", "the option password is missing or empty"),
            ("m required username=tiger password='';", "the option password is missing or empty"),
            ("m required username=alice password=\"tiger\\0\";", "the user's password holds a NUL"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("tiger"), "{error}");
        }
    }

    #[test]
    fn who_has_the_credentials_is_asked_in_the_background_and_anew_for_each_login() {
        let names = Arc::new(crate::sync::Mutex::new(vec!["carol", "bob"]));
        let ask: AskForCredentials = Arc::new(move || {
            let name = names.lock().pop().ok_or("nobody is left: tiger")?;
            Ok(SaslCredentials::new(name, "tiger"))
        });
        let source = CredentialsSource::asked(ask);
        for name in ["bob", "carol"] {
            let mut exchange = source.begin(|credentials| Box::new(Says(credentials)));
            let work = work(exchange.evaluate(b""));
            assert!(matches!(exchange.evaluate(b""), Ok(MechanismReply::Wait(None))), "not yet");
            run(work);
            assert_eq!(said(exchange.evaluate(b"")), name);
            assert_eq!(said(exchange.evaluate(b"!")), format!("{name}!"));
        }
        let mut exchange = source.begin(|credentials| Box::new(Says(credentials)));
        run(work(exchange.evaluate(b"")));
        let error = exchange.evaluate(b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("could not be had: nobody is left"), "{error}");
        assert_eq!(exchange.evaluate(b"").unwrap_err().kind(), ErrorKind::Bug);
        // What no broker could take is not said.
        let source = CredentialsSource::asked(Arc::new(|| Ok(SaslCredentials::new("", "tiger"))));
        let mut exchange = source.begin(|credentials| Box::new(Says(credentials)));
        run(work(exchange.evaluate(b"")));
        let error = exchange.evaluate(b"").unwrap_err().to_string();
        assert!(error.contains("the user's name is empty") && !error.contains("tiger"), "{error}");
    }

    #[test]
    fn who_panics_is_told_from_who_refuses_and_who_never_answers_holds_a_few_threads() {
        let source = CredentialsSource::asked(Arc::new(|| panic!("tiger")));
        let mut exchange = source.begin(|credentials| Box::new(Says(credentials)));
        run(work(exchange.evaluate(b"")));
        let error = exchange.evaluate(b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("the credentials could not be had: what gives them has panicked"));

        let source = CredentialsSource::asked(Arc::new(|| Ok(SaslCredentials::new("alice", "tiger"))));
        let begin = || source.begin(|credentials| Box::new(Says(credentials)));
        let mut asking: Vec<_> = (0..MOST_ASKING).map(|_| work(begin().evaluate(b""))).collect();
        let mut late = begin();
        assert!(matches!(late.evaluate(b""), Ok(MechanismReply::Wait(None))));
        // One is answered, and one is never begun.
        run(asking.remove(0));
        let mut next = begin();
        let of_next = work(next.evaluate(b""));
        assert!(matches!(late.evaluate(b""), Ok(MechanismReply::Wait(None))));
        drop(asking.remove(0));
        run(work(late.evaluate(b"")));
        assert_eq!(said(late.evaluate(b"")), "alice");
        run(of_next);
        assert_eq!(said(next.evaluate(b"")), "alice");
    }
}
