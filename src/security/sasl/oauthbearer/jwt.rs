//! What stands in a token that is a JWT, as far as a client looks at it.
//!
//! Owns: taking it apart, which claims there have to be. Must not know: signatures, where it came from.
//! Holds: a stranger's text is bounded in depth by the parser and in size by whoever read it; no error shows a token.
//! Source: Java's `ClientJwtValidator`, `SerializedJwt`, `ClaimValidationUtils`; RFC 7519.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

use crate::counted::Counted;
use crate::escape::Escaped;

/// Under which names claims stand: `sasl.oauthbearer.scope.claim.name`, `sasl.oauthbearer.sub.claim.name`.
#[derive(Debug, Clone)]
pub(super) struct ClaimNames {
    pub(super) scope: String,
    pub(super) subject: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        ClaimNames { scope: "scope".to_owned(), subject: "sub".to_owned() }
    }
}

/// What a client wants to know of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) expires_at: SystemTime,
    pub(super) issued_at: Option<SystemTime>,
    pub(super) subject: String,
}

impl Claims {
    /// Reads and checks them.
    pub(super) fn read(token: &str, names: &ClaimNames) -> Result<Claims, String> {
        let payload = payload(token)?;
        check_scope(&names.scope, payload.get(&names.scope))?;
        let expires_at = time_claim(&payload, "exp")?;
        let expires_at = expires_at.ok_or("the token has no claim \"exp\", so nobody knows when it ends")?;
        let issued_at = time_claim(&payload, "iat")?;
        let name = Escaped(&names.subject);
        let subject = match payload.get(&names.subject) {
            Some(Json::String(text)) if !text.trim().is_empty() => text.trim().to_owned(),
            Some(Json::String(_)) => return Err(format!("the token's claim \"{name}\" is empty")),
            None | Some(Json::Null) => {
                return Err(format!(
                    "the token has no claim \"{name}\", so nobody knows whose it is; \
                     sasl.oauthbearer.sub.claim.name may name another"
                ));
            }
            Some(_) => return Err(format!("the token's claim \"{name}\" is not a text")),
        };
        Ok(Claims { expires_at, issued_at, subject })
    }
}

/// Whether this looks like a JWT.
pub(super) fn sections(token: &str) -> Result<[&str; 3], String> {
    let token = token.trim();
    let sections: Vec<&str> = token.split('.').map(str::trim).collect();
    match sections[..] {
        [header, payload, signature] if ![header, payload, signature].contains(&"") => {
            Ok([header, payload, signature])
        }
        [_, _, _] => Err("the token is not a JWT: header, payload or signature is empty".to_owned()),
        _ if token.is_empty() => Err("the token is empty".to_owned()),
        _ => Err(format!(
            "the token is not a JWT: it has {}, and a JWT has three with dots between them",
            Counted(sections.len() as u64, "part")
        )),
    }
}

fn payload(token: &str) -> Result<Map<String, Json>, String> {
    let [_, payload, _] = sections(token)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
    let bytes = bytes.map_err(|_| "the token is not a JWT: its payload is not base64url")?;
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(claims)) => Ok(claims),
        Ok(_) => Err("the token is not a JWT: its payload is not a JSON object".to_owned()),
        Err(_) => Err("the token is not a JWT: its payload is not JSON".to_owned()),
    }
}

/// A list of texts, or one; each of them once.
fn check_scope(name: &str, claim: Option<&Json>) -> Result<(), String> {
    let name = Escaped(name);
    let scopes: Vec<&Json> = match claim {
        Some(text @ Json::String(_)) => vec![text],
        Some(Json::Array(scopes)) => scopes.iter().collect(),
        _ => return Ok(()),
    };
    let mut seen = Vec::new();
    for scope in scopes {
        let Some(scope) = scope.as_str().map(str::trim).filter(|scope| !scope.is_empty()) else {
            return Err(format!("the token's claim \"{name}\" holds something that is empty or not a text"));
        };
        if seen.contains(&scope) {
            return Err(format!("the token's claim \"{name}\" holds the same scope twice"));
        }
        seen.push(scope);
    }
    Ok(())
}

/// Seconds since 1970.
fn time_claim(payload: &Map<String, Json>, name: &str) -> Result<Option<SystemTime>, String> {
    let number = match payload.get(name) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Number(number)) => number.as_f64(),
        Some(_) => None,
    };
    let time = number
        .filter(|seconds| (0.0..LATEST).contains(seconds))
        .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs_f64(seconds)));
    match time {
        Some(time) => Ok(Some(time)),
        None => Err(format!(
            "the token's claim \"{name}\" is not a time, which is a number of seconds since 1970"
        )),
    }
}

/// The year 9999.
const LATEST: f64 = 253_402_300_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    pub(in super::super) fn jwt(payload: &str) -> String {
        format!("aGVhZA.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn read(payload: &str) -> Result<Claims, String> {
        Claims::read(&jwt(payload), &ClaimNames::default())
    }

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn claims_are_read() {
        let claims = read(r#"{"sub":" svc ","exp":1700000000,"iat":1699999999.5,"scope":"a","other":[{}]}"#);
        let expected =
            Claims { expires_at: at(1.7e9), issued_at: Some(at(1_699_999_999.5)), subject: "svc".into() };
        assert_eq!(claims, Ok(expected));
        for scope in [r#"["a","b"]"#, "[]", "null", "7"] {
            assert!(read(&format!(r#"{{"sub":"svc","exp":7,"scope":{scope}}}"#)).is_ok(), "{scope}");
        }
        let names = ClaimNames { scope: "scp".into(), subject: "client_id".into() };
        let other = Claims::read(&jwt(r#"{"client_id":"me","exp":1,"scope":["",""]}"#), &names).unwrap();
        assert_eq!(other.subject, "me");
    }

    #[test]
    fn what_is_missing_or_not_what_it_should_be_is_named() {
        for (payload, named) in [
            (r#"{"sub":"svc"}"#, "no claim \"exp\""),
            (r#"{"sub":"svc","exp":null}"#, "no claim \"exp\""),
            (r#"{"sub":"svc","exp":"7"}"#, "\"exp\" is not a time"),
            (r#"{"sub":"svc","exp":-1}"#, "\"exp\" is not a time"),
            (r#"{"sub":"svc","exp":1e300}"#, "\"exp\" is not a time"),
            (r#"{"sub":"svc","exp":1,"iat":-1}"#, "\"iat\" is not a time"),
            (r#"{"exp":1}"#, "no claim \"sub\""),
            (r#"{"exp":1,"sub":" "}"#, "\"sub\" is empty"),
            (r#"{"exp":1,"sub":7}"#, "\"sub\" is not a text"),
            (r#"{"exp":1,"sub":"a","scope":["a","a"]}"#, "the same scope twice"),
            (r#"{"exp":1,"sub":"a","scope":[""]}"#, "empty or not a text"),
            (r#"{"exp":1,"sub":"a","scope":" "}"#, "empty or not a text"),
            ("[]", "not a JSON object"),
            ("{", "not JSON"),
        ] {
            let error = read(payload).unwrap_err();
            assert!(error.contains(named), "{payload}: {error}");
        }
    }

    #[test]
    fn what_is_no_jwt_is_not_shown() {
        for (token, named) in [
            ("", "is empty"),
            (" ", "is empty"),
            ("tiger", "1 part,"),
            ("tiger.tiger", "2 parts"),
            ("tiger.tiger.", "is empty"),
            ("a.b.c.d", "4 parts"),
            ("tiger.***.tiger", "not base64url"),
        ] {
            let error = Claims::read(token, &ClaimNames::default()).unwrap_err();
            assert!(error.contains(named) && !error.contains("tiger"), "{token}: {error}");
        }
    }
}
