//! `Assertion`: a JWT of our own that vouches for us to a token endpoint: `sasl.oauthbearer.assertion.*`.
//!
//! Owns: what stands in it, its signature. Must not know: where it is sent.
//! Threads: a worker's. Files are read anew for each assertion, so that new keys count at once.
//! Source: Java's `AssertionSupplierFactory`, `LayeredAssertionJwtTemplate`, `DefaultAssertionCreator`; RFC 7515, RFC 7523.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use serde_json::{Map, Value as Json, json};
use zeroize::Zeroizing;

use super::jwt;
use super::token_file::read_secret_file;
use crate::escape::Escaped;
use crate::secret::Secret;
use crate::security::stores::read_pem_key;

/// Where an assertion comes from.
#[derive(Debug)]
pub(super) enum Assertion {
    /// It is there already: `sasl.oauthbearer.assertion.file`.
    File(PathBuf),
    /// It is made and signed here.
    Made(Box<AssertionMaker>),
}

pub(super) struct AssertionMaker {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) algorithm: AssertionAlgorithm,
    pub(super) key_file: PathBuf,
    pub(super) passphrase: Option<Secret>,
    /// Headers and claims in JSON.
    pub(super) template_file: Option<PathBuf>,
    /// `aud`, `iss` and `sub`, where they are set.
    pub(super) claims: Vec<(&'static str, String)>,
    pub(super) exp_seconds: u64,
    pub(super) nbf_seconds: u64,
    pub(super) include_jti: bool,
}

/// Header and payload.
type JwtParts = (Map<String, Json>, Map<String, Json>);

/// `sasl.oauthbearer.assertion.algorithm`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AssertionAlgorithm {
    Rs256,
    Es256,
}

impl Assertion {
    /// One that is good now.
    pub(super) fn create(&self) -> Result<Zeroizing<String>, String> {
        match self {
            Assertion::File(path) => {
                let text = read_secret_file(path, "sasl.oauthbearer.assertion.file")?;
                let shown = path.to_string_lossy();
                jwt::sections(&text).map_err(|text| format!("{text} (file {})", Escaped(&shown)))?;
                Ok(Zeroizing::new(text.trim().to_owned()))
            }
            Assertion::Made(maker) => maker.create(SystemTime::now()),
        }
    }
}

impl AssertionMaker {
    fn create(&self, now: SystemTime) -> Result<Zeroizing<String>, String> {
        let (header, payload) = self.contents(now)?;
        let content = format!("{}.{}", encoded(header), encoded(payload));
        let signature = self.sign(content.as_bytes())?;
        Ok(Zeroizing::new(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }

    /// What is set, then what the template has, then what is ours to say.
    fn contents(&self, now: SystemTime) -> Result<JwtParts, String> {
        let (mut header, mut payload) = (Map::new(), Map::new());
        payload.extend(self.claims.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        if let Some(path) = &self.template_file {
            let (headers, claims) = read_template(path)?;
            header.extend(headers);
            payload.extend(claims);
        }
        header.insert("alg".to_owned(), json!(self.algorithm.name()));
        header.insert("typ".to_owned(), json!("JWT"));
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        payload.insert("iat".to_owned(), json!(seconds));
        payload.insert("exp".to_owned(), json!(seconds.saturating_add(self.exp_seconds)));
        payload.insert("nbf".to_owned(), json!(seconds.saturating_sub(self.nbf_seconds)));
        if self.include_jti {
            payload.insert("jti".to_owned(), json!(self.random_id()?));
        }
        Ok((header, payload))
    }

    /// A UUID of version 4.
    fn random_id(&self) -> Result<String, String> {
        let mut bytes = [0; 16];
        let filled = self.provider.secure_random.fill(&mut bytes);
        filled.map_err(|_| "the system has no random numbers for the assertion's id")?;
        let id = (u128::from_be_bytes(bytes) & !(0xF << 76 | 0x3 << 62)) | 0x4 << 76 | 0x2 << 62;
        let text = format!("{id:032x}");
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
        Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
    }

    fn sign(&self, content: &[u8]) -> Result<Vec<u8>, String> {
        let shown = self.key_file.to_string_lossy();
        let refused = |text: &dyn fmt::Display| format!("{KEY_FILE}: the file {} {text}", Escaped(&shown));
        let text = read_secret_file(&self.key_file, KEY_FILE)?;
        let passphrase = self.passphrase.as_ref().map(Secret::expose);
        let key = read_pem_key(text.as_bytes(), passphrase);
        let key = key.map_err(|error| refused(&format_args!("holds no key that can be read: {error}")))?;
        let key = self.provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| refused(&format_args!("holds a key that cannot be used: {error}")))?;
        let algorithm = self.algorithm;
        let Some(signer) = key.choose_scheme(&[algorithm.scheme()]) else {
            let wanted = algorithm.key();
            return Err(refused(&format_args!(
                "holds no key for {}, which needs {wanted}",
                algorithm.name()
            )));
        };
        let signature = signer
            .sign(content)
            .map_err(|error| refused(&format_args!("holds a key that cannot sign: {error}")))?;
        match algorithm {
            AssertionAlgorithm::Rs256 => Ok(signature),
            AssertionAlgorithm::Es256 => fixed_signature(&signature)
                .ok_or_else(|| "the signature of an assertion has an unknown form".to_owned()),
        }
    }
}

impl AssertionAlgorithm {
    /// As the setting calls it, which is checked before.
    pub(super) fn from_name(name: &str) -> AssertionAlgorithm {
        if name.eq_ignore_ascii_case("ES256") { AssertionAlgorithm::Es256 } else { AssertionAlgorithm::Rs256 }
    }

    fn name(self) -> &'static str {
        match self {
            AssertionAlgorithm::Rs256 => "RS256",
            AssertionAlgorithm::Es256 => "ES256",
        }
    }

    fn key(self) -> &'static str {
        match self {
            AssertionAlgorithm::Rs256 => "an RSA key",
            AssertionAlgorithm::Es256 => "an EC key on the curve P-256",
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            AssertionAlgorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
            AssertionAlgorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        }
    }
}

/// What it is made of, without the passphrase.
impl fmt::Debug for AssertionMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionMaker")
            .field("algorithm", &self.algorithm)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}

fn encoded(part: Map<String, Json>) -> String {
    URL_SAFE_NO_PAD.encode(Json::Object(part).to_string())
}

/// The objects `header` and `payload` of a file in JSON; either may be missing.
fn read_template(path: &std::path::Path) -> Result<JwtParts, String> {
    let text = read_secret_file(path, TEMPLATE_FILE)?;
    let shown = path.to_string_lossy();
    let refused = |text: &str| format!("{TEMPLATE_FILE}: the file {} {text}", Escaped(&shown));
    let parsed = serde_json::from_str::<Map<String, Json>>(&text);
    let mut parts = parsed.map_err(|_| refused("is not an object in JSON"))?;
    let mut part = |name: &str| match parts.remove(name) {
        None => Ok(Map::new()),
        Some(Json::Object(part)) => Ok(part),
        Some(_) => Err(refused(&format!("has a \"{name}\" that is not an object"))),
    };
    Ok((part("header")?, part("payload")?))
}

/// An ECDSA signature as JWTs have it, two numbers of 32 bytes, out of ASN.1.
fn fixed_signature(der: &[u8]) -> Option<Vec<u8>> {
    let (body, []) = element(der, 0x30)? else { return None };
    let (first, rest) = element(body, 0x02)?;
    let (second, []) = element(rest, 0x02)? else { return None };
    let mut fixed = Vec::with_capacity(64);
    for number in [first, second] {
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        fixed.resize(fixed.len() + 32usize.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    Some(fixed)
}

/// A short element of this kind, and what follows it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    (*tag == kind && *length < 0x80).then_some(())?;
    rest.split_at_checked(usize::from(*length))
}

const KEY_FILE: &str = "sasl.oauthbearer.assertion.private.key.file";
const TEMPLATE_FILE: &str = "sasl.oauthbearer.assertion.template.file";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_signature_out_of_asn_1_has_two_numbers_of_32_bytes() {
        let mut der = vec![0x30, 37, 0x02, 33, 0];
        der.extend([0xAB; 32]);
        der.extend([0x02, 1, 7]);
        der[1] = (der.len() - 2) as u8;
        let fixed = fixed_signature(&der).unwrap();
        assert_eq!((&fixed[..32], &fixed[32..63], fixed[63]), (&[0xAB; 32][..], &[0; 31][..], 7));
        for cut in 0..der.len() {
            assert_eq!(fixed_signature(&der[..cut]), None);
        }
        assert_eq!(fixed_signature(&[&der[..], &[0]].concat()), None);
    }

    /// Of each call its own: tests run at the same time.
    fn file(name: &str, text: &str) -> PathBuf {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("kafka-producer-{process}-{number}-{name}"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn maker(algorithm: AssertionAlgorithm, key: &str) -> AssertionMaker {
        AssertionMaker {
            provider: Arc::new(rustls_graviola::default_provider()),
            algorithm,
            key_file: file(&format!("{}-key", key.len()), key),
            passphrase: None,
            template_file: None,
            claims: vec![("aud", "kafka".to_owned()), ("iss", "me".to_owned())],
            exp_seconds: 300,
            nbf_seconds: 60,
            include_jti: false,
        }
    }

    const RSA: &str = include_str!("fixtures/rsa.pem");
    const EC: &str = include_str!("fixtures/ec.pem");
    /// The same key under the password `tiger`.
    const ENCRYPTED_EC: &str = include_str!("fixtures/ec-encrypted.pem");

    /// Whether the signature is the key's, by the verifier of TLS.
    fn is_signed(maker: &AssertionMaker, jwt: &str) -> bool {
        let (content, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = read_pem_key(
            &std::fs::read(&maker.key_file).unwrap(),
            maker.passphrase.as_ref().map(Secret::expose),
        );
        let key = maker.provider.key_provider.load_private_key(key.unwrap()).unwrap();
        let public = key.public_key().unwrap();
        let public = public.as_ref();
        let (public, signature) = match maker.algorithm {
            AssertionAlgorithm::Rs256 => (&public[public.len() - 270..], signature),
            AssertionAlgorithm::Es256 => {
                // As ASN.1 wants it: no zeros in front but for one that makes it positive.
                let number = |bytes: &[u8]| {
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    let sign = if bytes[zeros] < 0x80 { &[][..] } else { &[0][..] };
                    let number = [sign, &bytes[zeros..]].concat();
                    [&[0x02, number.len() as u8], &number[..]].concat()
                };
                let body = [number(&signature[..32]), number(&signature[32..])].concat();
                (&public[public.len() - 65..], [&[0x30, body.len() as u8], &body[..]].concat())
            }
        };
        let scheme = maker.algorithm.scheme();
        let algorithms = maker.provider.signature_verification_algorithms;
        let (_, algorithms) = algorithms.mapping.iter().find(|(known, _)| *known == scheme).unwrap();
        let verifies = |it: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            it.verify_signature(public, content.as_bytes(), &signature).is_ok()
        };
        algorithms.iter().any(verifies)
    }

    fn part(jwt: &str, number: usize) -> Json {
        let part = jwt.split('.').nth(number).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn assertions_are_signed_with_either_kind_of_key() {
        let encrypted = AssertionMaker {
            passphrase: Some(Secret::from("tiger")),
            ..maker(AssertionAlgorithm::Es256, ENCRYPTED_EC)
        };
        for maker in [maker(AssertionAlgorithm::Rs256, RSA), maker(AssertionAlgorithm::Es256, EC), encrypted]
        {
            let jwt = maker.create(UNIX_EPOCH + std::time::Duration::from_secs(1000)).unwrap();
            assert!(is_signed(&maker, &jwt), "{maker:?}");
            assert_eq!(part(&jwt, 0), json!({"alg": maker.algorithm.name(), "typ": "JWT"}));
            let claims = json!({"aud": "kafka", "iss": "me", "iat": 1000, "exp": 1300, "nbf": 940});
            assert_eq!(part(&jwt, 1), claims);
            let other = jwt.replacen(jwt.chars().next().unwrap(), "f", 1);
            assert!(!is_signed(&maker, &other));
        }
    }

    #[test]
    fn a_template_wins_over_what_is_set_and_not_over_what_is_ours() {
        let template =
            r#"{"header": {"kid": "k1", "alg": "none"}, "payload": {"iss": "it", "exp": 1, "roles": ["a"]}}"#;
        let maker = AssertionMaker {
            template_file: Some(file("template", template)),
            include_jti: true,
            ..maker(AssertionAlgorithm::Es256, EC)
        };
        let now = UNIX_EPOCH + std::time::Duration::from_secs(1000);
        let jwt = maker.create(now).unwrap();
        assert_eq!(part(&jwt, 0), json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
        let mut claims = part(&jwt, 1);
        let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
        let id: Vec<&str> = id.as_str().unwrap().split('-').collect();
        assert_eq!(id.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(id[2].starts_with('4') && "89ab".contains(&id[3][..1]), "{id:?}");
        let expected =
            json!({"aud": "kafka", "iss": "it", "iat": 1000, "exp": 1300, "nbf": 940, "roles": ["a"]});
        assert_eq!(claims, expected);
        for (bad, named) in
            [("[]", "not an object"), ("{", "not an object"), (r#"{"header": 7}"#, "\"header\"")]
        {
            std::fs::write(maker.template_file.as_ref().unwrap(), bad).unwrap();
            let text = maker.create(now).unwrap_err();
            assert!(text.contains(named) && text.contains("template.file"), "{text}");
        }
    }

    #[test]
    fn keys_that_do_not_fit_are_named_by_setting_and_file() {
        let now = UNIX_EPOCH;
        let wrong_password = AssertionMaker {
            passphrase: Some(Secret::from("lion")),
            ..maker(AssertionAlgorithm::Es256, ENCRYPTED_EC)
        };
        let no_password = maker(AssertionAlgorithm::Es256, ENCRYPTED_EC);
        for (maker, named) in [
            (
                maker(AssertionAlgorithm::Es256, RSA),
                "no key for ES256, which needs an EC key on the curve P-256",
            ),
            (maker(AssertionAlgorithm::Rs256, EC), "no key for RS256, which needs an RSA key"),
            (maker(AssertionAlgorithm::Rs256, "tiger"), "no key that can be read"),
            (wrong_password, "no key that can be read"),
            (no_password, "no key that can be read"),
        ] {
            let text = maker.create(now).unwrap_err();
            assert!(
                text.contains(named) && text.contains("private.key.file") && text.contains("-key"),
                "{text}"
            );
            assert!(!text.contains("tiger") && !text.contains("lion"), "{text}");
        }
    }
}
