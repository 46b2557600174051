//! What a token endpoint answers, and the claims of tokens.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use kafka_producer::internal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for status in [200, 400, 503] {
        let _ = internal::token_answer(status, data);
    }
    // Nobody finds base64 within JSON by chance.
    let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(data));
    let _ = internal::claims(&token);
    let _ = internal::token_answer(200, format!(r#"{{"access_token":"{token}"}}"#).as_bytes());
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = internal::claims(text);
    }
});
