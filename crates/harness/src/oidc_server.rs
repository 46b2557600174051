//! An issuer of tokens for OAUTHBEARER: it publishes its key, hands out tokens for a client's secret or assertion, and
//! makes wrong ones when a test asks for them.
//!
//! Owns: a port of the loopback address and the threads that answer there. Must not know: Kafka.
//! Holds: OpenSSL signs, so that nothing of ours judges itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::command::run;

/// A running issuer. Clients of any name `X` have the secret `X-secret`.
pub struct OidcServer {
    port: u16,
    issuer: Arc<TokenIssuer>,
    ended: Arc<AtomicBool>,
}

/// What a token says, and who signs it.
#[derive(Clone, Debug)]
pub struct TokenClaims {
    pub subject: String,
    pub audience: String,
    pub issuer: String,
    pub scope: String,
    /// From now; negative: some time ago.
    pub issued_after_seconds: i64,
    /// From now; negative: it has expired already.
    pub lifetime_seconds: i64,
    /// By a key that nobody publishes.
    pub is_forged: bool,
}

impl Default for TokenClaims {
    fn default() -> Self {
        TokenClaims {
            subject: "alice".into(),
            audience: AUDIENCE.into(),
            issuer: ISSUER.into(),
            scope: "kafka".into(),
            issued_after_seconds: -600,
            lifetime_seconds: 300,
            is_forged: false,
        }
    }
}

impl TokenClaims {
    /// Header and claims as they are signed.
    fn with_header(&self, header: &Value) -> String {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let claimed = json!({
            "sub": self.subject, "aud": self.audience, "iss": self.issuer, "scope": self.scope,
            "iat": now + self.issued_after_seconds, "exp": now + self.lifetime_seconds,
        });
        format!(
            "{}.{}",
            base64_url(header.to_string().as_bytes()),
            base64_url(claimed.to_string().as_bytes())
        )
    }
}

impl OidcServer {
    /// Signs with `issuer.key` in this folder, and `forger.key` where a token is to be wrong.
    pub fn start(files: &Path) -> OidcServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (issuer, ended) =
            (Arc::new(TokenIssuer { files: files.to_owned() }), Arc::new(AtomicBool::new(false)));
        let server = OidcServer { port, issuer: issuer.clone(), ended: ended.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let issuer = issuer.clone();
                thread::spawn(move || issuer.answer(stream));
            }
        });
        server
    }

    /// Where the public key is.
    pub fn jwks_url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks.json", self.port)
    }

    /// Where tokens are handed out.
    pub fn token_url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// A token that says this.
    pub fn token(&self, claims: &TokenClaims) -> String {
        self.issuer.token(claims)
    }

    /// A token that says this, and that nobody has signed.
    pub fn unsigned_token(&self, claims: &TokenClaims) -> String {
        claims.with_header(&json!({ "alg": "none" })) + "."
    }
}

impl Drop for OidcServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // So that the listener looks.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// What the threads share.
struct TokenIssuer {
    files: PathBuf,
}

impl TokenIssuer {
    fn token(&self, claims: &TokenClaims) -> String {
        let signed = claims.with_header(&json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID }));
        let key = self.files.join(if claims.is_forged { "forger.key" } else { "issuer.key" });
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-sign"]).arg(key);
        let signature = run(&mut openssl, signed.as_bytes(), LIMIT).unwrap().stdout;
        format!("{signed}.{}", base64_url(&signature))
    }

    /// RFC 7517
    fn keys(&self) -> Value {
        let mut openssl = Command::new("openssl");
        openssl.args(["rsa", "-noout", "-modulus", "-in"]).arg(self.files.join("issuer.key"));
        let modulus = run(&mut openssl, b"", LIMIT).unwrap().text();
        let digits = modulus.trim().strip_prefix("Modulus=").unwrap();
        let modulus: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let key = json!({
            "kty": "RSA", "kid": KEY_ID, "use": "sig", "alg": "RS256", "e": "AQAB", "n": base64_url(&modulus),
        });
        json!({ "keys": [key] })
    }

    fn answer(&self, stream: TcpStream) {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut reader = BufReader::new(&stream);
        let Some(request) = IssuerRequest::read(&mut reader) else { return };
        let (status, body) = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/jwks.json") => ("200 OK", self.keys()),
            ("POST", "/token") => self.hand_out(&request),
            _ => ("404 Not Found", json!({ "error": "invalid_request" })),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // Who does not wait for the answer does not want it.
        let _ = (&stream).write_all((head + &body).as_bytes());
    }

    /// RFC 6749 section 4.4
    fn hand_out(&self, request: &IssuerRequest) -> (&'static str, Value) {
        if request.form.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return ("400 Bad IssuerRequest", json!({ "error": "unsupported_grant_type" }));
        }
        let (id, secret) = request.credentials();
        if id.is_empty() || secret != format!("{id}-secret") {
            let error = json!({ "error": "invalid_client", "error_description": "the secret is wrong" });
            return ("401 Unauthorized", error);
        }
        let claims = TokenClaims { subject: id, ..TokenClaims::default() };
        let token = json!({
            "access_token": self.token(&claims), "token_type": "Bearer", "expires_in": claims.lifetime_seconds,
        });
        ("200 OK", token)
    }
}

/// As far as an issuer reads it.
struct IssuerRequest {
    method: String,
    path: String,
    authorization: String,
    form: BTreeMap<String, String>,
}

impl IssuerRequest {
    fn read(reader: &mut impl BufRead) -> Option<IssuerRequest> {
        let mut line = String::new();
        let mut next = || {
            line.clear();
            reader.read_line(&mut line).ok().map(|_| line.trim_end().to_owned())
        };
        let first = next()?;
        let mut words = first.split(' ').map(str::to_owned);
        let mut request = IssuerRequest {
            method: words.next()?,
            path: words.next()?,
            authorization: String::new(),
            form: BTreeMap::new(),
        };
        let mut length = 0;
        while let Some((name, value)) = next()?.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => request.authorization = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let pairs = String::from_utf8(body).ok()?;
        request.form = pairs
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        Some(request)
    }

    /// By HTTP's basic authentication, or within the form.
    fn credentials(&self) -> (String, String) {
        let of_form = |name| self.form.get(name).cloned().unwrap_or_default();
        let Some(basic) = self.authorization.strip_prefix("Basic ") else {
            return (of_form("client_id"), of_form("client_secret"));
        };
        let mut openssl = Command::new("openssl");
        openssl.args(["base64", "-d", "-A"]);
        let pair = run(&mut openssl, basic.as_bytes(), LIMIT).map(|output| output.text()).unwrap_or_default();
        let (id, secret) = pair.split_once(':').unwrap_or_default();
        (decoded(id), decoded(secret))
    }
}

/// Of `application/x-www-form-urlencoded`.
fn decoded(text: &str) -> String {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                found.push(code);
                at += 2;
            }
            (b'+', _) => found.push(b' '),
            _ => found.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// Without padding.
fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            write!(text, "{}", char::from(DIGITS[number >> (18 - 6 * digit) & 63])).unwrap();
        }
    }
    text
}

/// What the brokers expect of a token.
pub const AUDIENCE: &str = "kafka";
pub const ISSUER: &str = "http://issuer.test";
const KEY_ID: &str = "k1";
const LIMIT: Duration = Duration::from_secs(60);
