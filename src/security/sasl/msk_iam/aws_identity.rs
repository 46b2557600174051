//! `AwsIdentity`: keys by which AWS knows us, and the region that is ours.
//!
//! Owns: the types, which region a host is in. Must not know: where keys come from.
//! Holds: keys are never printed.

use std::fmt;
use std::time::SystemTime;

use crate::secret::Secret;
use crate::security::sasl::refresh_time::Lifetime;
use crate::security::sasl::refreshing_login::ExpiringCredential;

/// An access key.
#[derive(Clone)]
pub(super) struct AwsKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Option<Secret>,
    pub(super) expires_at: Option<SystemTime>,
}

/// Keys, and the region where a broker's name says none.
#[derive(Debug, Clone)]
pub(crate) struct AwsIdentity {
    pub(super) keys: AwsKeys,
    pub(super) region: Option<String>,
}

impl ExpiringCredential for AwsIdentity {
    fn lifetime(&self) -> Lifetime {
        Lifetime { starts: None, ends: self.keys.expires_at }
    }
}

/// The key's id, which is no secret.
impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The region in a broker's name: `b-1.demo.abc.c2.kafka.eu-central-1.amazonaws.com`.
pub(super) fn region_of_host(host: &str) -> Option<&str> {
    host.split('.').find(|label| is_region(label))
}

/// `us-east-1`, `us-gov-west-1`
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let [area, places @ .., number] = &parts[..] else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    area.len() == 2
        && (1..=2).contains(&places.len())
        && is_word(area)
        && places.iter().all(|place| place.len() >= 3 && is_word(place))
        && !number.is_empty()
        && number.len() <= 2
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_brokers_name() {
        for (host, region) in [
            ("b-3.unit-test.abcdef.kafka.us-west-2.amazonaws.com", Some("us-west-2")),
            ("boot-abc.c2.kafka-serverless.us-gov-east-1.amazonaws.com", Some("us-gov-east-1")),
            ("b-1.x.kafka.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("abcd.efgh.com", None),
            ("my-b-1.example.com", None),
            ("kafka", None),
            ("", None),
            ("us--1.x", None),
        ] {
            assert_eq!(region_of_host(host), region, "{host}");
        }
    }
}
