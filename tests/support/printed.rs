//! What a producer prints at start-up: the values of its settings that hold.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kafka_producer::{Error, KafkaProducer, ProducerConfig};

use super::logged::listen;

thread_local! {
    /// The last list of values that a producer printed: the thread that creates it does.
    static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Creates a producer and closes it: the values that it has printed.
pub(crate) fn printed_by(config: ProducerConfig) -> Result<BTreeMap<String, String>, Error> {
    listen(log::LevelFilter::Info, |record| {
        let text = record.args().to_string();
        if text.starts_with("ProducerConfig values:") {
            PRINTED.set(text);
        }
    });
    KafkaProducer::<str, str>::new(config)?.close().unwrap();
    let text = PRINTED.take();
    let pairs = text.lines().filter_map(|line| line.strip_prefix('\t')?.split_once(" = "));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
