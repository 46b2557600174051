//! `kafka-console-producer`: all of it is in the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    kafka_producer_cli::console_producer::main()
}
