//! `StreamTokenizer`: cuts a text into words, quoted texts, numbers and other characters, as Java's class of this name does
//! the way that Kafka sets it up for `sasl.jaas.config`.
//!
//! Owns: which character belongs to what, comments, escapes. Must not know: what the tokens mean.
//! Holds: what a token says is no text of a `Debug`.
//! Source: `java.io.StreamTokenizer`, Kafka's `JaasConfig`.

use std::fmt;
use std::str::Chars;

use zeroize::Zeroizing;

/// A token, and at which character it begins, counted from 1.
#[derive(Debug)]
pub(super) struct PlacedToken {
    pub(super) token: JaasToken,
    pub(super) at: usize,
}

/// What is written.
pub(super) enum JaasToken {
    /// A word, or what stands in quotes, without these.
    Text(Zeroizing<String>),
    /// A number without quotes, which Java has no text of.
    Number,
    /// Any other character.
    Symbol(char),
    End,
}

impl fmt::Debug for JaasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JaasToken::Text(_) => "Text",
            JaasToken::Number => "Number",
            JaasToken::Symbol(_) => "Symbol",
            JaasToken::End => "End",
        })
    }
}

/// The text, and how far it was read.
pub(super) struct StreamTokenizer<'a> {
    rest: Chars<'a>,
    read: usize,
}

impl<'a> StreamTokenizer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        StreamTokenizer { rest: text.chars(), read: 0 }
    }

    pub(super) fn next_token(&mut self) -> PlacedToken {
        loop {
            while self.peek().is_some_and(is_blank) {
                self.read();
            }
            let at = self.read + 1;
            let token = match self.peek() {
                None => JaasToken::End,
                Some('/') => {
                    self.comment();
                    continue;
                }
                Some(first) if is_digit(first) => self.number(),
                Some(first) if is_letter(first) => self.word(),
                Some('"' | '\'') => self.quoted(),
                Some(symbol) => {
                    self.read();
                    JaasToken::Symbol(symbol)
                }
            };
            return PlacedToken { token, at };
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn read(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.read += usize::from(next.is_some());
        next
    }

    /// A text with room for all that follows: one that is outgrown is not overwritten.
    fn new_text(&self) -> Zeroizing<String> {
        Zeroizing::new(String::with_capacity(self.rest.as_str().len()))
    }

    /// From `/*` to `*/`, or from `/` alone to the end of the line. As in Java what follows that belongs to it, also if it is
    /// the end of the line.
    fn comment(&mut self) {
        self.read();
        if self.peek() != Some('*') {
            self.read();
            while self.peek().is_some_and(|next| !is_end_of_line(next)) {
                self.read();
            }
            return;
        }
        self.read();
        let mut before = '\0';
        loop {
            let mut next = self.read();
            if next == Some('/') && before == '*' {
                return;
            }
            // Java looks at what follows the end of a line without asking whether it ends the comment.
            if next == Some('\r') {
                next = self.read();
                if next == Some('\n') {
                    next = self.read();
                }
            } else if next == Some('\n') {
                next = self.read();
            }
            let Some(next) = next else { return };
            before = next;
        }
    }

    fn number(&mut self) -> JaasToken {
        if self.peek() == Some('-') {
            self.read();
            if !self.peek().is_some_and(|next| next == '.' || next.is_ascii_digit()) {
                return JaasToken::Symbol('-');
            }
        }
        let mut has_dot = false;
        while let Some(next) = self.peek() {
            if next == '.' && !has_dot {
                has_dot = true;
            } else if !next.is_ascii_digit() {
                break;
            }
            self.read();
        }
        JaasToken::Number
    }

    fn word(&mut self) -> JaasToken {
        let mut word = self.new_text();
        while let Some(next) = self.peek().filter(|next| is_letter(*next) || is_digit(*next)) {
            word.push(next);
            self.read();
        }
        JaasToken::Text(word)
    }

    /// Up to the same quote, or to the end of the line, as Java has it.
    fn quoted(&mut self) -> JaasToken {
        let mut text = self.new_text();
        let quote = self.read();
        while let Some(next) = self.peek().filter(|next| !is_end_of_line(*next)) {
            self.read();
            if Some(next) == quote {
                break;
            }
            text.push(if next == '\\' { self.escape() } else { next });
        }
        JaasToken::Text(text)
    }

    /// What a backslash and what follows stand for.
    fn escape(&mut self) -> char {
        match self.read() {
            Some(first @ '0'..='7') => {
                // Up to \377.
                let most = if first <= '3' { 3 } else { 2 };
                let mut code = first.to_digit(8).unwrap_or_default();
                for _ in 1..most {
                    let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.read();
                }
                char::from_u32(code).unwrap_or_default()
            }
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(other) => other,
            None => '\u{ffff}',
        }
    }
}

fn is_blank(c: char) -> bool {
    c <= ' '
}

fn is_end_of_line(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | '-')
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '$') || c >= '\u{a0}'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words and quoted texts in brackets, numbers as `#`.
    fn tokens(text: &str) -> String {
        let mut tokenizer = StreamTokenizer::new(text);
        let mut all = String::new();
        loop {
            match tokenizer.next_token().token {
                JaasToken::End => return all,
                JaasToken::Text(text) => all.push_str(&format!("[{}]", *text)),
                JaasToken::Number => all.push('#'),
                JaasToken::Symbol(symbol) => all.push(symbol),
            }
        }
    }

    #[test]
    fn a_text_is_cut_as_java_cuts_it() {
        for (text, expected) in [
            ("org.apache.Kafka$Module required", "[org.apache.Kafka$Module][required]"),
            ("a=b;", "[a]=[b];"),
            ("a-b_c.9 -a -5 -.5 5. 1.2.3 .", "[a-b_c.9]-[a]######"),
            ("\"a b\" 'c \"d\"' \"\"", "[a b][c \"d\"][]"),
            (r#""\"\\\n\t\101\60\4777\x" "#, "[\"\\\n\tA0'77x]"),
            ("\"open\nnext\"", "[open][next][]"),
            ("a // b\nc /* d\n * e */ f /g\nh", "[a][c][f][h]"),
            ("a/b;", "[a]"),
            ("a /\nb\nc /\r\nd", "[a][c][d]"),
            ("p\u{e4}ss\u{10ffff}\u{85}!", "[p\u{e4}ss\u{10ffff}]\u{85}!"),
            ("", ""),
            (" \u{0}\t\r\n", ""),
            ("a /* open", "[a]"),
        ] {
            assert_eq!(tokens(text), expected, "{text:?}");
        }
    }

    #[test]
    fn places_count_characters_from_one() {
        let mut tokenizer = StreamTokenizer::new(" \u{e4} = \"x\";");
        let places: Vec<usize> = (0..5).map(|_| tokenizer.next_token().at).collect();
        assert_eq!(places, [2, 4, 6, 9, 10]);
    }
}
