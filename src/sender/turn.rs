//! `Turn`: the time of one turn of the sender's loop.
//!
//! Owns: its two clocks. Must not know: what is done in it.

use std::time::Instant;

/// The time of one turn of the sender's loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) now: Instant,
    /// Everything that brokers had sent up to this time was read: what depends on their answers is late by this clock.
    pub(super) read_until: Instant,
}
