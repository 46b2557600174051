//! Real Kafka under fire, for as long as you like: three brokers, faults without end, and a judge. Needs what the tests
//! on Apache Kafka need (`CONTRIBUTING.md`); with the right to mount, a disk is filled, too.
//!
//! ```text
//! cargo run --release --example soak -- --minutes 60
//! cargo run --release --example soak -- --minutes 60 --client java
//! cargo run --release --example soak -- --settings short-delivery --seed 7
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", soak::options::USAGE);
        return ExitCode::SUCCESS;
    }
    let options = match soak::options::SoakOptions::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let report = soak::run(&options);
    println!("\n{report}");
    match report.complaints().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
