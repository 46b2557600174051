//! The message of OAUTHBEARER (RFC 7628), and unsecured tokens.
//!
//! Owns: reading both. Must not know: who judges tokens.
//! Source: Kafka's `OAuthBearerClientInitialResponse` and `OAuthBearerUnsecuredJws`.

use std::time::Duration;

use crate::base64;

/// What a client presents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BearerMessage {
    pub(super) authorization_id: String,
    pub(super) token: String,
    pub(super) extensions: Vec<(String, String)>,
}

impl BearerMessage {
    /// `n,a=ID,` and the pairs, each behind the byte 1; two of them at the end.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (header, pairs) = text.split_once('\u{1}')?;
        let header = header.strip_prefix("n,")?.strip_suffix(',')?;
        let authorization_id = match header {
            "" => String::new(),
            other => other.strip_prefix("a=")?.to_owned(),
        };
        let (mut token, mut extensions) = (None, Vec::new());
        for pair in pairs.strip_suffix("\u{1}\u{1}")?.split('\u{1}') {
            let (name, value) = pair.split_once('=')?;
            if name != "auth" {
                extensions.push((name.to_owned(), value.to_owned()));
            } else if value.get(..7)?.eq_ignore_ascii_case("bearer ") {
                token = Some(value.get(7..)?.trim().to_owned());
            }
        }
        token.map(|token| Self { authorization_id, token, extensions })
    }
}

/// Whom an unsecured token is for, and until when since 1970 it is valid; `None` if it is no such token.
pub(super) fn unsecured(token: &str) -> Option<(String, Option<Duration>)> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if !signature.is_empty() || parts.next().is_some() || string_of(&json(header)?, "alg")? != "none" {
        return None;
    }
    let claims = json(claims)?;
    let end = number_of(&claims, "exp").map(Duration::try_from_secs_f64).transpose().ok()?;
    Some((string_of(&claims, "sub")?, end))
}

fn json(part: &str) -> Option<String> {
    String::from_utf8(base64::decode(part)?).ok()
}

/// The string of this name in an object. Names inside other objects are not told from those outside, and escapes stay:
/// this is for tests.
fn string_of(json: &str, name: &str) -> Option<String> {
    let value = value_of(json, name)?.strip_prefix('"')?;
    value.split_once('"').map(|(value, _)| value.to_owned())
}

fn number_of(json: &str, name: &str) -> Option<f64> {
    let value = value_of(json, name)?;
    let end =
        value.find(|it: char| !matches!(it, '0'..='9' | '.' | '-' | 'e' | 'E' | '+')).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

fn value_of<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = json.split_once(&format!("\"{name}\""))?;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let part =
            |text: &str| base64::encode(text.as_bytes()).replace('=', "").replace('+', "-").replace('/', "_");
        format!("{}.{}.", part(header), part(claims))
    }

    #[test]
    fn messages_are_read() {
        let read = |text: &str| BearerMessage::read(text.as_bytes());
        let message = read("n,a=bob,\u{1}auth=Bearer abc\u{1}traceId=1\u{1}\u{1}").unwrap();
        assert_eq!((&*message.authorization_id, &*message.token), ("bob", "abc"));
        assert_eq!(message.extensions, [("traceId".to_owned(), "1".to_owned())]);
        assert_eq!(read("n,,\u{1}auth=bearer abc\u{1}\u{1}").unwrap().token, "abc");
        for wrong in [
            "",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Basic a\u{1}\u{1}",
            "y,,\u{1}auth=Bearer a\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn unsecured_tokens_are_read() {
        let header = r#"{"alg":"none"}"#;
        let claims = r#"{"sub" : "alice", "iat":1.5e9, "exp": 1700000000.5}"#;
        let end = Duration::from_millis(1_700_000_000_500);
        assert_eq!(unsecured(&token(header, claims)), Some(("alice".to_owned(), Some(end))));
        assert_eq!(unsecured(&token(header, r#"{"sub":"a"}"#)), Some(("a".to_owned(), None)));
        assert_eq!(unsecured(&token(r#"{"alg":"RS256"}"#, claims)), None);
        assert_eq!(unsecured(&token(header, r#"{"exp":1}"#)), None);
        assert_eq!(unsecured(&format!("{}x", token(header, claims))), None);
        assert_eq!(unsecured("abc"), None);
    }
}
