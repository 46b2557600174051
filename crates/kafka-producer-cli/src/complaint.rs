//! Why a program of this crate cannot go on, in the words that its user reads.
//!
//! Owns: the text, how it is printed, and the exit status that it makes. Must not know: what the programs do.
//! Holds: the texts of the producer's errors name settings, values and what is accepted, and never a secret; what is added
//! here must not either.

use std::fmt;
use std::io;
use std::process::ExitCode;

use kafka_producer::ErrorKind;

use crate::terminal_log::say;

/// What is told to the person who ran the program: one or more lines without the program's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    text: String,
    of_usage: bool,
}

/// The exit status where flags or settings are wrong, as clap has it: there is no use in trying again. Kafka's tools have 1
/// for everything.
pub(crate) const WRONG_USAGE: u8 = 2;

impl Complaint {
    /// Something could not be done.
    pub(crate) fn new(text: impl Into<String>) -> Complaint {
        Complaint { text: text.into(), of_usage: false }
    }

    /// Flags or settings are wrong, and nothing was done.
    pub(crate) fn of_usage(text: impl Into<String>) -> Complaint {
        Complaint { text: text.into(), of_usage: true }
    }

    /// About a file: `FILE: No such file or directory`.
    pub(crate) fn of_file(path: impl fmt::Display, error: &io::Error) -> Complaint {
        Complaint::new(format!("{path}: {}", in_words(error)))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<kafka_producer::Error> for Complaint {
    fn from(error: kafka_producer::Error) -> Complaint {
        Complaint { text: error.to_string(), of_usage: error.kind() == ErrorKind::Config }
    }
}

/// The operating system's words, without the number that Rust adds.
pub(crate) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The program's exit status: a complaint is printed, and makes it 2 if it is of flags or settings, else 1.
pub(crate) fn exit_status(program: &str, outcome: Result<ExitCode, Complaint>) -> ExitCode {
    outcome.unwrap_or_else(|complaint| {
        say(program, &complaint);
        if complaint.of_usage { ExitCode::from(WRONG_USAGE) } else { ExitCode::FAILURE }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_told_without_the_systems_number() {
        let error = io::Error::from_raw_os_error(2);
        let complaint = Complaint::of_file("lines.txt", &error);
        assert_eq!(complaint.to_string(), "lines.txt: No such file or directory");
    }
}
