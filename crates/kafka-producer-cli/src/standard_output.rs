//! Standard output: what a program was asked to print, and the lines of results.
//!
//! Owns: writing there, and knowing of what could not be written. Must not know: what the texts say.
//! Threads: any.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::complaint::{Complaint, in_words};
use crate::terminal_log::say;

/// The first error of a line, in words.
static LOST: OnceLock<String> = OnceLock::new();

pub(crate) fn print_line(line: &str) {
    print_text(&format!("{line}\n"));
}

pub(crate) fn print_text(text: &str) {
    if let Err(error) = written(|| io::stdout().write_all(text.as_bytes())) {
        LOST.get_or_init(|| in_words(&error));
    }
}

/// What is to be said if not all lines were written, be it that their reader has gone away.
pub(crate) fn lost() -> Option<Complaint> {
    LOST.get().map(|error| Complaint::new(format!("standard output: {error}: lines of results are lost")))
}

/// Prints what `program` was asked for: help, version, completions, man page. The exit status says whether it is there; a
/// reader that has gone away, as `head` does, has what it wants.
pub(crate) fn described(program: &str, print: impl FnOnce() -> io::Result<()>) -> ExitCode {
    match written(print) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(program, Complaint::of_file("standard output", &error));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What is printed waits for the end of its line otherwise.
fn written(print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    print().and_then(|()| io::stdout().flush())
}
