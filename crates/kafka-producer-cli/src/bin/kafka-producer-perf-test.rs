//! `kafka-producer-perf-test`: all of it is in the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    kafka_producer_cli::perf_test::main()
}
