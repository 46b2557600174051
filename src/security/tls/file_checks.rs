//! `FileChecks`: which checks of the files of the stores are under way, and whether one of them has come to be stuck.
//!
//! Owns: their numbers, and how long is too long. Must not know: files, locks, who checks.
//! Holds: that checks are stuck is told once, and once that they are not any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct FileChecks {
    /// The last number given.
    number: u64,
    /// By number, so the oldest first: when it was begun.
    under_way: BTreeMap<u64, Instant>,
    told: bool,
}

/// Whether a check does not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stuck {
    No,
    /// It has just turned out.
    Newly,
    StillSo,
}

impl FileChecks {
    /// A number that is later than all before.
    pub(super) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(super) fn begin(&mut self, now: Instant) -> u64 {
        let number = self.number();
        self.under_way.insert(number, now);
        number
    }

    /// Returns whether with it the last of those that were stuck is over.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.under_way.remove(&number);
        self.under_way.is_empty() && std::mem::take(&mut self.told)
    }

    pub(super) fn is_any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub(super) fn stuck(&mut self, now: Instant) -> Stuck {
        let oldest = self.under_way.values().next();
        if oldest.is_none_or(|begun| now.saturating_duration_since(*begun) < LONGEST) {
            return Stuck::No;
        }
        match std::mem::replace(&mut self.told, true) {
            false => Stuck::Newly,
            true => Stuck::StillSo,
        }
    }
}

/// For so long connections wait for a check that somebody else has begun; well under `socket.connection.setup.timeout.ms`.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
