//! Texts of properties files: what is refused names its line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = kafka_producer::internal::properties(text) {
        assert!(error.starts_with("line "), "{error}");
    }
});
