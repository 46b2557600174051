//! Tokens that nobody has signed, made here from `sasl.jaas.config`. For tests: whoever may connect is whoever he says.
//!
//! Owns: the options and the token that they make. Must not know: connections, whether this is allowed.
//! Source: Java's `OAuthBearerUnsecuredLoginCallbackHandler`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};

use super::token_provider::{OAuthBearerToken, check_extension};
use crate::escape::Escaped;
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};
use crate::stage;

/// What the options of the login module say.
#[derive(Debug)]
pub(super) struct UnsecuredLogin {
    principal: String,
    claims: Map<String, Json>,
    lifetime: Duration,
    extensions: BTreeMap<String, String>,
}

impl UnsecuredLogin {
    /// Reads the options; names and values are no secrets.
    pub(super) fn read<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let (mut claims, mut extensions) = (Map::new(), BTreeMap::new());
        let (mut principal_name, mut lifetime) = ("sub".to_owned(), 3600.0);
        for (option, value) in options {
            let Some(what) = option.strip_prefix("unsecuredLogin") else { continue };
            if let Some(name) = what.strip_prefix("Extension_") {
                check_extension(name, value)?;
                extensions.insert(name.to_owned(), value.to_owned());
            } else if let Some((name, claim)) = claim(what, value).transpose()? {
                if matches!(name, "iat" | "exp") {
                    return Err(format!("the claim {name} of an unsecured token cannot be set by {option}"));
                }
                claims.insert(name.to_owned(), claim);
            } else if what == "LifetimeSeconds" {
                let seconds = value.trim().parse::<u32>();
                lifetime = f64::from(seconds.map_err(|_| format!("{option} is not a number of seconds"))?);
            } else if what == "PrincipalClaimName" && !value.trim().is_empty() {
                principal_name = value.trim().to_owned();
            }
        }
        let principal = match claims.get(&principal_name) {
            Some(Json::String(name)) if !name.trim().is_empty() => name.clone(),
            _ => {
                return Err(format!(
                    "an unsecured token needs a principal: the option unsecuredLoginStringClaim_{} of sasl.jaas.config",
                    Escaped(&principal_name)
                ));
            }
        };
        let lifetime = Duration::from_secs_f64(lifetime);
        Ok(UnsecuredLogin { principal, claims, lifetime, extensions })
    }

    /// A token that begins now.
    pub(super) fn token(&self, now: SystemTime) -> OAuthBearerToken {
        let ends = now + self.lifetime;
        let mut claims = self.claims.clone();
        claims.insert("iat".to_owned(), json!(seconds(now)));
        claims.insert("exp".to_owned(), json!(seconds(ends)));
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let payload = URL_SAFE_NO_PAD.encode(Json::Object(claims).to_string());
        let token = OAuthBearerToken::new(format!("{header}.{payload}."), ends);
        let token = token.with_start_time(now).with_principal_name(self.principal.as_str());
        self.extensions.iter().fold(token, |token, (name, value)| token.with_extension(name, value))
    }
}

impl CredentialSource<OAuthBearerToken> for UnsecuredLogin {
    fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
        Ok(self.token(stage::wall()))
    }
}

/// The claim that an option sets, if it does.
fn claim<'a>(option: &'a str, value: &str) -> Option<Result<(&'a str, Json), String>> {
    let named = |prefix: &str| option.strip_prefix(prefix).filter(|name| !name.is_empty());
    if let Some(name) = named("StringClaim_") {
        return Some(Ok((name, json!(value))));
    }
    if let Some(name) = named("ListClaim_") {
        return Some(Ok((name, list(value))));
    }
    let name = named("NumberClaim_")?;
    let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let refused = || format!("unsecuredLoginNumberClaim_{} is not a number", Escaped(name));
    Some(number.map(|number| (name, json!(number))).ok_or_else(refused))
}

/// The first character parts what follows: `|a|b`.
fn list(value: &str) -> Json {
    let mut rest = value.chars();
    match rest.next() {
        Some(delimiter) if !rest.as_str().is_empty() => rest.as_str().split(delimiter).collect(),
        _ => json!([]),
    }
}

fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // To the millisecond, as Java's.
    since.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<UnsecuredLogin, String> {
        UnsecuredLogin::read(options.iter().copied())
    }

    #[test]
    fn the_token_has_the_claims_of_the_options_and_no_signature() {
        let login = read(&[
            ("unsecuredLoginStringClaim_sub", "al\"ice"),
            ("unsecuredLoginNumberClaim_level", "7.5"),
            ("unsecuredLoginListClaim_scope", "|a|b"),
            ("unsecuredLoginListClaim_nothing", "|"),
            ("unsecuredLoginLifetimeSeconds", "60"),
            ("unsecuredLoginExtension_zone", "north"),
            ("somethingElse", "x"),
        ])
        .unwrap();
        let token = login.token(UNIX_EPOCH + Duration::from_millis(1_000_500));
        let sections: Vec<&str> = token.value().split('.').collect();
        let [header, payload, ""] = sections[..] else { panic!("{sections:?}") };
        let decoded = |section| String::from_utf8(URL_SAFE_NO_PAD.decode(section).unwrap()).unwrap();
        assert_eq!(decoded(header), r#"{"alg":"none"}"#);
        let expected =
            r#"{"exp":1060.5,"iat":1000.5,"level":7.5,"nothing":[],"scope":["a","b"],"sub":"al\"ice"}"#;
        assert_eq!(decoded(payload), expected);
        assert_eq!(token.expires_at(), UNIX_EPOCH + Duration::from_millis(1_060_500));
        assert_eq!(token.extensions()["zone"], "north");
        assert_eq!((token.principal_name(), token.check()), (Some("al\"ice"), Ok(())));
    }

    #[test]
    fn options_that_make_no_token_are_named() {
        let sub = ("unsecuredLoginStringClaim_sub", "alice");
        for (options, named) in [
            (vec![], "unsecuredLoginStringClaim_sub"),
            (vec![("unsecuredLoginStringClaim_sub", " ")], "unsecuredLoginStringClaim_sub"),
            (vec![sub, ("unsecuredLoginPrincipalClaimName", "who")], "unsecuredLoginStringClaim_who"),
            (vec![sub, ("unsecuredLoginNumberClaim_n", "x")], "NumberClaim_n is not a number"),
            (vec![sub, ("unsecuredLoginNumberClaim_exp", "7")], "exp"),
            (vec![sub, ("unsecuredLoginLifetimeSeconds", "-1")], "LifetimeSeconds"),
            (vec![sub, ("unsecuredLoginExtension_auth", "x")], "auth"),
        ] {
            let error = read(&options).unwrap_err();
            assert!(error.contains(named), "{options:?}: {error}");
        }
    }
}
