//! Answers to every API in every version, chosen by the first two bytes: what is refused names API, version and field.
#![no_main]

use kafka_producer::internal::Answers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [api, version, frame @ ..] = bytes else { return };
    let all = Answers::all();
    let answers = &all[usize::from(*api) % all.len()];
    let count = answers.versions.end() - answers.versions.start() + 1;
    let version = answers.versions.start() + i16::from(*version) % count;
    if let Err(error) = answers.read(version, frame) {
        let start = format!("{} v{version} response: ", answers.name);
        assert!(error.strip_prefix(&start).is_some_and(|rest| rest.contains(": ")), "{error}");
    }
});
