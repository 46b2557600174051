//! What a producer prints at start-up: the values of its settings that hold.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kafka_producer::{Error, KafkaProducer, ProducerConfig};

use super::logged::listen;

/// Creates a producer and closes it: the values that it has printed.
pub(crate) fn printed_by(config: ProducerConfig) -> Result<BTreeMap<String, String>, Error> {
    // Each prints to the one logger of the process. A test that failed has still ended.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    listen(log::LevelFilter::Info, |record| {
        let text = record.args().to_string();
        if text.starts_with("ProducerConfig values:") {
            *PRINTED.lock().unwrap() = text;
        }
    });
    KafkaProducer::<str, str>::new(config)?.close().unwrap();
    let text = std::mem::take(&mut *PRINTED.lock().unwrap());
    let pairs = text.lines().filter_map(|line| line.strip_prefix('\t')?.split_once(" = "));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The last list of values that a producer printed.
static PRINTED: Mutex<String> = Mutex::new(String::new());
