//! Standard output, on which Kafka's lines are.
//!
//! Owns: writing there, and knowing of what could not be written. Must not know: what the lines say.
//! Threads: any.

use std::io::{self, Write};
use std::sync::OnceLock;

use crate::complaint::{Complaint, in_words};

/// The first error, in words.
static LOST: OnceLock<String> = OnceLock::new();

pub(super) fn print_line(line: &str) {
    print_text(&format!("{line}\n"));
}

pub(super) fn print_text(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        LOST.get_or_init(|| in_words(&error));
    }
}

/// What is to be said if not all was written, be it that its reader has gone away.
pub(super) fn lost() -> Option<Complaint> {
    LOST.get().map(|error| Complaint::new(format!("standard output: {error}: lines of results are lost")))
}
