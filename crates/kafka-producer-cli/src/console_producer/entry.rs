//! What a line says: a record before it has all that it needs.
//!
//! Owns: the type, and the complaint about a line. Must not know: formats of lines, the producer.
//! Holds: key and value are the line's own bytes wherever the format leaves them as they are.

use std::borrow::Cow;
use std::fmt;

use kafka_producer::Headers;

/// What a line says of its record. What is `None` comes from flags, or is left to the producer; key and value are null.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Entry<'line> {
    pub(super) topic: Option<Cow<'line, str>>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
    pub(super) headers: Headers,
    pub(super) key: Option<Cow<'line, [u8]>>,
    pub(super) value: Option<Cow<'line, [u8]>>,
}

/// Why a line is no record. The text names the line by its number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine(pub(super) String);

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters of a line that are shown of it.
const SHOWN: usize = 200;

/// The beginning of a line, for a message about it. What would be an order to a terminal is escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN * 4)]);
    let mut kept = String::new();
    for (count, character) in text.chars().enumerate() {
        match character {
            _ if count == SHOWN => return kept + "…",
            '\t' => kept.push(character),
            _ if character.is_control() => kept.extend(character.escape_default()),
            _ => kept.push(character),
        }
    }
    if bytes.len() > SHOWN * 4 { kept + "…" } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_by_its_beginning_and_control_characters_by_their_names() {
        assert_eq!(shown(b"a\tb"), "a\tb");
        assert_eq!(shown(b"\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(shown(&[b'x'; 201]), "x".repeat(200) + "…");
        assert_eq!(shown(&[b'x'; 2000]), "x".repeat(200) + "…");
    }
}
