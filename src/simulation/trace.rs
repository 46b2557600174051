//! The history of a run that is repeated, line by line, with the virtual time.
//!
//! Owns: where the lines go. Threads: those of the run; each tells in its own turn.

use std::sync::Mutex;

use kafka_embedded::SeenProduce;

use crate::simulation::slow_code;
use crate::stage::Clock;

static CLOCK: Mutex<Option<Clock>> = Mutex::new(None);

struct Trace;

impl log::Log for Trace {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some(clock) = CLOCK.lock().unwrap().as_ref() {
            eprintln!("{:>14.6} {:5} {}", clock.elapsed().as_secs_f64(), record.level(), record.args());
        }
        if !record.target().starts_with(OUR_OWN) {
            slow_code::logged(record.level());
        }
    }

    fn flush(&self) {}
}

/// Becomes the logger of this program, which hears of what matters to its operator at least, and of what is `wanted`. With
/// a clock it prints all that is logged from now on to the standard error output.
pub(super) fn begin(clock: Option<Clock>, wanted: log::LevelFilter) {
    let least = if clock.is_some() { log::LevelFilter::Trace } else { wanted.max(log::LevelFilter::Info) };
    if clock.is_some() {
        *CLOCK.lock().unwrap() = clock;
    }
    // It is that already, from the second run on.
    let _ = log::set_logger(&Trace);
    log::set_max_level(log::max_level().max(least));
}

/// What this module and its like tell is not the producer's.
const OUR_OWN: &str = "kafka_producer::simulation";

/// What a request brings: topic, partition, epoch, sequence, count of records.
pub(super) fn shown(request: &SeenProduce) -> String {
    let batches = request.batches.iter().map(|batch| {
        let header = batch.header.as_ref();
        let numbers = header.map(|it| (it.producer_id, it.producer_epoch, it.base_sequence, it.record_count));
        format!("{}-{} {:?}", batch.topic, batch.partition, numbers.unwrap_or_default())
    });
    batches.collect::<Vec<_>>().join(", ")
}
