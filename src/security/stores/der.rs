//! `Der`: reads the binary form of ASN.1, element by element.
//!
//! Owns: tags and lengths. Must not know: what the elements mean.
//! Holds: nothing is allocated, nothing is read past the bytes that were given, and an error names what was being read.
//! Source: ITU-T X.690.

use std::borrow::Cow;
use std::fmt::Write;

use super::store_error::StoreError;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of `[number]` around another element.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of `[number]` in place of a primitive's own.
pub(super) const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// Elements that stand one after the other.
#[derive(Debug, Clone)]
pub(super) struct Der<'a> {
    rest: &'a [u8],
    /// Whose elements they are, for errors.
    of: &'static str,
}

impl<'a> Der<'a> {
    pub(super) fn new(bytes: &'a [u8], of: &'static str) -> Self {
        Der { rest: bytes, of }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    /// The next element with its tag and length.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], StoreError> {
        let before = self.rest;
        self.element()?;
        Ok(before.get(..before.len() - self.rest.len()).unwrap_or_default())
    }

    /// The next element: its tag and what is in it.
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), StoreError> {
        let (tag, content, rest) = split(self.rest).ok_or_else(|| self.damaged("ends too early"))?;
        self.rest = rest;
        Ok((tag, content))
    }

    /// What is in the next element, which has to have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Result<&'a [u8], StoreError> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(self.damaged("is not what it should be")),
        }
    }

    /// The elements of the next one, which has to have this tag.
    pub(super) fn open(&mut self, tag: u8, of: &'static str) -> Result<Der<'a>, StoreError> {
        Ok(Der::new(self.take(tag)?, of))
    }

    pub(super) fn sequence(&mut self, of: &'static str) -> Result<Der<'a>, StoreError> {
        self.open(SEQUENCE, of)
    }

    /// A whole number that is not negative and not large.
    pub(super) fn number(&mut self) -> Result<u32, StoreError> {
        let content = self.take(INTEGER)?;
        let digits = content.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(content);
        let negative = content.first().is_none_or(|first| *first >= 0x80);
        if negative || digits.len() > 4 {
            return Err(self.damaged("has a number that is too large, or negative"));
        }
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), StoreError> {
        if self.is_empty() { Ok(()) } else { Err(self.damaged("has more in it than it should have")) }
    }

    pub(super) fn damaged(&self, how: &str) -> StoreError {
        StoreError::Damaged(Cow::Owned(format!("{} {how}", self.of)))
    }
}

/// Whether this is one element with this tag and nothing behind it.
pub(super) fn is_one(tag: u8, bytes: &[u8]) -> bool {
    matches!(split(bytes), Some((found, _, [])) if found == tag)
}

/// The first element's tag and content, and what is behind it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    // Tags of several bytes are in none of the formats that are read here.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = length(rest)?;
    let (content, rest) = rest.split_at_checked(length?)?;
    Some((tag, content, rest))
}

/// A length, and what is behind it; none within: it is left open.
pub(super) fn length(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..0x80 => Some((Some(usize::from(first)), rest)),
        0x80 => Some((None, rest)),
        // More than four bytes of length are more than any store has.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            Some((Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))), rest))
        }
        _ => None,
    }
}

/// Writes an element with the shortest length there is.
pub(super) fn write_element(output: &mut Vec<u8>, tag: u8, content: &[u8]) {
    output.push(tag);
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => output.push(length),
        _ => {
            let digits = content.len().to_be_bytes();
            let zeros = digits.iter().take_while(|digit| **digit == 0).count();
            output.push(0x80 | (digits.len() - zeros) as u8);
            output.extend(digits.iter().skip(zeros));
        }
    }
    output.extend_from_slice(content);
}

/// An object identifier as people write it: `1.2.840.113549.1.5.13`.
pub(super) fn dotted(identifier: &[u8]) -> String {
    let mut text = String::new();
    let mut arc: u64 = 0;
    for byte in identifier.iter().take(32) {
        arc = arc << 7 & (u64::MAX >> 1) | u64::from(byte & 0x7f);
        if *byte >= 0x80 {
            continue;
        }
        let written = if text.is_empty() {
            let root = (arc / 40).min(2);
            write!(text, "{root}.{}", arc - root * 40)
        } else {
            write!(text, ".{arc}")
        };
        debug_assert!(written.is_ok());
        arc = 0;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_order_and_errors_name_whose_they_are() {
        let bytes = [0x30, 0x08, 0x02, 0x01, 0x05, 0x04, 0x03, b'a', b'b', b'c'];
        let mut outer = Der::new(&bytes, "the thing");
        let mut inner = outer.sequence("its part").unwrap();
        assert!(outer.is_empty() && outer.end().is_ok() && inner.next_is(INTEGER));
        assert_eq!(inner.number(), Ok(5));
        assert_eq!(inner.clone().raw(), Ok(&bytes[5..]));
        assert_eq!(
            inner.end().unwrap_err().to_string(),
            "it is damaged: its part has more in it than it should have"
        );
        assert_eq!(
            inner.clone().take(INTEGER).unwrap_err().to_string(),
            "it is damaged: its part is not what it should be"
        );
        assert_eq!(inner.take(OCTET_STRING), Ok(&b"abc"[..]));
        assert_eq!(inner.element().unwrap_err().to_string(), "it is damaged: its part ends too early");
    }

    #[test]
    fn lengths_never_reach_past_the_end() {
        for bytes in [
            &[0x30][..],
            &[0x30, 0x01],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81],
            &[0x30, 0x82, 0x01],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x30, 0xff],
            &[0x1f, 0x01, 0x00],
        ] {
            assert!(Der::new(bytes, "it").element().is_err(), "{bytes:?}");
        }
        assert!(is_one(SEQUENCE, &[0x30, 0x81, 0x01, 0]) && !is_one(SEQUENCE, &[0x30, 0x00, 0]));
    }

    #[test]
    fn numbers_are_small_and_not_negative() {
        let number = |content: &[u8]| {
            let bytes = [&[INTEGER, content.len() as u8], content].concat();
            Der::new(&bytes, "it").number().ok()
        };
        assert_eq!(number(&[0]), Some(0));
        assert_eq!(number(&[0x27, 0x10]), Some(10_000));
        assert_eq!(number(&[0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        for content in [&[][..], &[0x80], &[1, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0]] {
            assert_eq!(number(content), None, "{content:?}");
        }
    }

    #[test]
    fn identifiers_are_written_as_people_do() {
        let pbes2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
        assert_eq!(dotted(&pbes2), "1.2.840.113549.1.5.13");
        assert_eq!(dotted(&[0x60, 0x86, 0x48]), "2.16.840");
        assert_eq!(dotted(&[0xff; 100]), "");
    }
}
