//! `Secret`: a text that nobody is shown: a password, a key, a token.
//!
//! Owns: hiding and overwriting it. Must not know: what it opens.
//! Holds: its `Debug` is the word for what is hidden, and its memory is overwritten when the last one that has it is gone.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A text that nobody is shown. Cheap to clone: all share one.
#[derive(Clone)]
pub(crate) struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// The text itself, for whoever it is for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(Arc::new(Zeroizing::new(text)))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret::from(text.to_owned())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        are_same(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(crate) fn are_same(ours: &[u8], theirs: &[u8]) -> bool {
    let differing = ours.iter().zip(theirs).fold(0, |differing, (ours, theirs)| differing | (ours ^ theirs));
    ours.len() == theirs.len() && std::hint::black_box(differing) == 0
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_and_is_compared_as_a_whole() {
        let secret = Secret::from("tiger");
        assert_eq!(
            (secret.expose(), format!("{secret:?} {:?}", secret.clone())),
            ("tiger", "[hidden] [hidden]".into())
        );
        assert!(secret == Secret::from(String::from("tiger")));
        assert!(["", "tige", "tigers", "liger", "tigeR"].iter().all(|other| secret != Secret::from(*other)));
    }

    #[test]
    fn codes_are_compared_as_a_whole() {
        assert!(
            are_same(b"abc", b"abc")
                && !are_same(b"abc", b"abd")
                && !are_same(b"abc", b"ab")
                && !are_same(b"", b"a")
        );
    }
}
