//! `Counted`: a number of things, as people say it.
//!
//! Owns: one and many. Must not know: what is counted.

use std::fmt;

/// How many there are of what: a noun that takes an `s` for more than one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<N>(pub(crate) N, pub(crate) &'static str);

/// `1 record`, `2 records`.
impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == N::from(1) { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let said = [0_u64, 1, 2].map(|count| Counted(count, "record").to_string());
        assert_eq!(said, ["0 records", "1 record", "2 records"]);
    }
}
