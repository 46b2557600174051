//! SCRAM: both sides prove that they know the password, and neither says it.
//!
//! Owns: the order of an exchange. Must not know: settings, Kafka's requests.
//! Holds: a broker that does not know the password is not believed, nor one that asks for too little or too much work.
//! Threads: the sender's. Keys are made on a worker's thread, always: 4096 iterations take milliseconds. All brokers of a
//! cluster keep a user's salt, so the keys are made once and kept, for later connections and logins.
//! Source: RFC 5802, RFC 7677, Kafka's `ScramSaslClient`. Like Kafka, without SASLprep.

mod scram_keys;
mod scram_messages;

use std::fmt;
use std::sync::Arc;

use super::credentials::{CredentialsSource, SaslCredentials};
use super::mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
use super::pending::Pending;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::planted::{Defect, planted};
use crate::secret::Secret;
use crate::sync::Mutex;

pub(super) use scram_keys::ScramHash;
use scram_keys::ScramKeys;
pub(crate) use scram_messages::read_scram_messages;
use scram_messages::{ClientFirst, ServerFinal, ServerFirst};

/// `sasl.mechanism=SCRAM-SHA-256`, `SCRAM-SHA-512`
#[derive(Debug)]
pub(super) struct ScramMechanisms {
    hash: ScramHash,
    source: CredentialsSource,
    cache: Arc<KeyCache>,
    nonce: fn() -> Result<String, Error>,
}

impl ScramMechanisms {
    pub(super) fn new(hash: ScramHash, source: CredentialsSource) -> Self {
        ScramMechanisms { hash, source, cache: Arc::default(), nonce }
    }
}

impl Mechanisms for ScramMechanisms {
    fn name(&self) -> &'static str {
        self.hash.mechanism()
    }

    fn begin(&self, _host: &str) -> Result<Box<dyn Mechanism>, Error> {
        let (hash, cache, nonce) = (self.hash, Arc::clone(&self.cache), (self.nonce)()?);
        Ok(self.source.begin(move |credentials| {
            let SaslCredentials { username, password, is_token } = credentials;
            let first = ClientFirst::new(&username, nonce, is_token);
            Box::new(ScramExchange { hash, password, cache, first, stage: ScramStage::Begin })
        }))
    }
}

/// 192 bits that nobody can know beforehand, printable.
fn nonce() -> Result<String, Error> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        let text = format!("the operating system gives no random numbers, which a login needs: {error}");
        Error::new(ErrorKind::Network, text)
    })?;
    Ok(scram_messages::base64(&bytes))
}

/// One exchange.
struct ScramExchange {
    hash: ScramHash,
    password: Secret,
    cache: Arc<KeyCache>,
    first: ClientFirst,
    stage: ScramStage,
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("hash", &self.hash).finish_non_exhaustive()
    }
}

enum ScramStage {
    /// Nothing is said yet.
    Begin,
    /// The broker's salt and number of iterations are expected.
    Introduced,
    /// The keys are being made of them.
    Making(ServerFirst, Pending<Arc<ScramKeys>>),
    /// The broker's own proof is expected.
    Proven(Arc<ScramKeys>, String),
    Over,
}

impl Mechanism for ScramExchange {
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
        match std::mem::replace(&mut self.stage, ScramStage::Over) {
            ScramStage::Begin => {
                self.stage = ScramStage::Introduced;
                Ok(MechanismReply::Continue(self.first.message().into_bytes().into()))
            }
            ScramStage::Introduced => {
                let theirs =
                    ServerFirst::read(challenge, &self.first.nonce).map_err(|why| self.unreadable(&why))?;
                match self.cache.find(&self.password, &theirs) {
                    Some(keys) => self.prove(&theirs, keys),
                    None => Ok(self.make_keys(theirs)),
                }
            }
            ScramStage::Making(theirs, pending) => match pending.take() {
                Some(keys) => self.prove(&theirs, keys?),
                None => {
                    self.stage = ScramStage::Making(theirs, pending);
                    Ok(MechanismReply::Wait(None))
                }
            },
            ScramStage::Proven(keys, auth_message) => self.check(challenge, &keys, &auth_message),
            ScramStage::Over => Err(self.unreadable("it comes after the end of the exchange")),
        }
    }
}

impl ScramExchange {
    fn make_keys(&mut self, theirs: ServerFirst) -> MechanismReply {
        let (hash, cache, password) = (self.hash, Arc::clone(&self.cache), self.password.clone());
        let (salt, iterations) = (theirs.salt.clone(), theirs.iterations);
        let (pending, work) = Pending::begin("SCRAM's keys", move || {
            let keys = Arc::new(hash.keys(&password, &salt, iterations)?);
            cache.keep(KnownKeys { password, salt, iterations, keys: Arc::clone(&keys) });
            Ok(keys)
        });
        self.stage = ScramStage::Making(theirs, pending);
        MechanismReply::Wait(Some(work))
    }

    fn prove(&mut self, theirs: &ServerFirst, keys: Arc<ScramKeys>) -> Result<MechanismReply, Error> {
        let unproven = theirs.answer();
        let auth_message = [&*self.first.bare(), &*theirs.message, &*unproven].join(",");
        let proof = self.hash.proof(&keys, auth_message.as_bytes())?;
        let message = format!("{unproven},p={}", scram_messages::base64(&proof));
        self.stage = ScramStage::Proven(keys, auth_message);
        Ok(MechanismReply::Continue(SaslToken::from(message.into_bytes())))
    }

    fn check(&self, challenge: &[u8], keys: &ScramKeys, auth_message: &str) -> Result<MechanismReply, Error> {
        let name = self.hash.mechanism();
        let refused = |text: String| Err(Error::new(ErrorKind::Authentication, text));
        match ServerFinal::read(challenge).map_err(|why| self.unreadable(&why))? {
            ServerFinal::Refused(why) => {
                refused(format!("the broker refused the login by {name}: {}", Escaped(&why)))
            }
            ServerFinal::Signed(signature) => {
                match self.hash.is_signed(keys, auth_message.as_bytes(), &signature)? {
                    true => Ok(MechanismReply::Done),
                    false if planted(Defect::AnySignature) => Ok(MechanismReply::Done),
                    false => refused(format!(
                        "the other side of {name} cannot prove that it knows the password: it is not the broker that it says it is"
                    )),
                }
            }
        }
    }

    fn unreadable(&self, why: &str) -> Error {
        let name = self.hash.mechanism();
        Error::new(ErrorKind::Authentication, format!("the broker's message of {name} is refused: {why}"))
    }
}

/// The keys that were made last.
#[derive(Default)]
struct KeyCache(Mutex<Option<KnownKeys>>);

/// Keys, and what they were made of.
struct KnownKeys {
    password: Secret,
    salt: Vec<u8>,
    iterations: u32,
    keys: Arc<ScramKeys>,
}

impl KeyCache {
    fn find(&self, password: &Secret, theirs: &ServerFirst) -> Option<Arc<ScramKeys>> {
        let known = self.0.lock();
        let known = known.as_ref().filter(|known| {
            known.salt == theirs.salt && known.iterations == theirs.iterations && known.password == *password
        });
        known.map(|known| Arc::clone(&known.keys))
    }

    fn keep(&self, keys: KnownKeys) {
        let before = self.0.lock().replace(keys);
        drop(before);
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

const NONCE_BYTES: usize = 24;

#[cfg(test)]
mod tests;
