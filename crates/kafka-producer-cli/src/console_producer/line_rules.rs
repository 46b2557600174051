//! How a line of text is parted into headers, key and value: Kafka's `LineMessageReader`, on bytes.
//!
//! Owns: the reader's properties, their rules, and the parting. Must not know: where lines come from, the producer.
//! Holds: a line is bytes here; Java reads it as UTF-8, and replaces what is none. Nothing is copied but headers.
//! Source: Kafka's `LineMessageReader` 4.3, whose texts the complaints have. `headers.separator` is a regular expression
//! there; here it is the text itself, where a backslash before punctuation counts for nothing, as in `\|`.

use std::borrow::Cow;

use kafka_producer::Headers;
use memchr::memmem::Finder;

use super::entry::{BadLine, Entry, shown};
use crate::complaint::Complaint;

/// Properties that there are.
pub(super) const PROPERTIES: [&str; 8] = [
    "parse.key",
    "key.separator",
    "parse.headers",
    "headers.delimiter",
    "headers.separator",
    "headers.key.separator",
    "null.marker",
    "ignore.error",
];

/// How lines are parted.
pub(super) struct LineRules {
    key: Option<Demarcation>,
    headers: Option<HeaderRules>,
    null_marker: Option<Vec<u8>>,
    ignore_error: bool,
    /// kcat's `-K`: a line without the separator has no key.
    key_may_be_missing: bool,
    /// kcat's `-Z`: what is empty is null.
    empty_is_null: bool,
}

/// A text between two parts of a line.
struct Demarcation {
    text: Finder<'static>,
    name: &'static str,
}

struct HeaderRules {
    end: Demarcation,
    separator: Finder<'static>,
    key_separator: Finder<'static>,
}

impl LineRules {
    /// The rules that properties make, of which the last of a name counts.
    ///
    /// # Errors
    /// A value is not accepted, or two that have to differ are equal.
    pub(super) fn new(properties: &[(String, String)]) -> Result<LineRules, Complaint> {
        let value = |name: &str| {
            properties.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
        };
        let flag = |name: &str| match value(name).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Complaint::of_usage(format!(
                "reader property {name}={}: expected true or false",
                value(name).unwrap_or_default()
            ))),
        };
        let key_separator = value("key.separator").unwrap_or("\t");
        let delimiter = value("headers.delimiter").unwrap_or("\t");
        let separator = value("headers.separator").unwrap_or(",");
        let header_key_separator = value("headers.key.separator").unwrap_or(":");
        let null_marker = value("null.marker");
        // As in Java, whether keys and headers are read or not.
        for (one, other, are) in [
            (Some(delimiter), separator, "headers.delimiter and headers.separator"),
            (Some(delimiter), header_key_separator, "headers.delimiter and headers.key.separator"),
            (Some(separator), header_key_separator, "headers.separator and headers.key.separator"),
            (null_marker, key_separator, "null.marker and key.separator"),
            (null_marker, separator, "null.marker and headers.separator"),
            (null_marker, delimiter, "null.marker and headers.delimiter"),
            (null_marker, header_key_separator, "null.marker and headers.key.separator"),
        ] {
            if one == Some(other) {
                return Err(Complaint::of_usage(format!("{are} may not be equal")));
            }
        }
        let headers = || HeaderRules {
            end: Demarcation::new(delimiter, "headers delimiter"),
            separator: Finder::new(&unescaped(separator)).into_owned(),
            key_separator: Finder::new(header_key_separator).into_owned(),
        };
        Ok(LineRules {
            key: flag("parse.key")?.then(|| Demarcation::new(key_separator, "key separator")),
            headers: flag("parse.headers")?.then(headers),
            null_marker: null_marker.map(|text| text.as_bytes().to_vec()),
            ignore_error: flag("ignore.error")?,
            key_may_be_missing: false,
            empty_is_null: false,
        })
    }

    /// The same with kcat's rule for keys: up to `separator`, and none where a line has no separator.
    pub(super) fn with_key_delimiter(mut self, separator: &[u8]) -> LineRules {
        self.key = Some(Demarcation { text: Finder::new(separator).into_owned(), name: "key separator" });
        self.key_may_be_missing = true;
        self
    }

    /// The same, with null for keys and values that are empty.
    pub(super) fn with_null_for_empty(mut self, empty_is_null: bool) -> LineRules {
        self.empty_is_null = empty_is_null;
        self
    }

    pub(super) fn ignores_errors(&self) -> bool {
        self.ignore_error
    }

    /// Parts a line, whose number is for the complaint.
    pub(super) fn parse<'line>(&self, line: &'line [u8], number: u64) -> Result<Entry<'line>, BadLine> {
        let mut rest = line;
        let mut headers = Headers::new();
        if let Some(rules) = &self.headers
            && let Some(texts) = self.part(&mut rest, &rules.end, line, number, self.ignore_error)?
            && !self.is_null(texts)
        {
            headers = self.headers_of(rules, texts, number)?;
        }
        let key = match &self.key {
            Some(end) => {
                self.part(&mut rest, end, line, number, self.ignore_error || self.key_may_be_missing)?
            }
            None => None,
        };
        let field = |bytes: &'line [u8]| {
            (!(self.is_null(bytes) || self.empty_is_null && bytes.is_empty())).then_some(Cow::Borrowed(bytes))
        };
        Ok(Entry { headers, key: key.and_then(field), value: field(rest), ..Entry::default() })
    }

    /// Takes what is before the demarcation; nothing where it is not there and may be missing.
    fn part<'line>(
        &self,
        rest: &mut &'line [u8],
        end: &Demarcation,
        line: &[u8],
        number: u64,
        may_be_missing: bool,
    ) -> Result<Option<&'line [u8]>, BadLine> {
        match end.text.find(rest) {
            Some(at) => {
                let part = &rest[..at];
                *rest = &rest[at + end.text.needle().len()..];
                Ok(Some(part))
            }
            None if may_be_missing => Ok(None),
            None => Err(BadLine(format!("No {} found on line number {number}: '{}'", end.name, shown(line)))),
        }
    }

    fn headers_of(&self, rules: &HeaderRules, texts: &[u8], number: u64) -> Result<Headers, BadLine> {
        let mut headers = Headers::new();
        for pair in parts(texts, &rules.separator) {
            let Some(at) = rules.key_separator.find(pair) else {
                if self.ignore_error {
                    headers.add_null(String::from_utf8_lossy(pair));
                    continue;
                }
                let text = format!(
                    "No header key separator found in pair '{}' on line number {number}",
                    shown(pair)
                );
                return Err(BadLine(text));
            };
            let (key, value) = (&pair[..at], &pair[at + rules.key_separator.needle().len()..]);
            if self.is_null(key) {
                let text = format!(
                    "Header keys should not be equal to the null marker '{}' as they can't be null, on line number {number}",
                    shown(key)
                );
                return Err(BadLine(text));
            }
            match self.is_null(value) {
                true => headers.add_null(String::from_utf8_lossy(key)),
                false => headers.add(String::from_utf8_lossy(key), value),
            }
        }
        Ok(headers)
    }

    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(bytes)
    }
}

impl Demarcation {
    fn new(text: &str, name: &'static str) -> Demarcation {
        Demarcation { text: Finder::new(text).into_owned(), name }
    }
}

/// As Java's `Pattern.split`: what is empty at the end is left away, unless there is nothing else.
fn parts<'a>(text: &'a [u8], separator: &Finder<'_>) -> Vec<&'a [u8]> {
    let width = separator.needle().len();
    if width == 0 {
        return text.chunks(1).collect();
    }
    let (mut parts, mut begin) = (Vec::new(), 0);
    for at in separator.find_iter(text) {
        parts.push(&text[begin..at]);
        begin = at + width;
    }
    parts.push(&text[begin..]);
    if parts.len() > 1 {
        while parts.last().is_some_and(|last| last.is_empty()) {
            parts.pop();
        }
    }
    parts
}

/// A regular expression for a text, as scripts for Java's tool have it, is that text.
fn unescaped(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '\\' && next.is_ascii_punctuation() => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests;
