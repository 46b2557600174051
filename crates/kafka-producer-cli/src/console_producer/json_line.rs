//! A record as a line of JSON: as kcat's `-J` prints it, and as this program writes those that failed.
//!
//! Owns: the format, in both directions. Must not know: where lines come from and go to.
//! Holds: what is written reads back as the same record. kcat puts bytes that are no text into its strings as they are,
//! which is no JSON; they are read as what they are. Ours puts them into `key_base64`, `payload_base64` and
//! `headers_base64` (the values of all headers, then), and is JSON.
//! Source: kcat's `json.c`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka_producer::Headers;
use memchr::memchr;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use super::entry::{BadLine, Entry, shown};

/// Reads a line; `None` for one that is blank. The mark of UTF-8 that some programs begin a file with is none of it.
pub(super) fn parse(line: &[u8], number: u64) -> Result<Option<Entry<'_>>, BadLine> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let bad =
        |why: String| BadLine(format!("line number {number} is not a record: {why}: '{}'", shown(line)));
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("it is no JSON object: expected {\"key\":…,\"payload\":…}".into()));
    }
    let read: LineRead<'_> = serde_json::from_slice(line).map_err(|error| bad(in_words(&error)))?;
    if let Some(escape) = lone_surrogate(line) {
        return Err(bad(format!("{escape} is half a character")));
    }
    let headers = headers_of(read.headers, read.headers_base64).map_err(bad)?;
    let key = either(read.key, read.key_base64, "key").map_err(bad)?;
    let value = either(read.payload, read.payload_base64, "payload").map_err(bad)?;
    let Some(value) = value else {
        return Err(bad("it has no payload, which for a tombstone is null".into()));
    };
    // kcat's number where a broker tells no time is negative.
    let timestamp = read.ts.filter(|time| *time >= 0);
    let (topic, partition, key) = (read.topic, read.partition, key.flatten());
    Ok(Some(Entry { topic, partition, timestamp, headers, key, value }))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// serde's words, without its line number, which is always 1, and without names of Rust's types. What they quote of the line is
/// cut.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (what, column) = text.rsplit_once(" at line 1 column ").unwrap_or((&text, "1"));
    let Some((found, expected)) = what.rsplit_once(", expected ") else {
        return format!("{} at column {column}", shown(what.as_bytes()));
    };
    let found = match found {
        "invalid type: sequence" => "invalid type: an array".to_owned(),
        "invalid type: map" => "invalid type: an object".to_owned(),
        _ => shown(found.as_bytes()),
    };
    let expected = match expected {
        "i32" => "a whole number of 32 bits",
        "i64" => "a whole number of 64 bits",
        "a sequence" => "an array",
        other => other,
    };
    format!("{found}, expected {expected} at column {column}")
}

/// The first escape that is half of a character, without the other half. In a string that is read as bytes serde lets it pass.
fn lone_surrogate(line: &[u8]) -> Option<String> {
    let mut from = 0;
    while let Some(at) = memchr(b'\\', &line[from..]) {
        let escape = from + at;
        match (unit_at(line, escape), unit_at(line, escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => from = escape + 12,
            (Some(unit @ 0xd800..=0xdfff), _) => return Some(format!("\\u{unit:04x}")),
            (Some(_), _) => from = escape + 6,
            // Another escape, of two characters.
            (None, _) => from = (escape + 2).min(line.len()),
        }
    }
    None
}

/// The unit of UTF-16 that is written `\uNNNN` here.
fn unit_at(line: &[u8], at: usize) -> Option<u32> {
    let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[derive(Deserialize)]
struct LineRead<'a> {
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    partition: Option<i32>,
    ts: Option<i64>,
    /// Keys and values in turns.
    #[serde(borrow)]
    headers: Option<Vec<Option<Octets<'a>>>>,
    headers_base64: Option<Vec<Option<String>>>,
    #[serde(borrow, default)]
    key: Field<'a>,
    key_base64: Option<String>,
    #[serde(borrow, default)]
    payload: Field<'a>,
    payload_base64: Option<String>,
}

/// A string's bytes, null, or nothing at all.
#[derive(Default)]
enum Field<'a> {
    #[default]
    Missing,
    Null,
    Bytes(Cow<'a, [u8]>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Option::<Octets<'a>>::deserialize(deserializer)?;
        Ok(bytes.map_or(Field::Null, |octets| Field::Bytes(octets.0)))
    }
}

/// The bytes of a string, whether they are text or not.
struct Octets<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Octets<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(OctetsVisitor).map(Octets)
    }
}

struct OctetsVisitor;

impl<'de> Visitor<'de> for OctetsVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

/// Text or base64: the outer `None` is neither, the inner one is null.
fn either<'a>(
    text: Field<'a>,
    base64: Option<String>,
    name: &str,
) -> Result<Option<Option<Cow<'a, [u8]>>>, String> {
    match (text, base64) {
        (Field::Missing, None) => Ok(None),
        (Field::Null, None) => Ok(Some(None)),
        (Field::Bytes(bytes), None) => Ok(Some(Some(bytes))),
        (Field::Missing, Some(text)) => Ok(Some(Some(Cow::Owned(decoded(&text, name)?)))),
        (_, Some(_)) => Err(format!("it has {name} and {name}_base64")),
    }
}

fn decoded(text: &str, name: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| {
        format!(
            "{name}_base64 is no base64: expected letters, digits, + and /, filled up by = to a multiple of 4"
        )
    })
}

fn headers_of(
    texts: Option<Vec<Option<Octets<'_>>>>,
    base64: Option<Vec<Option<String>>>,
) -> Result<Headers, String> {
    let parts: Vec<Option<Cow<'_, [u8]>>> = match (texts, base64) {
        (None, None) => return Ok(Headers::new()),
        (Some(parts), None) => parts.into_iter().map(|part| part.map(|octets| octets.0)).collect(),
        (None, Some(parts)) => {
            let bytes = |(at, text): (usize, Option<String>)| match text {
                Some(text) if at % 2 == 1 => Ok(Some(Cow::Owned(decoded(&text, "headers")?))),
                key => Ok::<_, String>(key.map(|key| Cow::Owned(key.into_bytes()))),
            };
            parts.into_iter().enumerate().map(bytes).collect::<Result<_, _>>()?
        }
        (Some(_), Some(_)) => return Err("it has headers and headers_base64".into()),
    };
    let mut headers = Headers::new();
    let (pairs, rest) = parts.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("headers has {} elements: expected keys and values in turns", parts.len()));
    }
    for [key, value] in pairs {
        let key = key.as_deref().ok_or("a header's key is null")?;
        let key = str::from_utf8(key).map_err(|_| "a header's key is not UTF-8")?;
        match value {
            Some(value) => headers.add(key, value),
            None => headers.add_null(key),
        }
    }
    Ok(headers)
}

/// A record that failed: what it was, and why.
pub(super) struct DeadLetter<'a> {
    pub(super) topic: &'a str,
    /// That it was meant for; `None` if the producer was to choose.
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
    pub(super) headers: &'a Headers,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// Of the input that it came from.
    pub(super) line: u64,
    pub(super) error: &'a kafka_producer::Error,
}

impl DeadLetter<'_> {
    /// The line, with a line feed at its end.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let is_text = |value: Option<&[u8]>| value.is_none_or(|bytes| str::from_utf8(bytes).is_ok());
        let headers_are_text = self.headers.iter().all(|header| is_text(header.value()));
        let header_parts = || -> Vec<Option<String>> {
            let value = |bytes| if headers_are_text { text_of(bytes) } else { STANDARD.encode(bytes) };
            self.headers
                .iter()
                .flat_map(|header| [Some(header.key().to_owned()), header.value().map(value)])
                .collect()
        };
        let (some_text, some_base64) = (!self.headers.is_empty() && headers_are_text, !headers_are_text);
        let field = |bytes: Option<&[u8]>| is_text(bytes).then(|| bytes.map(text_of));
        let base64 =
            |bytes: Option<&[u8]>| bytes.filter(|_| !is_text(bytes)).map(|bytes| STANDARD.encode(bytes));
        let line = LineWritten {
            topic: self.topic,
            partition: self.partition,
            ts: self.timestamp,
            headers: some_text.then(header_parts),
            headers_base64: some_base64.then(header_parts),
            key: field(self.key),
            key_base64: base64(self.key),
            payload: field(self.value),
            payload_base64: base64(self.value),
            line: self.line,
            error: self.error.to_string(),
            possibly_written: self.error.possibly_written(),
        };
        // Strings, numbers and null, which are always JSON.
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[derive(Serialize)]
struct LineWritten<'a> {
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers_base64: Option<Vec<Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    line: u64,
    error: String,
    possibly_written: bool,
}

#[cfg(test)]
mod tests;
