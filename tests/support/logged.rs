//! What the crate logs, for tests that look at it.

use std::sync::Mutex;

type Tell = fn(&log::Record<'_>);

struct Listener;

/// A process has one logger, and whoever wants to hears all of it.
static TELL: Mutex<Vec<(log::LevelFilter, Tell)>> = Mutex::new(Vec::new());

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let all = TELL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        all.iter().filter(|(level, _)| record.level() <= *level).for_each(|(_, tell)| tell(record));
    }

    fn flush(&self) {}
}

/// From now on `tell` hears what is logged up to this level; once, however often it is said.
pub(crate) fn listen(level: log::LevelFilter, tell: Tell) {
    let mut all = TELL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if all.is_empty() {
        log::set_logger(&Listener).unwrap();
    }
    if !all.iter().any(|(_, known)| std::ptr::fn_addr_eq(*known, tell)) {
        all.push((level, tell));
        log::set_max_level(level.max(log::max_level()));
    }
}
