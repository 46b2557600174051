//! Serializers of text: `String`, and `UUID` as text.
//!
//! Owns: their bytes and the `serializer.encoding` settings, of which only UTF-8 is accepted.

use super::{Serializer, SerializerError};
use crate::properties::Properties;
use crate::record::Headers;

/// Sends text as UTF-8, without a copy of its own. Reads `str` and `String`. Java: `StringSerializer`. Serializing
/// never fails.
///
/// Java's settings `key.serializer.encoding`, `value.serializer.encoding` and, where that is not set,
/// `serializer.encoding` are read; anything but UTF-8 is refused by `KafkaProducer::new`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StringSerializer;

impl Serializer<str> for StringSerializer {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        check_encoding(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a str,
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        Ok(Some(data.as_bytes()))
    }
}

impl Serializer<String> for StringSerializer {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        check_encoding(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a String,
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        Ok(Some(data.as_bytes()))
    }
}

/// Sends a UUID as its 36 characters, lower case, as Java's `UUID.toString`. Reads `u128` and `[u8; 16]` (big endian,
/// the order in which it is written). Java: `UUIDSerializer`. Serializing never fails.
///
/// The encoding settings are those of [`StringSerializer`].
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidSerializer;

impl Serializer<u128> for UuidSerializer {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        check_encoding(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a u128,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        write_uuid(*data, scratch);
        Ok(Some(scratch))
    }
}

impl Serializer<[u8; 16]> for UuidSerializer {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        check_encoding(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a [u8; 16],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        write_uuid(u128::from_be_bytes(*data), scratch);
        Ok(Some(scratch))
    }
}

/// `01234567-89ab-cdef-fedc-ba9876543210`.
fn write_uuid(uuid: u128, out: &mut Vec<u8>) {
    for (place, byte) in uuid.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend(
            [byte >> 4, byte & 0xf].map(|four| if four < 10 { b'0' + four } else { b'a' + four - 10 }),
        );
    }
}

/// The specific setting takes precedence over the general one, as in Java.
fn check_encoding(properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
    let specific = if is_key { "key.serializer.encoding" } else { "value.serializer.encoding" };
    let general = "serializer.encoding";
    let set = properties.get(specific).map(|encoding| (specific, encoding));
    match set.or_else(|| properties.get(general).map(|encoding| (general, encoding))) {
        Some((name, encoding)) if !UTF_8.iter().any(|alias| alias.eq_ignore_ascii_case(encoding)) => {
            Err(format!("{name} is {encoding:?}, but only UTF-8 (or UTF8) is accepted").into())
        }
        _ => Ok(()),
    }
}

/// The names under which Java knows UTF-8, in any case.
const UTF_8: [&str; 3] = ["UTF-8", "UTF8", "unicode-1-1-utf-8"];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn configured(settings: &[(&str, &str)], is_key: bool) -> Result<(), String> {
        let settings: HashMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let properties = Properties::new(&settings);
        let uuid = Serializer::<u128>::configure(&mut UuidSerializer, &properties, is_key);
        let text = Serializer::<str>::configure(&mut StringSerializer, &properties, is_key);
        assert_eq!(uuid.is_ok(), text.is_ok());
        text.map_err(|error| error.to_string())
    }

    #[test]
    fn utf_8_is_accepted_under_each_of_its_names() {
        assert_eq!(configured(&[], true), Ok(()));
        for encoding in ["UTF-8", "utf-8", "UTF8", "utf8", "Utf-8", "unicode-1-1-utf-8"] {
            for name in ["key.serializer.encoding", "serializer.encoding"] {
                assert_eq!(configured(&[(name, encoding)], true), Ok(()), "{name} {encoding}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused_naming_setting_and_value() {
        for encoding in ["UTF-16", "ISO-8859-1", "US-ASCII", "utf_8", "nope", "", "UTF-8x"] {
            assert_eq!(
                configured(&[("value.serializer.encoding", encoding)], false),
                Err(format!(
                    "value.serializer.encoding is {encoding:?}, but only UTF-8 (or UTF8) is accepted"
                ))
            );
        }
    }

    #[test]
    fn the_specific_setting_wins_and_the_other_sides_does_not_matter() {
        let both = [("key.serializer.encoding", "UTF-8"), ("serializer.encoding", "UTF-16")];
        assert_eq!(configured(&both, true), Ok(()));
        let error = configured(&both, false).unwrap_err();
        assert!(error.starts_with("serializer.encoding is \"UTF-16\""), "{error}");
        assert_eq!(configured(&[("key.serializer.encoding", "UTF-16")], false), Ok(()));
    }
}
