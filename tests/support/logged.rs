//! What the crate logs, for tests that look at it.

use std::sync::OnceLock;

struct Listener;

/// A process has one logger.
static TELL: OnceLock<fn(&log::Record<'_>)> = OnceLock::new();

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some(tell) = TELL.get() {
            tell(record);
        }
    }

    fn flush(&self) {}
}

/// From now on `tell` hears what is logged up to this level. The first call of the process counts.
pub(crate) fn listen(level: log::LevelFilter, tell: fn(&log::Record<'_>)) {
    TELL.get_or_init(|| {
        log::set_logger(&Listener).unwrap();
        log::set_max_level(level);
        tell
    });
}
