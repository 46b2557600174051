//! `PemSection`: what stands between `-----BEGIN` and `-----END`.
//!
//! Owns: finding sections in a text, and their bytes. Must not know: what is in them.
//! Holds: text around sections is nobody's business; a text whose lines were joined by blanks reads the same, as with
//! Java's client.
//! Source: RFC 7468, and RFC 1421 for the headers.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::store_error::StoreError;

/// One section.
#[derive(Debug, Clone, Copy)]
pub(super) struct PemSection<'a> {
    /// `PRIVATE KEY`
    pub(super) label: &'a str,
    headers: &'a [u8],
    base64: &'a [u8],
}

impl<'a> PemSection<'a> {
    /// All sections of a text.
    pub(super) fn all(text: &'a [u8]) -> Result<Vec<PemSection<'a>>, StoreError> {
        let (mut sections, mut rest) = (Vec::new(), text);
        while let Some((_, begun)) = cut(rest, b"-----BEGIN ") {
            rest = begun;
            // Dashes within a text are no section.
            let Some((label, body)) = label(begun) else { continue };
            let end = format!("-----END {label}-----");
            let unended = || StoreError::Damaged(format!("the section {label} has no end").into());
            let (body, after) = cut(body, end.as_bytes()).ok_or_else(unended)?;
            if cut(body, b"-----BEGIN ").is_some() {
                return Err(unended());
            }
            let (headers, base64) = split_headers(body);
            sections.push(PemSection { label, headers, base64 });
            rest = after;
        }
        Ok(sections)
    }

    /// What a header says: `DEK-Info`.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        let headers = std::str::from_utf8(self.headers).ok()?;
        let pairs = headers.lines().filter_map(|line| line.split_once(':'));
        pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut digits = Zeroizing::new(Vec::with_capacity(self.base64.len()));
        digits.extend(self.base64.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; digits.len() / 4 * 3 + 3]);
        let Ok(length) = BASE64.decode_slice(&*digits, &mut bytes) else {
            let label = self.label;
            return Err(StoreError::Damaged(if digits.windows(2).any(|pair| pair == br"\n") {
                format!("in the section {label} the two characters \\n stand where lines should end").into()
            } else {
                format!("the section {label} is not base64").into()
            }));
        };
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Before and behind the first occurrence.
fn cut<'a>(text: &'a [u8], what: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(what.len()).position(|window| window == what)?;
    Some((text.get(..at)?, text.get(at + what.len()..)?))
}

/// A label and what is behind its dashes.
fn label(begun: &[u8]) -> Option<(&str, &[u8])> {
    let (label, body) = cut(begun.get(..begun.len().min(LONGEST_LABEL + 5))?, b"-----")
        .map(|(label, _)| (label, begun.get(label.len() + 5..).unwrap_or_default()))?;
    let printable = label.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    Some((std::str::from_utf8(label).ok().filter(|_| printable)?, body))
}

/// Lines with a colon come first, and an empty line behind them; base64 has no colon.
fn split_headers(body: &[u8]) -> (&[u8], &[u8]) {
    let last = body.iter().rposition(|byte| *byte == b':').unwrap_or_default();
    if last == 0 {
        return (&[], body);
    }
    let end = body.iter().skip(last).position(|byte| matches!(byte, b'\n' | b'\r'));
    body.split_at_checked(last + end.unwrap_or(body.len() - last)).unwrap_or((body, &[]))
}

const LONGEST_LABEL: usize = 64;

/// As Java's decoder takes it: padding or none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let sections = PemSection::all(text.as_bytes()).map_err(|error| error.to_string())?;
        let bytes = |section: &PemSection<'_>| {
            let bytes = section.bytes().map_err(|error| error.to_string())?;
            Ok((section.label.to_owned(), bytes.to_vec()))
        };
        sections.iter().map(bytes).collect()
    }

    #[test]
    fn sections_are_found_whatever_stands_around_them_and_however_lines_end() {
        let expected = Ok(vec![("A B".to_owned(), b"hello!!".to_vec()), ("C".to_owned(), Vec::new())]);
        for text in [
            "-----BEGIN A B-----\naGVsbG8hIQ==\n-----END A B-----\n-----BEGIN C-----\n-----END C-----\n",
            "-----BEGIN A B-----\r\naGVs\r\nbG8hIQ==\r\n-----END A B-----\r\n\r\n-----BEGIN C-----\r\n-----END C-----",
            "Bag Attributes\n  x: y\n-----BEGIN A B----- aGVs bG8hIQ== -----END A B----- -----BEGIN C----- -----END C-----",
            "\u{feff}-----BEGIN A B-----\naGVsbG8hIQ\n-----END A B-----subject=/CN=x\n-----BEGIN C-----\n-----END C-----é",
            "-----BEGIN \n-----BEGIN A B-----\naGVsbG8hIQ==-----END A B----------BEGIN C----------END C-----",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("no section"), Ok(Vec::new()));
    }

    #[test]
    fn headers_are_told_from_the_bytes() {
        let text = "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00FF\n\naGVsbG8hIQ==\n-----END A-----";
        let sections = PemSection::all(text.as_bytes()).unwrap();
        assert_eq!(sections[0].header("DEK-Info"), Some("AES-128-CBC,00FF"));
        assert_eq!(sections[0].header("Proc-Type"), Some("4,ENCRYPTED"));
        assert_eq!((sections[0].header("Other"), &**sections[0].bytes().unwrap()), (None, &b"hello!!"[..]));
    }

    #[test]
    fn a_section_without_its_end_or_with_other_bytes_is_damaged() {
        let said = |text| read(text).unwrap_err();
        for text in [
            "-----BEGIN A-----\naGVs\n",
            "-----BEGIN A-----\naGVs\n-----END B-----",
            "-----BEGIN A-----\n-----BEGIN A-----\n-----END A-----",
        ] {
            assert_eq!(said(text), "it is damaged: the section A has no end", "{text}");
        }
        assert_eq!(
            said("-----BEGIN A-----\n*secret*\n-----END A-----"),
            "it is damaged: the section A is not base64"
        );
        let escaped = r"-----BEGIN A-----\naGVsbG8hIQ==\n-----END A-----";
        assert_eq!(
            said(escaped),
            "it is damaged: in the section A the two characters \\n stand where lines should end"
        );
    }
}
