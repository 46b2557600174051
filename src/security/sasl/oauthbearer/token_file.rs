//! `TokenFile`: a token that something else puts into a file, as Kubernetes does.
//!
//! Owns: reading it, each time that a token is needed. Must not know: who writes it.
//! Source: Java's `FileJwtRetriever`, `file:` in `sasl.oauthbearer.token.endpoint.url`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::jwt::ClaimNames;
use super::token_provider::OAuthBearerToken;
use crate::config::open_regular;
use crate::escape::Escaped;
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

/// What every fetched JWT is made a token with.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenRules {
    pub(super) names: ClaimNames,
    pub(super) extensions: BTreeMap<String, String>,
}

impl TokenRules {
    /// The token, or what is wrong with it.
    pub(super) fn token(&self, jwt: &str) -> Result<OAuthBearerToken, String> {
        let token = OAuthBearerToken::of_claims(jwt, &self.names)?;
        let token =
            self.extensions.iter().fold(token, |token, (name, value)| token.with_extension(name, value));
        token.check().map(|()| token)
    }
}

#[derive(Debug)]
pub(super) struct TokenFile {
    pub(super) path: PathBuf,
    pub(super) rules: TokenRules,
}

impl CredentialSource<OAuthBearerToken> for TokenFile {
    fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
        let text = read_secret_file(&self.path, "sasl.oauthbearer.token.endpoint.url")
            .map_err(NoCredential::passing)?;
        let shown = self.path.to_string_lossy();
        let refused = |text| NoCredential::passing(format!("{} in the file {}", text, Escaped(&shown)));
        self.rules.token(&text).map_err(refused)
    }
}

/// Reads a file that holds a token, a key or the like; `setting` names it.
pub(crate) fn read_secret_file(path: &Path, setting: &str) -> Result<Zeroizing<String>, String> {
    let shown = path.to_string_lossy();
    let refused = |text: String| format!("{setting}: the file {} {text}", Escaped(&shown));
    let unread = |error: std::io::Error| refused(format!("cannot be read: {error}"));
    let file = open_regular(path).map_err(|(problem, _)| refused(format!("cannot be read: {problem}")))?;
    // Room for all of it at once: growing would leave copies behind.
    let size = file.metadata().map_or(0, |metadata| metadata.len()).min(MOST_BYTES);
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refused(format!("is larger than {MOST_BYTES} bytes, which no token and no key is")));
    }
    Ok(text)
}

/// Brokers take half of this.
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn file(name: &str, text: &[u8]) -> TokenFile {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let extensions = BTreeMap::from([("zone".to_owned(), "north".to_owned())]);
        TokenFile { path, rules: TokenRules { extensions, ..TokenRules::default() } }
    }

    #[test]
    fn what_stands_in_the_file_now_is_the_token() {
        let jwt = |sub: &str| {
            let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{sub}","exp":7}}"#));
            format!("aGVhZA.{payload}.c2ln")
        };
        let file = file("token", format!("  {}\n", jwt("first")).as_bytes());
        let token = file.fetch().unwrap();
        assert_eq!((token.value(), token.principal_name()), (jwt("first").as_str(), Some("first")));
        assert_eq!(token.extensions()["zone"], "north");
        std::fs::write(&file.path, jwt("second")).unwrap();
        assert_eq!(file.fetch().unwrap().principal_name(), Some("second"));
        std::fs::remove_file(&file.path).unwrap();
        let NoCredential { text, is_final, .. } = file.fetch().unwrap_err();
        assert!(
            text.contains("cannot be read") && text.contains("token.endpoint.url") && !is_final,
            "{text}"
        );
    }

    #[test]
    fn what_is_no_token_is_said_and_not_shown() {
        for (content, named) in [
            (&b"tiger"[..], "not a JWT"),
            (b"\xff\xfe", "cannot be read"),
            (b"", "the token is empty"),
            (&vec![b'a'; (MOST_BYTES + 1) as usize], "larger than"),
        ] {
            let file = file("bad", content);
            let text = file.fetch().unwrap_err().text;
            assert!(text.contains(named) && !text.contains("tiger"), "{text}");
            std::fs::remove_file(&file.path).unwrap();
        }
    }

    /// Reading a pipe waits until somebody writes.
    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let file = file("pipe", b"");
        std::fs::remove_file(&file.path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file.path).status().unwrap().success());
        let text = file.fetch().unwrap_err().text;
        assert!(text.contains("cannot be read: it is a pipe, a device or a socket"), "{text}");
        std::fs::remove_file(&file.path).unwrap();
    }
}
