//! What a program prints about itself for others to read: completions for shells, and its man page.
//!
//! Owns: the flags `--completions` and `--man`. Must not know: which program it is; the caller gives its `Command`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::standard_output::described;

/// The flags. Each stands alone: what else the program requires is not asked for.
#[derive(Args, Debug)]
pub(crate) struct SelfDescription {
    /// Print the completions for a shell, for example: eval "$(PROGRAM --completions bash)"
    #[arg(long, value_name = "SHELL", exclusive = true, help_heading = "About this program")]
    completions: Option<Shell>,

    /// Print the man page, for example: PROGRAM --man | man -l -
    #[arg(long, exclusive = true, help_heading = "About this program")]
    man: bool,
}

impl SelfDescription {
    /// Prints what was asked for, if anything was: the program has then done its work, and ends with this status.
    pub(crate) fn print(&self, mut command: Command) -> Option<ExitCode> {
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        if let Some(shell) = self.completions {
            clap_complete::generate(shell, &mut command, &name, &mut text);
        } else if self.man {
            // All flags, also those that `-h` leaves away. A vector takes everything.
            let _ = Man::new(command.mut_args(|argument| argument.hide_short_help(false))).render(&mut text);
        } else {
            return None;
        }
        Some(described(&name, || io::stdout().write_all(&text)))
    }
}
