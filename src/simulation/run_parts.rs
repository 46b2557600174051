//! `RunParts`: what runs have beside a producer, its callers and brokers, each by itself or several together.
//!
//! Owns: which of them a seed has. Must not know: what they are.
//! Holds: whether a seed has one of them does not depend on the others.

/// In which runs something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// In none.
    Never,
    /// In one of so many, as its seed says.
    OneIn(u64),
    /// In all.
    Always,
}

/// What runs have: of each part, in which of them it is, or of one run, whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunParts<P = Presence> {
    /// A layer lies around all bytes, and the brokers want to know who we are, again and again. Where there is security as
    /// well, that comes in its place.
    pub layers: P,
    /// All connections have TLS, SASL or both.
    pub security: P,
    /// The application has transactions, and scenarios of its own.
    pub transactions: P,
    /// They are of two phases, where there are transactions.
    pub two_phases: P,
    /// Some of their calls are those of guards, where there are transactions.
    pub guards: P,
    /// Somebody has subscribed to the producers' metrics, and telling him goes wrong.
    pub telemetry: P,
}

/// What the run of one seed has.
pub(super) type DrawnParts = RunParts<bool>;

impl<P: Copy> RunParts<P> {
    /// The names of the parts of which this holds.
    pub(super) fn names(self, holds: impl Fn(P) -> bool) -> impl Iterator<Item = &'static str> {
        let all = [
            ("layers", self.layers),
            ("security", self.security),
            ("transactions", self.transactions),
            ("two phases", self.two_phases),
            ("guards", self.guards),
            ("telemetry", self.telemetry),
        ];
        all.into_iter().filter(move |(_, part)| holds(*part)).map(|(name, _)| name)
    }
}

impl RunParts {
    /// None of it.
    pub const PLAIN: RunParts = RunParts {
        layers: Presence::Never,
        security: Presence::Never,
        transactions: Presence::Never,
        two_phases: Presence::Never,
        guards: Presence::Never,
        telemetry: Presence::Never,
    };

    /// Transactions, and in some runs all else beside them. It is those with security that take long.
    pub const TRANSACTIONS: RunParts = RunParts {
        layers: Presence::OneIn(40),
        security: Presence::OneIn(50),
        transactions: Presence::Always,
        two_phases: Presence::OneIn(5),
        guards: Presence::OneIn(3),
        telemetry: Presence::OneIn(50),
    };

    /// The same, and what else is wanted.
    #[must_use]
    pub fn and(self, other: RunParts) -> RunParts {
        RunParts {
            layers: self.layers.or(other.layers),
            security: self.security.or(other.security),
            transactions: self.transactions.or(other.transactions),
            two_phases: self.two_phases.or(other.two_phases),
            guards: self.guards.or(other.guards),
            telemetry: self.telemetry.or(other.telemetry),
        }
    }

    pub(super) fn of_seed(self, seed: u64) -> DrawnParts {
        let is_there = |presence: Presence, salt: u64| match presence {
            Presence::Never => false,
            Presence::OneIn(count) => fastrand::Rng::with_seed(seed ^ salt).u64(..count.max(1)) == 0,
            Presence::Always => true,
        };
        let security = is_there(self.security, 0x5ec0);
        let transactions = is_there(self.transactions, 0x7a75);
        RunParts {
            layers: is_there(self.layers, 0x1a7e) && !security,
            security,
            transactions,
            two_phases: is_there(self.two_phases, 0x2fa5) && transactions,
            guards: is_there(self.guards, 0xb3a5) && transactions,
            telemetry: is_there(self.telemetry, 0x7e1e),
        }
    }
}

impl Presence {
    /// The larger of both.
    fn or(self, other: Presence) -> Presence {
        match (self, other) {
            (Presence::Always, _) | (_, Presence::Always) => Presence::Always,
            (Presence::Never, other) => other,
            (this, Presence::Never) => this,
            (Presence::OneIn(one), Presence::OneIn(another)) => Presence::OneIn(one.min(another)),
        }
    }
}
