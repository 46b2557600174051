//! Tokens for OAUTHBEARER that are URLs which we have signed.
//!
//! Owns: the token. Must not know: the exchange, where keys come from.
//! Source: `IAMOAuthBearerLoginCallbackHandler`, `IAMOAuthBearerToken`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::aws_identity::AwsIdentity;
use super::credential_chain::CredentialChain;
use super::msk_exchange::{ACTION, EXPIRES, SERVICE, USER_AGENT};
use super::sigv4::{Signing, query_of};
use crate::security::sasl::oauthbearer::OAuthBearerToken;
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

/// Signs with what the chain finds.
#[derive(Debug)]
pub(super) struct IamTokenSource(pub(super) Arc<CredentialChain>);

impl CredentialSource<OAuthBearerToken> for IamTokenSource {
    fn fetch(&self) -> Result<OAuthBearerToken, NoCredential> {
        let identity = self.0.fetch()?;
        token(&identity, SystemTime::now()).map_err(NoCredential::lasting)
    }
}

fn token(identity: &AwsIdentity, now: SystemTime) -> Result<OAuthBearerToken, String> {
    let Some(region) = identity.region.as_deref() else {
        return Err("the region is not known: neither AWS_REGION nor the profile says it".to_owned());
    };
    let host = format!("kafka.{region}.amazonaws.com");
    let signing = Signing { keys: &identity.keys, region, service: SERVICE, now };
    let mut parameters = signing.presigned_parameters(&host, "/", &[ACTION], EXPIRES);
    // Said beside, and not signed.
    parameters.push(("User-Agent".to_owned(), USER_AGENT.to_owned()));
    let url = Zeroizing::new(format!("https://{host}/?{}", *query_of(&parameters)));
    let ends = now + Duration::from_secs(EXPIRES);
    let ends = identity.keys.expires_at.map_or(ends, |keys_end| ends.min(keys_end));
    let token = OAuthBearerToken::new(URL_SAFE_NO_PAD.encode(url.as_bytes()), ends);
    Ok(token.with_start_time(now).with_principal_name(SERVICE))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::aws_identity::AwsKeys;
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_token_is_a_signed_url() {
        let keys = AwsKeys {
            access_key_id: "ACCESS_KEY".to_owned(),
            secret_access_key: Secret::from("SECRET_KEY"),
            session_token: Some(Secret::from("a/b=")),
            expires_at: None,
        };
        let mut identity = AwsIdentity { keys, region: Some("eu-north-1".to_owned()) };
        let now = UNIX_EPOCH + Duration::from_secs(1_634_216_700);
        let token = token(&identity, now).unwrap();
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token.value()).unwrap()).unwrap();
        let begin = "https://kafka.eu-north-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=\
                     AWS4-HMAC-SHA256&X-Amz-Credential=ACCESS_KEY%2F20211014%2Feu-north-1%2Fkafka-cluster%2F\
                     aws4_request&X-Amz-Date=20211014T130500Z&X-Amz-Expires=900&X-Amz-Security-Token=a%2Fb%3D&\
                     X-Amz-SignedHeaders=host&X-Amz-Signature=";
        assert!(url.starts_with(begin) && url.contains("&User-Agent=kafka-producer%2F"), "{url}");
        assert_eq!(token.expires_at(), now + Duration::from_secs(900));
        identity.keys.expires_at = Some(now + Duration::from_secs(60));
        assert_eq!(super::token(&identity, now).unwrap().expires_at(), now + Duration::from_secs(60));
        identity.region = None;
        assert!(super::token(&identity, now).unwrap_err().contains("AWS_REGION"));
    }
}
