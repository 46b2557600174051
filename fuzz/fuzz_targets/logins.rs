//! What stands in `sasl.jaas.config`, and what a broker may say in a login by SCRAM.
#![no_main]

use kafka_producer::internal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = internal::scram(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = internal::jaas(text);
    }
});
