//! `Escaped`: text that is not ours, as it may stand in an error or a log line.
//!
//! Owns: what is escaped. Must not know: whose text it is.
//! Holds: it is one line, shows itself in the order in which it was written, and is not endless, whatever a stranger sent.

use std::fmt::{self, Write};

/// Text that is not ours: a broker's words, a host's name, a setting's value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

/// `two\nlines`: control characters and those that turn the direction of reading as escapes, all others as they are.
impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(MOST_CHARACTERS) {
            if misleads(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        if self.0.chars().nth(MOST_CHARACTERS).is_some() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// Ends a line, commands a terminal, or turns the direction of what follows.
fn misleads(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

/// More of a stranger's words than anybody reads.
const MOST_CHARACTERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_lines_or_commands_terminals_is_escaped_and_all_else_is_not() {
        for (text, shown) in [
            ("kafka-1.example", "kafka-1.example"),
            ("näher \"dran\" \\ ☺", "näher \"dran\" \\ ☺"),
            ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
            ("\u{1b}[31mred\u{7}\0", "\\u{1b}[31mred\\u{7}\\u{0}"),
            ("\u{85}\u{9b}1m\u{7f}", "\\u{85}\\u{9b}1m\\u{7f}"),
            ("\u{202e}desrever\u{2028}", "\\u{202e}desrever\\u{2028}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn nobody_s_words_are_endless() {
        let most = "é".repeat(MOST_CHARACTERS);
        assert_eq!(Escaped(&most).to_string(), most);
        assert_eq!(Escaped(&format!("{most}é")).to_string(), format!("{most}… (2002 bytes)"));
    }
}
