//! The four messages of SCRAM.
//!
//! Owns: their texts, and how many iterations are asked for at least and at most. Must not know: keys.
//! Holds: no bytes make it panic; what is wrong is said without showing it.
//! Source: RFC 5802, section 7, Kafka's `ScramMessages`.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What the client says first.
#[derive(Debug)]
pub(super) struct ClientFirst {
    /// With what has a meaning of its own spelt out.
    username: String,
    pub(super) nonce: String,
    is_token: bool,
}

impl ClientFirst {
    pub(super) fn new(username: &str, nonce: String, is_token: bool) -> Self {
        ClientFirst { username: username.replace('=', "=3D").replace(',', "=2C"), nonce, is_token }
    }

    /// On behalf of nobody else, bound to no channel.
    pub(super) fn message(&self) -> String {
        format!("{NO_CHANNEL_BINDING}{}", self.bare())
    }

    pub(super) fn bare(&self) -> String {
        let extension = if self.is_token { ",tokenauth=true" } else { "" };
        format!("n={},r={}{extension}", self.username, self.nonce)
    }
}

/// What the broker says to that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerFirst {
    /// The whole text.
    pub(super) message: String,
    nonce: String,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl ServerFirst {
    pub(super) fn read(bytes: &[u8], client_nonce: &str) -> Result<ServerFirst, String> {
        let message = text(bytes)?;
        let mut fields = message.split(',');
        if message.starts_with("m=") {
            return Err(String::from("it asks for an extension that this client does not have"));
        }
        let nonce = field(&mut fields, "r=")?;
        let is_printable = nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !is_printable || !nonce.starts_with(client_nonce) || nonce.len() == client_nonce.len() {
            return Err(String::from("its nonce is not made of the client's and more"));
        }
        let salt = bytes_of(field(&mut fields, "s=")?).ok_or("its salt is not base64")?;
        let iterations = field(&mut fields, "i=")?;
        let is_number = !iterations.is_empty() && iterations.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(String::from("its number of iterations is not a number"));
        }
        // One that is too long for this type is too many.
        let iterations = iterations.parse().unwrap_or(u32::MAX);
        if iterations < LEAST_ITERATIONS {
            return Err(format!(
                "it asks for {iterations} iterations, which is less than {LEAST_ITERATIONS}: too easy to guess from"
            ));
        }
        if iterations > MOST_ITERATIONS {
            return Err(format!("it asks for more than {MOST_ITERATIONS} iterations"));
        }
        let (nonce, message) = (nonce.to_owned(), message.to_owned());
        Ok(ServerFirst { message, nonce, salt, iterations })
    }

    /// What the client says to this, without its proof.
    pub(super) fn answer(&self) -> String {
        format!("c={},r={}", base64(NO_CHANNEL_BINDING.as_bytes()), self.nonce)
    }
}

/// What the broker says in the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerFinal {
    Refused(String),
    Signed(Vec<u8>),
}

impl ServerFinal {
    pub(super) fn read(bytes: &[u8]) -> Result<ServerFinal, String> {
        let message = text(bytes)?;
        let mut fields = message.split(',');
        if let Some(why) = message.strip_prefix("e=") {
            return Ok(ServerFinal::Refused(why.split(',').next().unwrap_or_default().to_owned()));
        }
        let signature = bytes_of(field(&mut fields, "v=")?).ok_or("its signature is not base64")?;
        Ok(ServerFinal::Signed(signature))
    }
}

/// Reads bytes as each message of a broker: for tests of what strangers may send.
pub(crate) fn read_scram_messages(bytes: &[u8]) -> Result<usize, String> {
    let nonce = "nonce";
    let last = ServerFinal::read(bytes);
    let first = ServerFirst::read(bytes, nonce)?;
    let mut told = String::new();
    let _ = write!(told, "{:?}", last.is_ok());
    Ok(first.answer().len() + told.len())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| String::from("it is no text"))
}

/// The next field, which has to be this one.
fn field<'a>(fields: &mut impl Iterator<Item = &'a str>, name: &str) -> Result<&'a str, String> {
    fields
        .next()
        .and_then(|field| field.strip_prefix(name))
        .ok_or_else(|| format!("{name} is expected in it"))
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

const NO_CHANNEL_BINDING: &str = "n,,";

/// What Kafka's client and the RFC ask for.
const LEAST_ITERATIONS: u32 = 4096;

/// Kafka's tools make at most 16,384. These take about a second; a stranger who asks for more wants our time.
const MOST_ITERATIONS: u32 = 1_000_000;
