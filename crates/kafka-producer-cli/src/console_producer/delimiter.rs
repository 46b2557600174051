//! A delimiter as kcat's flags have it: text with `\t`, `\n`, `\r` and `\xNN` in it.
//!
//! Owns: the syntax. Must not know: what is delimited.

use crate::complaint::Complaint;

/// The bytes of a delimiter.
///
/// # Errors
/// It is empty, or a `\x` is not followed by hexadecimal digits.
pub(super) fn delimiter_bytes(flag: &str, text: &str) -> Result<Vec<u8>, Complaint> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, byte) = match rest.as_bytes() {
            [b'\\', b't', ..] => (2, Some(b'\t')),
            [b'\\', b'n', ..] => (2, Some(b'\n')),
            [b'\\', b'r', ..] => (2, Some(b'\r')),
            [b'\\', b'x', digits @ ..] => {
                let count = digits.iter().take(2).take_while(|digit| digit.is_ascii_hexdigit()).count();
                let byte = u8::from_str_radix(&rest[2..2 + count], 16);
                (2 + count, Some(byte.map_err(|_| no_digits(flag, text))?))
            }
            _ => (character.len_utf8(), None),
        };
        match byte {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(&rest.as_bytes()[..taken]),
        }
        rest = &rest[taken..];
    }
    match bytes.is_empty() {
        true => Err(Complaint::of_usage(format!("{flag} is empty: expected a text, such as ':' or '\\t'"))),
        false => Ok(bytes),
    }
}

fn no_digits(flag: &str, text: &str) -> Complaint {
    Complaint::of_usage(format!(
        "{flag} {text}: expected one or two hexadecimal digits after \\x, as in \\x1f"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of kcat's own unit test, but for the empty one.
    #[test]
    fn escapes_are_those_of_kcat() {
        for (text, bytes) in [
            (":", &b":"[..]),
            ("\\n", b"\n"),
            ("\\t\\n\\n", b"\t\n\n"),
            ("\\x54!\\x45\\x53T", b"T!EST"),
            ("\\x30", b"0"),
            ("\\xff", b"\xff"),
            ("\\x1g", b"\x01g"),
            ("ä::", "ä::".as_bytes()),
            ("\\", b"\\"),
            ("\\d", b"\\d"),
        ] {
            assert_eq!(delimiter_bytes("-K", text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_delimiter_is_told() {
        let refused = |text: &str| delimiter_bytes("-K", text).map_err(|error| error.to_string());
        assert_eq!(refused(""), Err("-K is empty: expected a text, such as ':' or '\\t'".into()));
        let digits = "-K \\xzz: expected one or two hexadecimal digits after \\x, as in \\x1f";
        assert_eq!(refused("\\xzz"), Err(digits.into()));
    }
}
