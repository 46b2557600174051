//! Java's properties syntax, by the `java-properties` crate.
//!
//! Owns: reading the file, and the few things that the crate does differently from Java: it replaces bytes that are
//! not text, it looks for escapes in comments, and it drops a last line that ends in a backslash.
//! Must not know: what the names mean.

use std::path::Path;

use java_properties::{LineContent, PropertiesIter};

use crate::error::Error;

/// One `name=value` of a file, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// The pairs in the order of the file.
pub(super) fn read(path: &Path) -> Result<Vec<Pair>, Error> {
    let bytes = std::fs::read(path).map_err(|error| {
        Error::config(format!("cannot read the properties file {}: {error}", path.display()))
            .with_source(error)
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::config(format!(
            "the properties file {} is not UTF-8: byte {at} begins no character",
            path.display()
        ))
    })?;
    parse(text).map_err(|problem| Error::config(format!("the properties file {}: {problem}", path.display())))
}

fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let prepared = prepare(text);
    let mut pairs = Vec::new();
    for line in PropertiesIter::new(prepared.as_bytes()) {
        let line = line.map_err(|error| error.to_string())?;
        let number = line.line_number();
        if let LineContent::KVPair(name, value) = line.consume_content() {
            pairs.push(Pair { name, value, line: number });
        }
    }
    Ok(pairs)
}

/// Blanks out comments and ends the last line. The crate takes the byte order mark at the front as the sign for
/// UTF-8.
fn prepare(text: &str) -> String {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut prepared = String::with_capacity(text.len() + 4);
    prepared.push(BYTE_ORDER_MARK);
    let mut continued = false;
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let is_comment = !continued && line.trim_start_matches([' ', '\t', '\x0c']).starts_with(['#', '!']);
        if is_comment {
            continued = false;
        } else {
            prepared.push_str(line);
            continued = line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        }
        prepared.push('\n');
    }
    prepared
}

const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_java_s_syntax() {
        for (text, expected) in [
            ("a=b", vec![("a", "b")]),
            ("a:b\nc d\r\ne = f \rg", vec![("a", "b"), ("c", "d"), ("e", "f "), ("g", "")]),
            ("  a=b\n\n#x=1\n ! y=2", vec![("a", "b")]),
            ("a=b,\\\n   c,\\\r\n\td", vec![("a", "b,c,d")]),
            ("a=b\\\n#c", vec![("a", "b#c")]),
            ("#a=b\\\nc=d", vec![("c", "d")]),
            ("a=b\\", vec![("a", "b")]),
            ("a=b\\\\", vec![("a", "b\\")]),
            ("a\\ b\\==\\:c\\t\\\\", vec![("a b=", ":c\t\\")]),
            ("# C:\\users\nC\\:=\\u00e4\\u20AC", vec![("C:", "\u{e4}\u{20ac}")]),
            ("n\u{e4}me=\u{65e5}\u{672c} \u{1f600}", vec![("n\u{e4}me", "\u{65e5}\u{672c} \u{1f600}")]),
            ("\u{feff}a=b", vec![("a", "b")]),
            ("a=1\na=2", vec![("a", "1"), ("a", "2")]),
            ("", vec![]),
            ("=v", vec![("", "v")]),
        ] {
            let pairs = parse(text).unwrap();
            let pairs: Vec<_> = pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect();
            assert_eq!(pairs, expected, "{text:?}");
        }
    }

    #[test]
    fn a_pair_knows_the_line_it_begins_on() {
        let pairs = parse("# a\n\na=1\r\nb=2,\\\n  3\n\nc=4").unwrap();
        let lines: Vec<_> = pairs.iter().map(|pair| (pair.name.as_str(), pair.line)).collect();
        assert_eq!(lines, [("a", 3), ("b", 4), ("c", 7)]);
    }

    #[test]
    fn a_broken_escape_is_named_with_its_line_and_without_the_value() {
        for text in ["a=1\nb=secret\\u12", "a=1\nb=secret\\uzzzz"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("line_number = 2") && !error.contains("secret"), "{error}");
        }
    }
}
