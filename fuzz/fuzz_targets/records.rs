//! Records of a batch, compressed by a codec that the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [codec, bytes @ ..] = bytes else { return };
    let _ = kafka_producer::internal::records(usize::from(*codec), bytes, 1 << 16);
});
