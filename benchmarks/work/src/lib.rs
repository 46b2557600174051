//! What the benchmark's programs in Rust share: the work that a client is given, the records that it sends, the threads that
//! send them, and the lines in which programs report. It must not know any client: those that are built only when they are
//! asked for (`peers/`) depend on it, and so on nothing that compiles C.

pub mod callers;
pub mod payloads;
pub mod report;
pub mod work;

/// Any error, with its text: these programs only ever print it and exit.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
