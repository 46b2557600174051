//! `kafka-console-producer`: lines of text or of JSON become records.
//!
//! Owns: the wiring of the parts. Must not know: what each does.

mod announce;
mod delimiter;
mod entry;
mod flags;
mod json_line;
mod line_format;
mod line_input;
mod line_rules;
mod progress_line;
mod record_sender;
mod record_tally;
mod sending_session;
mod stop_signals;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::command_line::of_this_process;
use crate::complaint::{Complaint, exit_status};
use crate::terminal_log::start_log;
use announce::PROGRAM;
use flags::ConsoleFlags;
use line_input::LineInput;
use record_sender::RecordPlan;
use record_tally::RecordTally;
use sending_session::SendingSession;
use stop_signals::StopSignals;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let flags: ConsoleFlags = match of_this_process() {
        Ok(flags) => flags,
        Err(status) => return status,
    };
    if let Some(status) = flags.about.print(ConsoleFlags::command()) {
        return status;
    }
    start_log();
    exit_status(PROGRAM, run(flags))
}

fn run(flags: ConsoleFlags) -> Result<ExitCode, Complaint> {
    let config = flags.producer_config()?;
    let format = flags.input.format()?;
    let max_request_size = config.get("max.request.size").and_then(|size| size.parse().ok());
    let longest = format.longest(max_request_size.unwrap_or(1 << 20));
    flags.files().check()?;
    let input = LineInput::open(flags.input.lines_file(), longest)?;
    let plan = RecordPlan {
        format,
        topic: flags.topic,
        partition: flags.record.partition,
        headers: flags.record.headers()?,
        sync: flags.outcome.sync,
    };
    let tally = RecordTally::with_dead_letters(flags.outcome.dead_letter.as_deref())?;
    let signals = StopSignals::watch()
        .map_err(|error| Complaint::new(format!("signals cannot be watched: {error}")))?;
    // For the callbacks, which may run until the process ends.
    let tally: &'static RecordTally = Box::leak(Box::new(tally));
    SendingSession { config, plan, tally, signals }.run(input).map(ExitCode::from)
}
