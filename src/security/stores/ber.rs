//! `definite`: the laxer form of ASN.1 brought into the strict one.
//!
//! Owns: lengths that are left open, and strings in pieces. Must not know: what the elements mean.
//! Holds: the result is no longer than what it was made of, and is overwritten when it is dropped; nesting has a limit.
//! Source: ITU-T X.690 section 8.1.3.6. Bouncy Castle, NSS and older tools write PKCS #12 so, and Java reads it.

use zeroize::Zeroizing;

use super::der::{OCTET_STRING, length, write_element};
use super::store_error::StoreError;

/// The first element, with every length said and every octet string in one piece.
pub(super) fn definite(bytes: &[u8], of: &'static str) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut output = Zeroizing::new(Vec::with_capacity(bytes.len()));
    match rewrite(bytes, &mut output, DEEPEST) {
        Some(_) => Ok(output),
        None => Err(StoreError::Damaged(format!("{of} ends too early").into())),
    }
}

/// Writes the first element, and returns what is behind it.
fn rewrite<'a>(bytes: &'a [u8], output: &mut Vec<u8>, depth: usize) -> Option<&'a [u8]> {
    let depth = depth.checked_sub(1)?;
    let (&tag, rest) = bytes.split_first()?;
    if tag & CONSTRUCTED == 0 {
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length?)?;
        write_element(output, tag, content);
        return Some(rest);
    }
    let (length, rest) = length(rest)?;
    let (mut inside, behind) = match length {
        Some(length) => rest.split_at_checked(length).map(|(inside, behind)| (inside, Some(behind)))?,
        None => (rest, None),
    };
    let mut content = Zeroizing::new(Vec::with_capacity(inside.len()));
    let behind = loop {
        match (inside, behind) {
            ([], Some(behind)) => break behind,
            ([0, 0, rest @ ..], None) => break rest,
            _ => inside = rewrite(inside, &mut content, depth)?,
        }
    };
    if tag == OCTET_STRING | CONSTRUCTED {
        write_element(output, OCTET_STRING, &joined(&content)?);
    } else {
        write_element(output, tag, &content);
    }
    Some(behind)
}

/// What is in octet strings that stand one after the other.
pub(super) fn joined(pieces: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces.len()));
    let mut rest = pieces;
    while let Some((&tag, piece)) = rest.split_first() {
        let (length, piece) = length(piece)?;
        let (content, behind) = piece.split_at_checked(length?)?;
        if tag != OCTET_STRING {
            return None;
        }
        whole.extend_from_slice(content);
        rest = behind;
    }
    Some(whole)
}

const CONSTRUCTED: u8 = 0x20;
/// Deeper than any store is nested.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_lengths_and_pieces_become_definite() {
        let lax = [
            0x30, 0x80, 0x02, 0x01, 0x03, 0xa0, 0x80, 0x24, 0x80, 4, 1, b'a', 4, 2, b'b', b'c', 0, 0, 0, 0,
            0, 0, 9,
        ];
        let strict = [0x30, 0x0a, 0x02, 0x01, 0x03, 0xa0, 0x05, 0x04, 0x03, b'a', b'b', b'c'];
        assert_eq!(*definite(&lax, "it").unwrap(), strict);
        assert_eq!(*definite(&strict, "it").unwrap(), strict);
    }

    #[test]
    fn nothing_is_read_past_the_end_and_nesting_has_a_limit() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x80, 0],
            &[0x04, 0x80, 0, 0],
            &[0x30, 0x03, 0x02, 0x01],
        ] {
            assert!(definite(bytes, "it").is_err(), "{bytes:?}");
        }
        let nested = |depth| [[0x30, 0x80].repeat(depth), vec![0; 2 * depth]].concat();
        assert!(definite(&nested(DEEPEST), "it").is_ok() && definite(&nested(DEEPEST + 1), "it").is_err());
        assert!(definite(&nested(1_000_000), "it").is_err());
    }
}
