//! Streams cut into answers, in pieces of a size that the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [step, stream @ ..] = bytes else { return };
    if let Ok(read) = kafka_producer::internal::frames(stream, usize::from(*step) + 1) {
        assert!(read <= stream.len());
    }
});
