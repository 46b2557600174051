//! Keys as AWS's services answer them: JSON of the metadata services, XML of STS.
//!
//! Owns: both forms. Must not know: who was asked.
//! Holds: no error shows a key.

use serde_json::{Map, Value as Json};

use super::aws_identity::AwsKeys;
use super::aws_time::read_time;
use crate::escape::Escaped;
use crate::secret::Secret;

/// What the metadata services of containers and machines answer.
pub(super) fn keys_of_json(body: &[u8]) -> Result<AwsKeys, String> {
    let answer = serde_json::from_slice::<Map<String, Json>>(body)
        .map_err(|_| "answered what is not a JSON object")?;
    let field = |name: &str| answer.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    if let Some(code) = field("Code").filter(|code| *code != "Success") {
        let message = field("Message").unwrap_or_default();
        return Err(format!("answered {}: {}", Escaped(code), Escaped(message)));
    }
    keys(field)
}

/// What STS answers.
pub(super) fn keys_of_xml(status: u16, body: &[u8]) -> Result<AwsKeys, String> {
    let text = String::from_utf8_lossy(body);
    if status != 200 {
        let code = element(&text, "Code").unwrap_or("no code");
        let message = element(&text, "Message").unwrap_or_default();
        return Err(format!("answered {status}, {}: {}", Escaped(code), Escaped(message)));
    }
    let credentials = element(&text, "Credentials").ok_or("answered without credentials")?;
    keys(|name| element(credentials, if name == "Token" { "SessionToken" } else { name }))
}

fn keys<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<AwsKeys, String> {
    let missing = |name: &str| format!("answered without {name}");
    let expires_at = match field("Expiration") {
        None => None,
        Some(text) => Some(read_time(text).ok_or("answered an Expiration that is no time")?),
    };
    Ok(AwsKeys {
        access_key_id: field("AccessKeyId").ok_or_else(|| missing("AccessKeyId"))?.to_owned(),
        secret_access_key: field("SecretAccessKey").ok_or_else(|| missing("SecretAccessKey"))?.into(),
        session_token: field("Token").map(Secret::from),
        expires_at,
    })
}

/// What stands in the first element of this name. Keys have no characters that XML escapes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inside.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_json() {
        let body = br#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"tiger","Token":"lion",
                        "Expiration":"2015-08-30T12:36:00Z"}"#;
        let keys = keys_of_json(body).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose()), ("ID", "tiger"));
        assert_eq!(keys.session_token.map(|token| token.expose().to_owned()), Some("lion".to_owned()));
        assert_eq!(keys.expires_at, read_time("2015-08-30T12:36:00Z"));
        for (body, named) in [
            ("tiger", "not a JSON object"),
            (r#"{"AccessKeyId":"ID"}"#, "without SecretAccessKey"),
            (r#"{"SecretAccessKey":"tiger"}"#, "without AccessKeyId"),
            (r#"{"AccessKeyId":"ID","SecretAccessKey":"tiger","Expiration":"soon"}"#, "no time"),
            (r#"{"Code":"Failed","Message":"no\nrole"}"#, "Failed: no\\nrole"),
        ] {
            let error = keys_of_json(body.as_bytes()).unwrap_err();
            assert!(error.contains(named) && !error.contains("tiger"), "{error}");
        }
    }

    #[test]
    fn keys_are_read_from_xml() {
        let body = b"<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>
            <SessionToken>li/on=</SessionToken><SecretAccessKey>tiger</SecretAccessKey>
            <Expiration>2015-08-30T12:36:00Z</Expiration><AccessKeyId>ID</AccessKeyId></Credentials>
            </AssumeRoleResult></AssumeRoleResponse>";
        let keys = keys_of_xml(200, body).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose()), ("ID", "tiger"));
        assert!(keys.session_token.unwrap().expose() == "li/on=" && keys.expires_at.is_some());
        let refusal =
            b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        assert_eq!(keys_of_xml(403, refusal).unwrap_err(), "answered 403, AccessDenied: no");
        assert!(keys_of_xml(200, b"<Credentials><SecretAccessKey>tiger</Credentials>").is_err());
        assert!(keys_of_xml(200, b"").is_err());
    }
}
