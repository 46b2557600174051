//! Texts as they stand in forms and queries of URLs.
//!
//! Owns: both encodings. Must not know: what is encoded.
//! Source: Java's `URLEncoder`; RFC 3986.

use zeroize::Zeroizing;

/// As in a form: a blank is a plus. What comes out may be as secret as what went in.
pub(crate) fn form_encoded(text: &str) -> Zeroizing<String> {
    encoded(text, b"*-._", Some('+'))
}

/// As in a query that is signed: nothing but letters, digits and `-._~` stays.
#[cfg(any(test, feature = "msk-iam"))]
pub(crate) fn uri_encoded(text: &str) -> Zeroizing<String> {
    encoded(text, b"-._~", None)
}

fn encoded(text: &str, stays: &[u8], blank: Option<char>) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b' ' if blank.is_some() => encoded.extend(blank),
            _ if byte.is_ascii_alphanumeric() || stays.contains(&byte) => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.extend(
                    [byte >> 4, byte & 15].map(|digit| {
                        char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
                    }),
                );
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of values is what Java's `URLEncoder` writes.
    #[test]
    fn texts_are_encoded_as_java_and_the_rfc_have_it() {
        for (text, form, uri) in [
            ("aZ09-._", "aZ09-._", "aZ09-._"),
            ("a b+c", "a+b%2Bc", "a%20b%2Bc"),
            ("~*", "%7E*", "~%2A"),
            ("/:=&?ä", "%2F%3A%3D%26%3F%C3%A4", "%2F%3A%3D%26%3F%C3%A4"),
        ] {
            assert_eq!((form_encoded(text).as_str(), uri_encoded(text).as_str()), (form, uri));
        }
    }
}
