//! What the benchmark's programs share: the work that a client is given, the records that it sends, the threads that
//! send them, and the lines in which programs report.

pub mod callers;
pub mod ours;
pub mod payloads;
pub mod report;
pub mod work;

/// Any error, with its text: these programs only ever print it and exit.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
