//! `Remarks`: what is to be said in the log about a configuration that is being checked.
//!
//! Owns: the collection. Checking decides, and this speaks, at the end and once; so tests see what is said.

use log::Level;

use crate::escape::Escaped;
use crate::log_labels::LogLabels;
use crate::logging;

#[derive(Debug, Default)]
pub(super) struct Remarks(Vec<(Level, String)>);

impl Remarks {
    pub(super) fn warn(&mut self, text: String) {
        self.0.push((Level::Warn, text));
    }

    pub(super) fn info(&mut self, text: String) {
        self.0.push((Level::Info, text));
    }

    pub(super) fn log(self) {
        for (level, text) in self.0 {
            if logging::is_wanted(level) {
                logging::write(
                    level,
                    "kafka_producer::config",
                    LogLabels::NONE,
                    format_args!("{}", Escaped(&text)),
                );
            }
        }
    }
}

#[cfg(test)]
impl Remarks {
    pub(super) fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }
}
