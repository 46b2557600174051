//! The log of a run that is repeated, on the standard error output.

use std::sync::Mutex;

use crate::sender::simulation::application::Clock;

static CLOCK: Mutex<Option<Clock>> = Mutex::new(None);

struct Trace;

impl log::Log for Trace {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let clock = CLOCK.lock().unwrap();
        let time = clock.as_ref().map(Clock::elapsed).unwrap_or_default();
        eprintln!("{time:>14?} {:5} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// Prints what is logged, with the virtual time.
pub(super) fn begin(clock: Clock) {
    *CLOCK.lock().unwrap() = Some(clock);
    if log::set_logger(&Trace).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}
