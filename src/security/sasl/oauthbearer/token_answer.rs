//! What a token endpoint answers (RFC 6749, section 5).
//!
//! Owns: the token in it, and what may be shown of a refusal. Must not know: HTTP beyond the status, what the token is for.
//! Holds: of an answer with a token nothing is shown; of a refusal one line.
//! Source: Java's `JwtResponseParser` and `HttpJwtRetriever`.

use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use crate::escape::Escaped;
use crate::security::sasl::refreshing_login::NoCredential;

/// The token, or why there is none. The body is bounded by whoever read it.
pub(crate) fn token_of_answer(status: u16, body: &[u8]) -> Result<Zeroizing<String>, NoCredential> {
    if !matches!(status, 200 | 201) {
        let text = format!("it answered {status}{}", refusal(body));
        let is_final = FINAL.contains(&status);
        return Err(NoCredential { text, is_final, source: None });
    }
    let Ok(answer) = serde_json::from_slice::<Map<String, Json>>(body) else {
        return Err(NoCredential::lasting(format!("it answered {status} with what is not a JSON object")));
    };
    let field = |name| answer.get(name).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
    match field("access_token").or_else(|| field("id_token")) {
        Some(token) => Ok(Zeroizing::new(token.to_owned())),
        None => {
            let names: Vec<&str> = answer.keys().map(String::as_str).take(10).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let names = Escaped(&names);
            let text = format!("its answer has neither access_token nor id_token, but {names}");
            Err(NoCredential::lasting(text))
        }
    }
}

/// What the provider says of it: `error` and `error_description`, as others call them, or the first words.
fn refusal(body: &[u8]) -> String {
    let parsed = serde_json::from_slice::<Map<String, Json>>(body);
    let field = |name: &str| {
        let text = parsed.as_ref().ok()?.get(name)?.as_str()?;
        Some(text.chars().take(300).collect::<String>())
    };
    let pair = |error: &str, words: &str| match (field(error), field(words)) {
        (Some(error), Some(words)) => Some(format!("{error}: {words}")),
        (error, words) => error.or(words),
    };
    let text = pair("error", "error_description").or_else(|| pair("errorCode", "errorSummary"));
    let text = text.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        text.trim().chars().take(200).collect()
    });
    if text.is_empty() { String::new() } else { format!(": {}", Escaped(&text)) }
}

/// Statuses after which the same question would get the same answer.
const FINAL: [u16; 17] =
    [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 501, 505];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> (String, bool) {
        let NoCredential { text, is_final, .. } = token_of_answer(status, body.as_bytes()).unwrap_err();
        (text, is_final)
    }

    #[test]
    fn the_access_token_is_taken_or_else_the_id_token() {
        for (body, token) in [
            (r#"{"access_token":" a.b.c ","id_token":"x","expires_in":300}"#, "a.b.c"),
            (r#"{"id_token":"x.y.z","access_token":" "}"#, "x.y.z"),
            (r#"{"access_token":7,"id_token":"x.y.z"}"#, "x.y.z"),
        ] {
            assert_eq!(token_of_answer(200, body.as_bytes()).unwrap().as_str(), token);
            assert_eq!(token_of_answer(201, body.as_bytes()).unwrap().as_str(), token);
        }
    }

    #[test]
    fn an_answer_without_a_token_is_not_shown_but_for_its_names() {
        for (body, named) in [
            (r#"{"token":"tiger","scope":"tiger"}"#, "but scope, token"),
            ("{}", "but nothing"),
            ("tiger", "not a JSON object"),
            (r#"["tiger"]"#, "not a JSON object"),
            ("", "not a JSON object"),
        ] {
            let (text, is_final) = refused(200, body);
            assert!(text.contains(named) && !text.contains("tiger") && is_final, "{text}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_providers_words() {
        for (status, body, text, is_final) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"bad secret"}"#,
                "it answered 401: invalid_client: bad secret",
                true,
            ),
            (400, r#"{"errorCode":"E7","errorSummary":"no"}"#, "it answered 400: E7: no", true),
            (403, r#"{"error":"a\nb"}"#, "it answered 403: a\\nb", true),
            (503, "<html>over\u{1b}loaded", "it answered 503: <html>over\\u{1b}loaded", false),
            (429, "", "it answered 429", false),
            (302, "", "it answered 302", false),
        ] {
            assert_eq!(refused(status, body), (text.to_owned(), is_final));
        }
        assert!(refused(500, &"x".repeat(100_000)).0.len() < 300);
    }
}
