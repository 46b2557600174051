//! SCRAM on the broker's side (RFC 5802, as Kafka speaks it: no SASLprep, no channel binding).
//!
//! Owns: the two messages of each side. Must not know: users' passwords beyond the one at hand.
//! Source: Kafka's `ScramSaslServer` and `ScramMessages`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256, Sha512};

use crate::base64;

/// The hash of the mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerHash {
    Sha256,
    Sha512,
}

impl ServerHash {
    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        // A key of any length is one.
        match self {
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .map(|mac| mac.chain_update(bytes).finalize().into_bytes().to_vec()),
            Self::Sha512 => Hmac::<Sha512>::new_from_slice(key)
                .map(|mac| mac.chain_update(bytes).finalize().into_bytes().to_vec()),
        }
        .unwrap_or_default()
    }

    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let (mut short, mut long) = ([0; 32], [0; 64]);
        match self {
            Self::Sha256 => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut short);
                short.to_vec()
            }
            Self::Sha512 => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, iterations, &mut long);
                long.to_vec()
            }
        }
    }
}

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FirstMessage {
    /// What stands before the message proper, up to and with the second comma.
    header: String,
    pub(super) authorization_id: String,
    pub(super) user: String,
    nonce: String,
    /// `tokenauth=true`: the user is a delegation token.
    pub(super) is_token: bool,
    bare: String,
}

impl FirstMessage {
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let rest = text.strip_prefix("n,")?;
        let (authorization, bare) = rest.split_once(',')?;
        let header = text.strip_suffix(bare)?.to_owned();
        let authorization_id = match authorization {
            "" => String::new(),
            other => unescaped(other.strip_prefix("a=")?)?,
        };
        let mut parts = bare.split(',');
        let user = unescaped(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts.next()?.strip_prefix("r=")?.to_owned();
        let is_token = parts.any(|extension| extension == "tokenauth=true");
        let is_sound = !user.is_empty() && !nonce.is_empty();
        let bare = bare.to_owned();
        is_sound.then_some(Self { header, authorization_id, user, nonce, is_token, bare })
    }
}

/// What brokers keep of passwords, so that no login has to make it again; whoever has a clone shares it.
#[derive(Clone, Default)]
pub(crate) struct StoredKeys(Arc<Mutex<BTreeMap<KeysOrigin, Arc<ServerKeys>>>>);

/// Hash, password, salt and number of iterations.
type KeysOrigin = (ServerHash, String, Vec<u8>, u32);

/// What SCRAM makes of a password.
#[derive(Debug)]
struct ServerKeys {
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl StoredKeys {
    fn of(&self, hash: ServerHash, password: &str, salt: &[u8], iterations: u32) -> Arc<ServerKeys> {
        let origin = (hash, password.to_owned(), salt.to_vec(), iterations);
        if let Some(keys) = self.0.lock().get(&origin) {
            return Arc::clone(keys);
        }
        let salted = hash.salted(password, salt, iterations);
        let stored = hash.hash(&hash.hmac(&salted, b"Client Key"));
        let keys = Arc::new(ServerKeys { stored, server: hash.hmac(&salted, b"Server Key") });
        let mut kept = self.0.lock();
        if kept.len() >= MANY_KEYS {
            kept.clear();
        }
        kept.insert(origin, Arc::clone(&keys));
        keys
    }
}

/// More than a test has.
const MANY_KEYS: usize = 1_000;

/// What a broker keeps between the two messages of a client.
#[derive(Debug)]
pub(super) struct ScramChallenge {
    hash: ServerHash,
    first: FirstMessage,
    nonce: String,
    message: String,
    keys: Arc<ServerKeys>,
}

impl ScramChallenge {
    pub(super) fn new(
        hash: ServerHash,
        first: FirstMessage,
        (password, iterations): (&str, u32),
        kept: &StoredKeys,
        chance: &[u8],
    ) -> Self {
        let nonce = format!("{}{}", first.nonce, base64::encode(chance));
        // The same user has the same salt each time, as with a real broker, which stores it.
        let salt = hash.hash(first.user.as_bytes());
        let keys = kept.of(hash, password, &salt, iterations);
        let message = format!("r={nonce},s={},i={iterations}", base64::encode(&salt));
        Self { hash, first, nonce, message, keys }
    }

    /// The broker's first message.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The broker's last message, if the client's proves that it has the password.
    pub(super) fn verify(&self, message: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let binding = base64::decode(parts.next()?.strip_prefix("c=")?)?;
        if binding != self.first.header.as_bytes() || parts.next()?.strip_prefix("r=")? != self.nonce {
            return None;
        }
        let said = format!("{},{},{without_proof}", self.first.bare, self.message);
        let signature = self.hash.hmac(&self.keys.stored, said.as_bytes());
        let proof = base64::decode(proof)?;
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, other)| proof ^ other).collect();
        if proof.len() != signature.len() || self.hash.hash(&client_key) != self.keys.stored {
            return None;
        }
        Some(format!("v={}", base64::encode(&self.hash.hmac(&self.keys.server, said.as_bytes()))))
    }
}

/// A name with `=2C` for a comma and `=3D` for an equals sign.
fn unescaped(name: &str) -> Option<String> {
    let plain = name.replace("=2C", ",").replace("=3D", "=");
    let escapes = name.matches("=2C").count() + name.matches("=3D").count();
    (name.matches('=').count() == escapes).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn the_example_of_the_standard() {
        let first = FirstMessage::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((&*first.user, &*first.authorization_id, first.is_token), ("user", "", false));
        let salt = base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let hash = ServerHash::Sha256;
        let keys = StoredKeys::default().of(hash, "pencil", &salt, 4096);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        let message = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let challenge = ScramChallenge { hash, first, nonce, message, keys };
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let answer = challenge.verify(last.as_bytes());
        assert_eq!(answer.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        for wrong in [
            last.replace("biws", "eSws"),
            last.replace("k0,", "k1,"),
            last.replace("p=d", "p=e"),
            String::new(),
        ] {
            assert_eq!(challenge.verify(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn names_may_hold_commas_and_tokens_are_told() {
        let first = FirstMessage::read(b"n,a=x=2Cy,n=a=3Db=2Cc,r=abc,tokenauth=true").unwrap();
        assert_eq!((&*first.user, &*first.authorization_id, first.is_token), ("a=b,c", "x,y", true));
        for wrong in
            ["", "n,,", "y,,n=a,r=b", "n,,n=a", "n,,n=,r=b", "n,,n=a=b,r=c", "n,x,n=a,r=b", "n,,n=a,r="]
        {
            assert_eq!(FirstMessage::read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
