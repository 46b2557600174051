//! Rust source as the house tests read it: tokens with their lines, comments and the insides of literals left out.
//!
//! Owns: enough of Rust's lexical rules to tell code from text. Must not know: which rules are checked.

#![allow(dead_code, reason = "each house test uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};

/// A word, a `::`, or one character of anything else. Literals are `"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The project's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files under a folder of the project, by path relative to the root, in order. None if there is no such folder.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(name.as_str(), "target" | ".git" | ".kafka") {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// The crates of the workspace beside the package itself, in order.
pub(crate) fn members() -> Vec<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> =
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The Rust files under a folder, with their texts.
pub(crate) fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let rust = files(folder).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// Cuts a source into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            let first = self.rest.chars().next()?;
            let line = self.line;
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip(block_comment(self.rest));
            } else {
                let (length, text) = match literal(self.rest) {
                    Some(length) => (length, String::from("\"")),
                    None => {
                        let length = word_or_mark(self.rest);
                        (length, self.rest[..length].to_owned())
                    }
                };
                self.skip(length);
                return Some(Token { text, line });
            }
        }
    }

    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn word_or_mark(text: &str) -> usize {
    if text.starts_with("::") {
        return 2;
    }
    let word = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    if word > 0 { word } else { text.chars().next().map_or(0, char::len_utf8) }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string or character literal that the text begins with, if it does. Lifetimes are none.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix).unwrap_or_default();
        rest.starts_with('"') || (prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"'))
    });
    if let Some(prefix) = prefix {
        let rest = &text[prefix.len()..];
        if prefix.ends_with('r') {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 1..];
            return Some(prefix.len() + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
        }
        return Some(prefix.len() + quoted(rest, '"'));
    }
    let rest = text.strip_prefix('b').unwrap_or(text);
    let mut inside = rest.strip_prefix('\'')?.chars();
    let (first, second) = (inside.next()?, inside.next()?);
    (first == '\\' || second == '\'').then(|| text.len() - rest.len() + quoted(rest, '\''))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Leaves out every item that stands under `#[cfg(test)]` or `#[cfg(all(test, ...))]`, and `#[test]` functions.
/// Returns, beside the rest, the names of the modules that were left out and live in files of their own.
pub(crate) fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let Some(mut end) = test_attribute(&tokens[at..]).map(|length| at + length) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        while tokens.get(end).is_some_and(|token| token.is("#")) {
            end += 1 + group(&tokens[end + 1..]);
        }
        let item = end;
        while tokens.get(end).is_some_and(|token| !token.is("{") && !token.is(";")) {
            end += if token_opens(&tokens[end]) { group(&tokens[end..]) } else { 1 };
        }
        if tokens.get(end).is_some_and(|token| token.is("{")) {
            end += group(&tokens[end..]);
        } else {
            end += 1;
            let words = tokens[item..end.min(tokens.len())].windows(2);
            modules.extend(words.filter(|pair| pair[0].is("mod")).map(|pair| pair[1].text.clone()));
        }
        at = end;
    }
    (kept, modules)
}

fn token_opens(token: &Token) -> bool {
    token.is("(") || token.is("[")
}

/// The length of a test attribute that the tokens begin with.
fn test_attribute(tokens: &[Token]) -> Option<usize> {
    if !(tokens.first()?.is("#") && tokens.get(1)?.is("[")) {
        return None;
    }
    let length = 1 + group(&tokens[1..]);
    let inside: Vec<&str> =
        tokens[2..length.saturating_sub(1).max(2)].iter().map(|token| token.text.as_str()).collect();
    let test = matches!(
        inside.as_slice(),
        ["test"] | ["cfg", "(", "test", ")"] | ["cfg", "(", "all", "(", "test", ..]
    );
    test.then_some(length)
}

/// The length of the group in brackets that the tokens begin with, both brackets counted.
pub(crate) fn group(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}
