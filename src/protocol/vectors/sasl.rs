//! SaslHandshake and SaslAuthenticate: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};

#[test]
fn handshakes_are_read_as_meant() {
    let request =
        |g: &mut Generator| SaslHandshakeRequest { mechanism: ["PLAIN", ""][usize::from(g.bool())] };
    requests(request, |ours, _| {
        theirs::SaslHandshakeRequest::default().with_mechanism(theirs_text(ours.mechanism))
    });
    let response = |g: &mut Generator| {
        theirs::SaslHandshakeResponse::default()
            .with_error_code(g.i16())
            .with_mechanisms(g.long_list(|g| theirs_text(&g.text())))
    };
    responses::<SaslHandshakeRequest, _>(response, |theirs, _| SaslHandshakeResponse {
        error_code: ErrorCode(theirs.error_code),
        mechanisms: theirs.mechanisms.iter().map(|mechanism| mechanism.to_string()).collect(),
    });
}

#[test]
fn tokens_are_read_as_meant() {
    let mut tokens = fastrand::Rng::with_seed(36);
    let tokens: Vec<Vec<u8>> = (0..1000).map(|length| (0..length).map(|_| tokens.u8(..)).collect()).collect();
    let request = |g: &mut Generator| SaslAuthenticateRequest { auth_bytes: &tokens[g.rng.usize(..1000)] };
    requests(request, |ours, _| {
        theirs::SaslAuthenticateRequest::default().with_auth_bytes(ours.auth_bytes.to_vec().into())
    });
    let response = |g: &mut Generator| {
        theirs::SaslAuthenticateResponse::default()
            .with_error_code(g.i16())
            .with_error_message(g.optional(|g| theirs_text(&g.text())))
            .with_auth_bytes(g.bytes().into())
            .with_session_lifetime_ms(g.since(1, 0, Generator::i64))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<SaslAuthenticateRequest<'_>, _>(response, |theirs, _| SaslAuthenticateResponse {
        error_code: ErrorCode(theirs.error_code),
        error_message: theirs.error_message.as_ref().map(|message| message.to_string()),
        auth_bytes: theirs.auth_bytes.to_vec(),
        session_lifetime_ms: theirs.session_lifetime_ms,
    });
}
