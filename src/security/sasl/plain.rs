//! PLAIN: the name and the password, as they are.
//!
//! Owns: the one message. Must not know: where they come from.
//! Source: RFC 4616, Java's `com.sun.security.sasl.PlainClient`.

use std::fmt;

use super::credentials::{CredentialsSource, SaslCredentials};
use super::mechanism::{Mechanism, MechanismReply, Mechanisms, SaslToken};
use crate::error::Error;

/// `sasl.mechanism=PLAIN`
#[derive(Debug)]
pub(super) struct PlainMechanisms {
    source: CredentialsSource,
}

impl PlainMechanisms {
    pub(super) fn new(source: CredentialsSource) -> Self {
        PlainMechanisms { source }
    }
}

impl Mechanisms for PlainMechanisms {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn begin(&self, _host: &str) -> Result<Box<dyn Mechanism>, Error> {
        Ok(self.source.begin(|credentials| Box::new(PlainExchange(credentials))))
    }
}

struct PlainExchange(SaslCredentials);

impl fmt::Debug for PlainExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainExchange")
    }
}

impl Mechanism for PlainExchange {
    fn evaluate(&mut self, _challenge: &[u8]) -> Result<MechanismReply, Error> {
        let (username, password) = (self.0.username.as_bytes(), self.0.password.expose().as_bytes());
        let mut message = Vec::with_capacity(username.len() + password.len() + 2);
        // On behalf of nobody else.
        message.push(0);
        message.extend_from_slice(username);
        message.push(0);
        message.extend_from_slice(password);
        Ok(MechanismReply::Last(SaslToken::from(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_that_of_the_rfc() {
        let source = CredentialsSource::Fixed(SaslCredentials::new("tim", "tanst\u{e4}aftanstaaf"));
        let mechanisms = PlainMechanisms::new(source);
        assert_eq!(mechanisms.name(), "PLAIN");
        let mut exchange = mechanisms.begin("broker").unwrap();
        match exchange.evaluate(b"").unwrap() {
            MechanismReply::Last(token) => {
                assert_eq!(token.as_bytes(), "\0tim\0tanst\u{e4}aftanstaaf".as_bytes());
            }
            other => panic!("{other:?}"),
        }
        assert!(!format!("{mechanisms:?} {exchange:?}").contains("tanst"));
    }
}
