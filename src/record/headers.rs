//! `Headers`: pairs of a text and some bytes, which go with a record (KIP-82).
//!
//! Owns: how they are kept. Must not know: records, how headers are written.
//! Holds: keys and values are copied when they are added, all into one buffer, so that adding one allocates nothing of its
//! own; clones share that buffer until one of them is changed.

use std::fmt;
use std::sync::Arc;

/// A record's headers (KIP-82): keys with values, in order. A value is bytes or null; a key may occur more than once.
///
/// Cloning is cheap: the clones share what they hold until one of them is changed.
///
/// ```
/// use kafka_producer::{Headers, ProducerRecord};
///
/// let mut headers = Headers::new();
/// headers.add("trace", "af31");
/// headers.add("hop", [1]);
/// headers.add_null("end");
/// headers.add("hop", [2]);
/// assert_eq!(headers.len(), 4);
/// assert_eq!(headers.last("hop").and_then(|header| header.value()), Some(&[2][..]));
/// assert_eq!(
///     headers.iter().map(|header| header.key()).collect::<Vec<_>>(),
///     ["trace", "hop", "end", "hop"]
/// );
///
/// headers.remove("hop");
/// let record = ProducerRecord::new("orders", "two apples").with_headers(headers);
/// assert_eq!(record.headers().len(), 2);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Option<Arc<Stored>>);

#[derive(Clone, PartialEq, Eq, Default)]
struct Stored {
    /// Key and value of each, one behind the other.
    bytes: Vec<u8>,
    places: Vec<HeaderPlace>,
}

/// Where a header's key and value end in the buffer; each begins where the one before ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct HeaderPlace {
    key_end: usize,
    /// None: null.
    value_end: Option<usize>,
}

impl HeaderPlace {
    fn end(self) -> usize {
        self.value_end.unwrap_or(self.key_end)
    }
}

/// One header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The header's key.
    pub fn key(self) -> &'a str {
        // It came in as a `str`.
        std::str::from_utf8(self.key).unwrap_or_default()
    }

    /// The header's value, or none where it is null.
    pub fn value(self) -> Option<&'a [u8]> {
        self.value
    }

    pub(crate) fn key_bytes(self) -> &'a [u8] {
        self.key
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("key", &self.key()).field("value", &self.value).finish()
    }
}

impl Headers {
    /// No headers; allocates nothing.
    pub const fn new() -> Self {
        Headers(None)
    }

    /// Adds a header at the end.
    pub fn add(&mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) {
        self.push(key.as_ref(), Some(value.as_ref()));
    }

    /// Adds a header with a null value at the end.
    pub fn add_null(&mut self, key: impl AsRef<str>) {
        self.push(key.as_ref(), None);
    }

    fn push(&mut self, key: &str, value: Option<&[u8]>) {
        let Stored { bytes, places } = Arc::make_mut(self.0.get_or_insert_default());
        bytes.reserve(key.len() + value.map_or(0, <[u8]>::len));
        bytes.extend_from_slice(key.as_bytes());
        let key_end = bytes.len();
        let value_end = value.map(|value| {
            bytes.extend_from_slice(value);
            bytes.len()
        });
        places.push(HeaderPlace { key_end, value_end });
    }

    /// Removes every header of this key.
    pub fn remove(&mut self, key: &str) {
        if self.last(key).is_none() {
            return;
        }
        let mut rest = Headers::new();
        for header in self.iter().filter(|header| header.key() != key) {
            rest.push(header.key(), header.value);
        }
        *self = rest;
    }

    /// The last header of this key, as Java's `lastHeader`.
    pub fn last(&self, key: &str) -> Option<Header<'_>> {
        self.iter().rev().find(|header| header.key == key.as_bytes())
    }

    /// The headers in order.
    pub fn iter(&self) -> HeaderIter<'_> {
        let (bytes, places) = match &self.0 {
            Some(stored) => (&stored.bytes[..], &stored.places[..]),
            None => (&[][..], &[][..]),
        };
        HeaderIter { bytes, begin: 0, places }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |stored| stored.places.len())
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = Header<'a>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The headers of a record in order: see [`Headers::iter`].
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    /// Where the next one begins in the buffer.
    begin: usize,
    places: &'a [HeaderPlace],
}

impl fmt::Debug for HeaderPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "..{}..{:?}", self.key_end, self.value_end)
    }
}

impl<'a> HeaderIter<'a> {
    fn header(&self, begin: usize, place: HeaderPlace) -> Header<'a> {
        let bytes = self.bytes;
        let part = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        let value = place.value_end.map(|end| part(place.key_end, end));
        Header { key: part(begin, place.key_end), value }
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (place, rest) = self.places.split_first()?;
        let header = self.header(self.begin, *place);
        (self.begin, self.places) = (place.end(), rest);
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.places.len(), Some(self.places.len()))
    }
}

impl<'a> DoubleEndedIterator for HeaderIter<'a> {
    fn next_back(&mut self) -> Option<Header<'a>> {
        let (place, rest) = self.places.split_last()?;
        let begin = rest.last().map_or(self.begin, |before| before.end());
        self.places = rest;
        Some(self.header(begin, *place))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(headers: &Headers) -> Vec<(&str, Option<&[u8]>)> {
        headers.iter().map(|header| (header.key(), header.value())).collect()
    }

    #[test]
    fn headers_keep_order_and_repeats() {
        let mut headers = Headers::new();
        headers.add("a", "1");
        headers.add_null("b");
        headers.add("", "");
        headers.add("a", vec![50]);
        let expected = [("a", Some(&b"1"[..])), ("b", None), ("", Some(b"")), ("a", Some(b"2"))];
        assert_eq!(pairs(&headers), expected);
        let mut backwards: Vec<_> =
            headers.iter().rev().map(|header| (header.key(), header.value())).collect();
        backwards.reverse();
        assert_eq!(backwards, expected);
        assert_eq!(headers.last("a").and_then(Header::value), Some(&b"2"[..]));
        let mut middle = headers.iter();
        assert_eq!(
            (middle.next().map(Header::key), middle.next_back().map(Header::key)),
            (Some("a"), Some("a"))
        );
        assert_eq!(
            (middle.len(), middle.next_back().map(Header::key), middle.next().map(Header::key)),
            (2, Some(""), Some("b"))
        );
        assert_eq!((middle.next(), middle.next_back()), (None, None));
    }

    #[test]
    fn headers_share_until_one_is_changed() {
        let mut headers = Headers::new();
        headers.add("a", "1");
        let given = headers.clone();
        headers.add_null("b");
        headers.remove("a");
        assert_eq!(given.iter().map(Header::key).collect::<Vec<_>>(), ["a"]);
        assert_eq!(format!("{headers:?}"), r#"[Header { key: "b", value: None }]"#);
        headers.remove("x");
        headers.remove("b");
        assert!(headers.is_empty() && headers == Headers::new());
    }

    /// "ab" with value "c" and "a" with value "bc" are the same bytes.
    #[test]
    fn headers_are_equal_only_where_each_is() {
        let (mut one, mut other) = (Headers::new(), Headers::new());
        one.add("ab", "c");
        other.add("a", "bc");
        assert_ne!(one, other);
        let (mut empty, mut null) = (Headers::new(), Headers::new());
        empty.add("a", "");
        null.add_null("a");
        assert_ne!(empty, null);
    }
}
