//! `Mechanism`: one exchange that tells a broker who we are, as a kind of SASL has it.
//!
//! Owns: the traits, and what is said in an exchange. Must not know: Kafka's requests, connections, settings.
//! Holds: what is said is no text of a `Debug`, and is overwritten when it is dropped.
//! Threads: the sender's alone; what takes long is work in the background.
//! Source: Java's `SaslClient` and `SaslClientFactory`.

use std::fmt;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::network::{BackgroundWork, Upkeep};

/// Makes the exchanges of one mechanism: one for each new connection, and another each time that its session is about to
/// end.
pub(crate) trait Mechanisms: fmt::Debug + Send + Sync {
    /// As it is called in `sasl.mechanism` and in the broker's list.
    fn name(&self) -> &'static str;

    /// An exchange with the broker that was connected to by this name.
    fn begin(&self, host: &str) -> Result<Box<dyn Mechanism>, Error>;

    /// What is due beside all exchanges, so that none has to wait for it: a token that is about to end.
    fn upkeep(&self, _now: Instant) -> Upkeep {
        Upkeep::default()
    }
}

/// One exchange.
pub(crate) trait Mechanism: fmt::Debug + Send {
    /// What to say to this challenge; the first one is empty and comes from nobody. What is a stranger's is never trusted:
    /// an error is an [`Authentication`](crate::ErrorKind::Authentication) and names no secret.
    fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error>;

    /// The broker does not believe what was said: whatever it was may have to be fetched anew.
    fn refused(&mut self) {}
}

/// What a mechanism says to a challenge.
#[derive(Debug)]
pub(crate) enum MechanismReply {
    /// This; the broker's answer is the next challenge.
    Continue(SaslToken),
    /// This, and that is all: the broker's answer has nothing for the mechanism.
    Last(SaslToken),
    /// Nothing more: the exchange is over, and the broker is who it has to be.
    Done,
    /// Something else has to be had first. The work, if there is some, is begun in the background; the mechanism is asked
    /// again with the same challenge whenever any work is done, its own or another's.
    Wait(Option<BackgroundWork>),
}

/// What is said in an exchange.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SaslToken(Zeroizing<Vec<u8>>);

impl SaslToken {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SaslToken {
    fn from(bytes: Vec<u8>) -> Self {
        SaslToken(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SaslToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslToken({} bytes)", self.0.len())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::security::sasl::pending::Pending;

    /// A mechanism that says these words, each with the challenge behind it: `wait` waits for work before the next one,
    /// `last` is the last, `done` is the end.
    #[derive(Debug)]
    pub(in super::super) struct ScriptedMechanisms(pub(in super::super) &'static [&'static str]);

    #[derive(Debug)]
    struct Scripted {
        rest: &'static [&'static str],
        waits: Option<Pending<()>>,
    }

    impl Mechanisms for ScriptedMechanisms {
        fn name(&self) -> &'static str {
            "SCRIPTED"
        }

        fn begin(&self, host: &str) -> Result<Box<dyn Mechanism>, Error> {
            assert_eq!(host, "broker");
            Ok(Box::new(Scripted { rest: self.0, waits: None }))
        }
    }

    impl Mechanism for Scripted {
        fn evaluate(&mut self, challenge: &[u8]) -> Result<MechanismReply, Error> {
            if self.waits.as_ref().is_some_and(|pending| pending.take().is_none()) {
                return Ok(MechanismReply::Wait(None));
            }
            self.waits = None;
            let (word, rest) = self.rest.split_first().unwrap();
            self.rest = rest;
            let said = SaslToken::from([word.as_bytes(), b":", challenge].concat());
            Ok(match *word {
                "done" => MechanismReply::Done,
                "last" => MechanismReply::Last(said),
                "wait" => {
                    let (pending, work) = Pending::begin("a word", || Ok(()));
                    self.waits = Some(pending);
                    MechanismReply::Wait(Some(work))
                }
                _ => MechanismReply::Continue(said),
            })
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = SaslToken::from(b"tiger".to_vec());
        assert_eq!(
            (token.as_bytes(), format!("{token:?}")),
            (&b"tiger"[..], "SaslToken(5 bytes)".to_owned())
        );
    }
}
