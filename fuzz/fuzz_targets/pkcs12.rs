//! PKCS12 stores: read with a password and without.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for password in [None, Some("changeit")] {
        if let Err(error) = kafka_producer::internal::store("PKCS12", bytes, password) {
            assert!(!error.contains("changeit"), "{error}");
        }
    }
});
