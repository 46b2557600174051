//! `Identification`: how the search for a producer id stands.
//!
//! Owns: the count of requests and failures, and who refused. Must not know: whom to ask, when to ask again.

/// How the search for a producer id stands.
#[derive(Debug, Default)]
pub(super) struct Identification {
    /// The last request; the answers of others come too late.
    pub(super) request: u64,
    /// Failures since a broker gave one.
    pub(super) failures: u32,
    /// Brokers that have refused since then, or cannot give one.
    pub(super) refused_by: Vec<i32>,
}
