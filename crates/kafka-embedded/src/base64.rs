//! Base64 with `+`, `/` and `=`, as PEM and SCRAM have it; and without padding and with `-`, `_`, as tokens have it.
//!
//! Owns: both directions. Must not know: what the bytes mean.

/// With padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let value = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let place = (value >> (18 - 6 * digit) & 63) as usize;
            let is_there = digit as usize <= chunk.len();
            text.push(if is_there { char::from(DIGITS.get(place).copied().unwrap_or(b'=')) } else { '=' });
        }
    }
    text
}

/// Of either kind, with or without padding; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let (mut bytes, mut value, mut bits) = (Vec::with_capacity(digits.len() * 3 / 4), 0_u32, 0);
    for digit in digits {
        let digit = match digit {
            b'-' => 62,
            b'_' => 63,
            other => DIGITS.iter().position(|it| it == other)?,
        };
        value = value << 6 | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((value >> bits & 0xff) as u8);
        }
    }
    (bits < 6).then_some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 4648, section 10.
    #[test]
    fn both_directions() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "+/8=");
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        for bad in ["Z", "Zg=x", "Z g=", "Zm9vY", "ü"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
