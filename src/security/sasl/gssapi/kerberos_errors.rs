//! What a KDC's refusal means, in words that lead to its cause.
//!
//! Owns: the words, and what may pass. Must not know: who asked.
//! Source: RFC 4120, 7.5.9.

use krb5::ClientError;

use crate::escape::Escaped;

/// What was asked of the KDC, for its errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Whose key or ticket it was asked with.
    pub(super) principal: &'a str,
    /// The service that a ticket was asked for; none: the first ticket, with a key.
    pub(super) service: Option<&'a str>,
}

/// In words, and whether asking again would have the same answer.
pub(super) fn explain(error: &ClientError, asked: Asked<'_>) -> (String, bool) {
    let Some(code) = error.kdc_code() else {
        return in_its_own_words(error, asked);
    };
    let who = Escaped(asked.principal);
    let (text, is_final) = match (code, asked.service) {
        (UNKNOWN_CLIENT, _) => {
            (format!("the KDC does not know {who}: see principal in sasl.jaas.config"), true)
        }
        (UNKNOWN_SERVER, Some(service)) => (
            format!(
                "Server not found in Kerberos database: the KDC does not know {}, which is made of \
                 sasl.kerberos.service.name and the name that the broker is connected to by",
                Escaped(service)
            ),
            true,
        ),
        (UNKNOWN_SERVER, None) => {
            ("the KDC has no ticket-granting service of this name: see the realm".to_owned(), true)
        }
        (NO_COMMON_CIPHER, _) => (
            "the KDC and this client have no cipher in common: this one has AES alone, neither RC4 nor DES"
                .to_owned(),
            true,
        ),
        (REVOKED, _) => (format!("{who} is locked or has expired"), true),
        (KEY_EXPIRED, _) => (format!("the key or the password of {who} has expired"), true),
        (PREAUTH_FAILED | BAD_INTEGRITY, None) => (stale_key(asked.principal), true),
        (TICKET_EXPIRED, _) => ("the ticket has ended".to_owned(), false),
        (SKEW, _) => {
            ("Clock skew too great: this machine's clock and the KDC's are too far apart".to_owned(), false)
        }
        _ => ("the KDC refuses".to_owned(), code == POLICY),
    };
    let said = error.to_string();
    (format!("{text} ({})", Escaped(&said)), is_final)
}

/// What does not come from a KDC.
fn in_its_own_words(error: &ClientError, asked: Asked<'_>) -> (String, bool) {
    let said = error.to_string();
    match error {
        // Without pre-authentication a KDC answers anybody, and only the right key reads that.
        ClientError::Crypto(_) if asked.service.is_none() => {
            (format!("{} ({})", stale_key(asked.principal), Escaped(&said)), true)
        }
        ClientError::NoKey(_) => (Escaped(&said).to_string(), true),
        _ => (Escaped(&said).to_string(), false),
    }
}

fn stale_key(principal: &str) -> String {
    format!(
        "the keytab does not have the key that {} has now: it may be older than the last change",
        Escaped(principal)
    )
}

/// Whether the ticket that was asked with is of no use any more.
pub(super) fn is_the_tickets_end(error: &ClientError) -> bool {
    matches!(error.kdc_code(), Some(TICKET_EXPIRED | BAD_INTEGRITY | MODIFIED | REVOKED | TICKET_REVOKED))
}

const UNKNOWN_CLIENT: i32 = 6;
const UNKNOWN_SERVER: i32 = 7;
const POLICY: i32 = 12;
const NO_COMMON_CIPHER: i32 = 14;
const REVOKED: i32 = 18;
const TICKET_REVOKED: i32 = 20;
const KEY_EXPIRED: i32 = 23;
const PREAUTH_FAILED: i32 = 24;
const BAD_INTEGRITY: i32 = 31;
const TICKET_EXPIRED: i32 = 32;
const SKEW: i32 = 37;
const MODIFIED: i32 = 41;

#[cfg(test)]
mod tests {
    use super::*;

    fn of_kdc(code: i32, service: Option<&str>) -> (String, bool) {
        let error = ClientError::Kdc { code, text: Some("NO\x07".to_owned()) };
        explain(&error, Asked { principal: "alice@TEST.LOCAL", service })
    }

    #[test]
    fn a_refusal_of_the_kdc_leads_to_its_cause() {
        let service = Some("kafka/broker@TEST.LOCAL");
        for (code, service, words, lasts) in [
            (6, None, &["alice@TEST.LOCAL", "principal", "KDC_ERR_C_PRINCIPAL_UNKNOWN"][..], true),
            (
                7,
                service,
                &[
                    "Server not found in Kerberos database",
                    "kafka/broker@TEST.LOCAL",
                    "sasl.kerberos.service.name",
                    "KDC_ERR_S_PRINCIPAL_UNKNOWN",
                ],
                true,
            ),
            (14, service, &["AES", "RC4"], true),
            (18, None, &["alice@TEST.LOCAL", "locked"], true),
            (23, None, &["expired"], true),
            (24, None, &["keytab", "alice@TEST.LOCAL"], true),
            (32, service, &["has ended"], false),
            (37, service, &["Clock skew too great"], false),
            (12, service, &["refuses", "KDC_ERR_POLICY"], true),
            (60, service, &["refuses", "60"], false),
        ] {
            let (text, is_final) = of_kdc(code, service);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert!(text.contains("NO\\u{7}") && is_final == lasts, "{text}");
        }
    }

    #[test]
    fn a_ticket_that_has_ended_is_told_from_a_service_that_nobody_knows() {
        let is_end = |code| is_the_tickets_end(&ClientError::Kdc { code, text: None });
        assert!(is_end(32) && is_end(31) && !is_end(7) && !is_end(37));
        assert!(!is_the_tickets_end(&ClientError::NoKey("none".to_owned())));
    }
}
