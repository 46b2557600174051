//! What the program says to the person who runs it: lines on standard error, under its name.
//!
//! Owns: the name. Must not know: what is said.

use std::fmt;

use crate::terminal_log::say;

/// The program's name, in front of all that it says.
pub(super) const PROGRAM: &str = "kafka-console-producer";

/// A line on standard error, beside what shows the progress.
pub(super) fn announce(text: impl fmt::Display) {
    say(PROGRAM, text);
}
