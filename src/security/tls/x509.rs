//! `Certificate`: what a certificate says, for errors and for the checks that rustls leaves to us.
//!
//! Owns: reading X.509 as far as people ask for it: names, times, the kind of key, how it was signed. Must not know: whom we
//! trust, connections, settings.
//! Holds: it is made of strangers' bytes: what cannot be read is missing, nothing panics, and every text is printed escaped.
//! No check of a signature or a chain is made here: that is webpki's.
//! Source: RFC 5280.

use std::fmt;
use std::net::IpAddr;

use crate::escape::Escaped;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// 1, 2 or 3.
    pub(super) version: u8,
    pub(super) subject: DistinguishedName,
    pub(super) issuer: DistinguishedName,
    /// From and until, in seconds since 1970.
    pub(super) valid: Option<(u64, u64)>,
    pub(super) key: KeyKind,
    pub(super) signature: Signature,
    pub(super) dns_names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// It may issue others.
    pub(super) is_authority: bool,
}

/// A distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct DistinguishedName {
    der: Vec<u8>,
    /// What each part is called, and what it says, from the most general to the most special.
    parts: Vec<(String, String)>,
}

/// What sort of key a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// RSA, and how many bits its keys have.
    Rsa(usize),
    /// On this curve.
    Elliptic(String),
    /// By the name or the number of its algorithm.
    Other(String),
}

/// How a certificate was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    name: String,
    /// With a hash that nobody may trust any more.
    pub(super) is_broken: bool,
}

impl Certificate {
    /// What it says; none where that is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Certificate> {
        let mut certificate = Elements(Elements(der).expect(SEQUENCE)?);
        let mut body = Elements(certificate.expect(SEQUENCE)?);
        let signature = Elements(certificate.expect(SEQUENCE)?).expect(OBJECT)?;
        let version = match body.peek() {
            Some(VERSION) => Elements(body.expect(VERSION)?).expect(INTEGER)?.last()?.checked_add(1)?,
            _ => 1,
        };
        body.expect(INTEGER)?;
        body.expect(SEQUENCE)?;
        let issuer = DistinguishedName::read(body.expect(SEQUENCE)?);
        let valid = validity(body.expect(SEQUENCE)?);
        let subject = DistinguishedName::read(body.expect(SEQUENCE)?);
        let key = KeyKind::read(body.expect(SEQUENCE)?)?;
        let signature = Signature::read(signature);
        let (dns_names, addresses) = (Vec::new(), Vec::new());
        // Before there were extensions, every one might.
        let is_authority = version < 3;
        let mut read = Certificate {
            version,
            subject,
            issuer,
            valid,
            key,
            signature,
            dns_names,
            addresses,
            is_authority,
        };
        while let Some((tag, value)) = body.next() {
            if tag == EXTENSIONS {
                read.read_extensions(value);
            }
        }
        Some(read)
    }

    /// An authority of which there are only its name and its key, as they stand in a certificate, without their heads.
    pub(super) fn of_root(name: &[u8], key: &[u8]) -> Option<Certificate> {
        let name = DistinguishedName::read(name);
        Some(Certificate {
            version: 3,
            subject: name.clone(),
            issuer: name,
            valid: None,
            key: KeyKind::read(key)?,
            signature: Signature { name: String::new(), is_broken: false },
            dns_names: Vec::new(),
            addresses: Vec::new(),
            is_authority: true,
        })
    }

    fn read_extensions(&mut self, extensions: &[u8]) {
        let mut list = Elements(Elements(extensions).expect(SEQUENCE).unwrap_or_default());
        while let Some((SEQUENCE, extension)) = list.next() {
            let mut extension = Elements(extension);
            let kind = extension.expect(OBJECT);
            if extension.peek() == Some(BOOLEAN) {
                extension.next();
            }
            let value = extension.expect(OCTETS).and_then(|octets| Elements(octets).expect(SEQUENCE));
            let mut value = Elements(value.unwrap_or_default());
            match kind {
                Some(ALTERNATIVE_NAMES) => self.read_alternative_names(&mut value),
                Some(BASIC_CONSTRAINTS) => {
                    self.is_authority = value.expect(BOOLEAN).is_some_and(|bytes| bytes != [0]);
                }
                _ => {}
            }
        }
    }

    fn read_alternative_names(&mut self, names: &mut Elements<'_>) {
        while let Some((tag, value)) = names.next() {
            match tag {
                DNS_NAME => self.dns_names.push(String::from_utf8_lossy(value).into_owned()),
                ADDRESS => self.addresses.extend(address(value)),
                _ => {}
            }
        }
    }

    /// It is its own issuer, by its names.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject.der == self.issuer.der
    }

    /// What was signed by this one, by the names.
    pub(super) fn has_issued(&self, other: &Certificate) -> bool {
        self.subject.der == other.issuer.der
    }

    /// The names that it is for, as people read them; the common name counts where there is no DNS name.
    pub(super) fn whom_it_is_for(&self) -> String {
        let dns = self.dns_names.iter().map(|name| Escaped(name).to_string());
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        let mut names: Vec<String> = dns.chain(addresses).collect();
        if self.dns_names.is_empty() {
            let common = self.subject.common_name();
            names.extend(common.map(|name| format!("{} (its common name)", Escaped(name))));
        }
        let left = names.len().saturating_sub(MOST_NAMES);
        names.truncate(MOST_NAMES);
        match (names.is_empty(), left) {
            (true, _) => String::from("no name at all"),
            (_, 0) => names.join(", "),
            _ => format!("{} and {left} more", names.join(", ")),
        }
    }
}

impl DistinguishedName {
    fn read(der: &[u8]) -> DistinguishedName {
        let mut parts = Vec::new();
        let mut sets = Elements(der);
        while let Some((SET, set)) = sets.next() {
            let mut pairs = Elements(set);
            while let Some((SEQUENCE, pair)) = pairs.next() {
                let mut pair = Elements(pair);
                if let (Some((OBJECT, kind)), Some((tag, value))) = (pair.next(), pair.next()) {
                    parts.push((attribute(kind), text(tag, value)));
                }
            }
        }
        DistinguishedName { der: der.to_vec(), parts }
    }

    /// Whether these bytes, a whole name, are this one.
    pub(super) fn is(&self, encoded: &[u8]) -> bool {
        Elements(encoded).expect(SEQUENCE) == Some(&self.der)
    }

    /// The most special common name, as Java takes it.
    pub(super) fn common_name(&self) -> Option<&str> {
        self.parts.iter().rev().find(|(kind, _)| kind == "CN").map(|(_, name)| name.as_str())
    }
}

impl KeyKind {
    fn read(info: &[u8]) -> Option<KeyKind> {
        let mut info = Elements(info);
        let mut algorithm = Elements(info.expect(SEQUENCE)?);
        let kind = algorithm.expect(OBJECT)?;
        let bits = info.expect(BIT_STRING)?;
        Some(match kind {
            RSA => KeyKind::Rsa(rsa_bits(bits.get(1..)?)?),
            ELLIPTIC => KeyKind::Elliptic(match algorithm.next() {
                Some((OBJECT, curve)) => known(curve, &CURVES),
                _ => String::from("a curve without a name"),
            }),
            other => KeyKind::Other(known(other, &KEYS)),
        })
    }
}

fn rsa_bits(key: &[u8]) -> Option<usize> {
    let modulus = Elements(Elements(key).expect(SEQUENCE)?).expect(INTEGER)?;
    let at = modulus.iter().position(|byte| *byte != 0)?;
    let first = modulus.get(at)?;
    Some((modulus.len() - at) * 8 - first.leading_zeros() as usize)
}

impl Signature {
    fn read(kind: &[u8]) -> Signature {
        let is_broken = BROKEN.contains(&kind);
        Signature { name: known(kind, &SIGNATURES), is_broken }
    }
}

fn validity(der: &[u8]) -> Option<(u64, u64)> {
    let mut times = Elements(der);
    let (from, until) = (times.next()?, times.next()?);
    Some((seconds(from)?, seconds(until)?))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, in seconds since 1970.
fn seconds((tag, text): (u8, &[u8])) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (number(0)?, number(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || rest.len() != 10 {
        return None;
    }
    let time = days(year, month, day) * 86_400 + number(4)? * 3600 + number(6)? * 60 + number(8)?;
    // What is older than 1970 is as good as then.
    Some(u64::try_from(time).unwrap_or(0))
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day of the leap year is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A time in seconds since 1970, as people read it.
pub(super) struct Date(pub(super) u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, time) = (self.0 / 86_400 + 719_468, self.0 % 86_400);
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn text(tag: u8, value: &[u8]) -> String {
    match tag {
        // Sixteen bits each.
        BMP_STRING => {
            let units = value
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |all, byte| all << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        // As everybody writes it: Latin-1.
        TELETEX_STRING => value.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

fn attribute(kind: &[u8]) -> String {
    known(kind, &ATTRIBUTES)
}

/// The name of what has this number, or the number.
fn known(object: &[u8], names: &[(&[u8], &str)]) -> String {
    let found = names.iter().find(|(number, _)| *number == object);
    found.map_or_else(|| number(object), |(_, name)| (*name).to_owned())
}

/// `1.2.840.113549`, from its bytes.
fn number(object: &[u8]) -> String {
    let (mut parts, mut part) = (Vec::new(), 0u64);
    for byte in object.iter().take(MOST_NUMBER_BYTES) {
        part = part.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            parts.push(part);
            part = 0;
        }
    }
    if let Some(first) = parts.first_mut() {
        let of_two = (*first / 40).min(2);
        *first -= of_two * 40;
        parts.insert(0, of_two);
    }
    parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// As RFC 4514 writes it, and Java: the most special part first.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("(no name)");
        }
        for (at, (kind, value)) in self.parts.iter().rev().take(MOST_NAMES).enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator}{kind}={}", Escaped(value))?;
        }
        Ok(())
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Rsa(bits) => write!(f, "RSA of {bits} bits"),
            KeyKind::Elliptic(curve) => write!(f, "EC on {curve}"),
            KeyKind::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The elements of DER, one after another.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Its tag and what is in it; none at the end, and where the bytes are no DER.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*length) {
            length @ ..=0x7f => (length, rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(long - 0x80)?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }

    /// The next one, if it has this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, value) = self.next()?;
        (found == tag).then_some(value)
    }
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const TELETEX_STRING: u8 = 0x14;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

const ATTRIBUTES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 5], "SERIALNUMBER"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "EMAILADDRESS"),
];

const CURVES: [(&[u8], &str); 4] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "P-256"),
    (&[0x2b, 0x81, 4, 0, 34], "P-384"),
    (&[0x2b, 0x81, 4, 0, 35], "P-521"),
    (&[0x2b, 0x81, 4, 0, 10], "secp256k1"),
];

const KEYS: [(&[u8], &str); 4] = [
    (&[0x2b, 0x65, 112], "Ed25519"),
    (&[0x2b, 0x65, 113], "Ed448"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], "DSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], "RSA-PSS"),
];

const SIGNATURES: [(&[u8], &str); 11] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], "MD5 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], "SHA-1 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], "SHA-256 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], "SHA-384 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], "SHA-512 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], "RSA-PSS"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], "SHA-1 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "SHA-256 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "SHA-384 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], "SHA-512 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3], "SHA-1 with DSA"),
];

const BROKEN: [&[u8]; 4] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3],
];

/// How many names an error has room for.
const MOST_NAMES: usize = 20;
/// Longer than that of anything that is known.
const MOST_NUMBER_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, tag, date) in [
            ("700101000000Z", UTC_TIME, "1970-01-01 00:00:00 UTC"),
            ("240229235959Z", UTC_TIME, "2024-02-29 23:59:59 UTC"),
            ("20500301120000Z", GENERALIZED_TIME, "2050-03-01 12:00:00 UTC"),
            ("99991231235959Z", GENERALIZED_TIME, "9999-12-31 23:59:59 UTC"),
            ("20000229000000Z", GENERALIZED_TIME, "2000-02-29 00:00:00 UTC"),
            ("19000101000000Z", GENERALIZED_TIME, "1970-01-01 00:00:00 UTC"),
        ] {
            assert_eq!(
                seconds((tag, text.as_bytes())).map(|time| Date(time).to_string()).as_deref(),
                Some(date)
            );
        }
        for text in [
            "",
            "Z",
            "2402292359Z",
            "241329235959Z",
            "24022923595xZ",
            "240229235959+0100",
            "\u{e9}40229235959Z",
        ] {
            assert_eq!(seconds((UTC_TIME, text.as_bytes())), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_written_as_it_is_read() {
        for day in 0..146_097 {
            let text = Date(day * 86_400 + 3661).to_string();
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let read = seconds((GENERALIZED_TIME, format!("{digits}Z").as_bytes()));
            assert_eq!(read, Some(day * 86_400 + 3661), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_with_dots() {
        assert_eq!(number(RSA), "1.2.840.113549.1.1.1");
        assert_eq!(number(ALTERNATIVE_NAMES), "2.5.29.17");
        assert_eq!(number(&[]), "");
        assert!(!number(&[0xff; 1000]).contains('.'));
    }

    #[test]
    fn texts_of_all_kinds_are_read_and_stay_on_their_line() {
        assert_eq!(text(BMP_STRING, &[0, b'a', 0x20, 0xac]), "a€");
        assert_eq!(text(TELETEX_STRING, &[b'a', 0xe9]), "aé");
        let names = DistinguishedName {
            der: Vec::new(),
            parts: vec![("O".into(), "a\nb".into()), ("CN".into(), "k".into())],
        };
        assert_eq!(names.to_string(), "CN=k,O=a\\nb");
        assert_eq!(DistinguishedName::default().to_string(), "(no name)");
    }
}
