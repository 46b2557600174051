//! The arguments of this process as a program's flags.
//!
//! Owns: what is said of arguments that are wrong, and the exit status then. Must not know: the flags.
//! Holds: an argument that belongs to no flag is not shown: a setting's value that was not put into quotation marks ends up as
//! one, and may be a secret.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Error, Parser};

use crate::complaint::WRONG_USAGE;
use crate::standard_output::described;

/// The flags. Where they are wrong, or only help is asked for, that is said, and the program is to end with a status.
pub(crate) fn of_this_process<F: Parser>() -> Result<F, ExitCode> {
    parsed(std::env::args_os()).map_err(|error| match error.use_stderr() {
        true => {
            // Where nobody reads it, the status tells.
            let _ = error.print();
            ExitCode::from(WRONG_USAGE)
        }
        false => described(F::command().get_name(), || error.print()),
    })
}

fn parsed<F: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<F, Error> {
    F::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::UnknownArgument if !names_a_flag(&error) => {
            F::command().error(ErrorKind::UnknownArgument, STRAY)
        }
        _ => error,
    })
}

fn names_a_flag(error: &Error) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.starts_with('-') && !text.contains('='),
        _ => false,
    }
}

const STRAY: &str = "an argument belongs to no flag (it is not shown, since it may be a secret): \
                     a value with spaces in it needs quotation marks, and each value its flag";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    #[command(name = "program")]
    struct Flags {
        #[arg(short = 'X')]
        pairs: Vec<String>,
    }

    fn refused(arguments: &[&str]) -> String {
        let arguments = [&["program"], arguments].concat().into_iter().map(OsString::from);
        let outcome: Result<Flags, Error> = parsed(arguments);
        outcome.map_err(|error| error.render().to_string()).err().unwrap_or_default()
    }

    #[test]
    fn an_argument_that_belongs_to_no_flag_is_not_shown() {
        for stray in
            [&["password=hunter2"][..], &["hunter2"], &["--", "password=hunter2"], &["--", "-hunter2=x"]]
        {
            let told = refused(&[&["-X", "sasl.jaas.config=x"], stray].concat());
            assert!(told.starts_with("error: an argument belongs to no flag (it is not shown"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_flag_that_is_not_known_is_named_without_its_value() {
        let told = refused(&["--passwort=hunter2"]);
        assert!(told.starts_with("error: unexpected argument '--passwort' found"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
