//! AWS's signatures, version 4.
//!
//! Owns: the arithmetic. Must not know: what is signed, where keys come from.
//! Source: AWS's documentation of Signature Version 4 and its test suite.

use std::fmt::Write;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::aws_identity::AwsKeys;
use super::aws_time::compact_time;
use crate::security::sasl::form::uri_encoded;

/// Who signs, where, for what and when.
#[derive(Debug)]
pub(super) struct Signing<'a> {
    pub(super) keys: &'a AwsKeys,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) now: SystemTime,
}

/// A request as it is signed; headers by their names in lower case, in order.
#[derive(Debug)]
pub(super) struct SignedRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The hash of the body, or what stands for it.
    pub(super) payload_hash: &'a str,
}

impl Signing<'_> {
    /// `KEYID/20150830/us-east-1/service/aws4_request`
    pub(super) fn credential(&self) -> String {
        format!("{}/{}", self.keys.access_key_id, self.scope())
    }

    /// `20150830T123600Z`
    pub(super) fn time(&self) -> String {
        compact_time(self.now)
    }

    /// The query of a request that is signed in its query, `expires` seconds long, and the signature: the parameters in
    /// order, not encoded.
    pub(super) fn presigned_parameters(
        &self,
        host: &str,
        path: &str,
        own: &[(&str, &str)],
        expires: u64,
    ) -> Vec<(String, String)> {
        self.presigned(host, path, own, expires, &hex_sha256(b""))
    }

    fn presigned(
        &self,
        host: &str,
        path: &str,
        own: &[(&str, &str)],
        // Seconds, and what stands for the body.
        expires: u64,
        payload_hash: &str,
    ) -> Vec<(String, String)> {
        let mut parameters: Vec<(String, String)> =
            own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut add = |name: &str, value: String| parameters.push((name.to_owned(), value));
        add("X-Amz-Algorithm", ALGORITHM.to_owned());
        add("X-Amz-Credential", self.credential());
        add("X-Amz-Date", self.time());
        add("X-Amz-Expires", expires.to_string());
        if let Some(token) = &self.keys.session_token {
            add("X-Amz-Security-Token", token.expose().to_owned());
        }
        add("X-Amz-SignedHeaders", "host".to_owned());
        parameters.sort();
        let query = query_of(&parameters);
        let headers = [("host", host)];
        let request = SignedRequest { method: "GET", path, query: &query, headers: &headers, payload_hash };
        parameters.push(("X-Amz-Signature".to_owned(), self.signature(&request)));
        parameters
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, request: &SignedRequest<'_>) -> String {
        format!(
            "{ALGORITHM} Credential={}, SignedHeaders={}, Signature={}",
            self.credential(),
            signed_headers(request.headers),
            self.signature(request)
        )
    }

    fn signature(&self, request: &SignedRequest<'_>) -> String {
        let SignedRequest { method, path, query, headers, payload_hash } = request;
        let mut canonical = Zeroizing::new(format!("{method}\n{path}\n{query}\n"));
        for (name, value) in *headers {
            for part in [name, ":", value.trim(), "\n"] {
                canonical.push_str(part);
            }
        }
        let signed = signed_headers(headers);
        for part in ["\n", &signed, "\n", payload_hash] {
            canonical.push_str(part);
        }
        let to_sign =
            format!("{ALGORITHM}\n{}\n{}\n{}", self.time(), self.scope(), hex_sha256(canonical.as_bytes()));
        hex(&*hmac_sha256(&*self.key(), to_sign.as_bytes()))
    }

    fn key(&self) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(format!("AWS4{}", self.keys.secret_access_key.expose()));
        let key = hmac_sha256(secret.as_bytes(), self.day().as_bytes());
        let key = hmac_sha256(&*key, self.region.as_bytes());
        let key = hmac_sha256(&*key, self.service.as_bytes());
        hmac_sha256(&*key, TERMINATION.as_bytes())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATION}", self.day(), self.region, self.service)
    }

    fn day(&self) -> String {
        self.time().chars().take(8).collect()
    }
}

/// Names and values, encoded, as they stand in a URL.
pub(super) fn query_of(parameters: &[(String, String)]) -> Zeroizing<String> {
    let mut query = Zeroizing::new(String::new());
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&uri_encoded(name));
        query.push('=');
        query.push_str(&uri_encoded(value));
    }
    query
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn signed_headers(headers: &[(&str, &str)]) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.join(";")
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // Any length will do for a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::new([0; 32]) };
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATION: &str = "aws4_request";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::secret::Secret;

    fn keys(id: &str, secret: &str) -> AwsKeys {
        AwsKeys {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::from(secret),
            session_token: None,
            expires_at: None,
        }
    }

    fn signing<'a>(keys: &'a AwsKeys, service: &'a str, seconds: u64) -> Signing<'a> {
        Signing { keys, region: "us-east-1", service, now: UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    /// 20150830T123600Z
    const SUITE: u64 = 1_440_938_160;

    /// AWS's published test suite (get-vanilla, post-vanilla, get-vanilla-query-order-key-case).
    #[test]
    fn requests_of_awss_test_suite_have_its_signatures() {
        let keys = keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let signing = signing(&keys, "service", SUITE);
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        for (method, query, signature) in [
            ("GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET",
                "Param1=value1&Param2=value2",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let payload_hash = &hex_sha256(b"");
            let request = SignedRequest { method, path: "/", query, headers: &headers, payload_hash };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(signing.authorization(&request), expected);
        }
    }

    /// The example of AWS's documentation that derives a key and signs `ListUsers`.
    #[test]
    fn awss_documented_request_has_its_signature() {
        let keys = keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let signing = signing(&keys, "iam", SUITE);
        assert_eq!(hex(&*signing.key()), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let request = SignedRequest {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            payload_hash: &hex_sha256(b""),
        };
        let authorization = signing.authorization(&request);
        let signature = "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert!(authorization.ends_with(signature), "{authorization}");
    }

    /// The example of S3's documentation for requests that are signed in their query.
    #[test]
    fn awss_documented_url_has_its_signature() {
        let keys = keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        // 20130524T000000Z
        let signing = signing(&keys, "s3", 1_369_353_600);
        let host = "examplebucket.s3.amazonaws.com";
        let parameters = signing.presigned(host, "/test.txt", &[], 86_400, "UNSIGNED-PAYLOAD");
        assert_eq!(
            *query_of(&parameters),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
             aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
             aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }
}
