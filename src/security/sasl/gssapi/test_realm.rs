//! A realm without a KDC, for tests: tickets as a KDC would make them, for `alice` and the service `kafka/broker`.
//!
//! Owns: keys that are made for each realm. Must not know: what is tested.
//! Source: RFC 4120, 5.3; MIT's format of ticket caches, version 4.

use std::time::{SystemTime, UNIX_EPOCH};

use krb5::{CCache, Credentials, EncType, Key, Keytab, ServiceKey};

pub(super) const REALM: &str = "TEST.LOCAL";

pub(super) struct TestRealm {
    service_key: Key,
    keytab: Keytab,
}

/// A ticket as a cache has it.
pub(super) struct CachedTicket {
    service: [&'static str; 2],
    session_key: Key,
    begun: i64,
    ends: i64,
    renewable_until: i64,
    ticket: Vec<u8>,
}

impl TestRealm {
    pub(super) fn new() -> TestRealm {
        let service_key = Key::random(18).unwrap();
        let enctype = EncType::AES256CtsHmacSha196;
        let key = ServiceKey::new("kafka/broker", REALM, 1, enctype, service_key.bytes());
        TestRealm { service_key, keytab: Keytab::from_keys(vec![key]) }
    }

    /// The broker's.
    pub(super) fn keytab(&self) -> &Keytab {
        &self.keytab
    }

    pub(super) fn keytab_bytes(&self) -> Vec<u8> {
        self.keytab.to_bytes()
    }

    /// A cache with a ticket that buys others.
    pub(super) fn first_ticket_cache(&self, begun: i64, ends: i64) -> Vec<u8> {
        self.renewable_cache(begun, ends, 0)
    }

    pub(super) fn renewable_cache(&self, begun: i64, ends: i64, renewable_until: i64) -> Vec<u8> {
        ticket_cache(&[self.ticket(["krbtgt", REALM], (begun, ends, renewable_until))])
    }

    /// A ticket for the broker.
    pub(super) fn service_ticket(&self) -> Credentials {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let cache = ticket_cache(&[self.ticket(["kafka", "broker"], (now, now + 600, 0))]);
        CCache::decode(&cache).unwrap().credentials().next().unwrap()
    }

    fn ticket(
        &self,
        service: [&'static str; 2],
        (begun, ends, renewable_until): (i64, i64, i64),
    ) -> CachedTicket {
        let session_key = Key::random(18).unwrap();
        let name = |kind: i64, parts: &[&str]| {
            let parts: Vec<Vec<u8>> = parts.iter().map(|part| tlv(0x1b, part.as_bytes())).collect();
            sequence(&[field(0, &integer(kind)), field(1, &sequence(&parts))])
        };
        let key = sequence(&[field(0, &integer(18)), field(1, &tlv(4, session_key.bytes()))]);
        let transited = sequence(&[field(0, &integer(1)), field(1, &tlv(4, b""))]);
        let sealed = sequence(&[
            field(0, &tlv(3, &[0, 0, 0, 0, 0])),
            field(1, &key),
            field(2, &tlv(0x1b, REALM.as_bytes())),
            field(3, &name(1, &["alice"])),
            field(4, &transited),
            field(5, &time(begun)),
            field(7, &time(ends)),
        ]);
        let sealed = self.service_key.encrypt(2, &tlv(0x63, &sealed)).unwrap();
        let ticket = sequence(&[
            field(0, &integer(5)),
            field(1, &tlv(0x1b, REALM.as_bytes())),
            field(2, &name(2, &service)),
            field(3, &sequence(&[field(0, &integer(18)), field(2, &tlv(4, &sealed))])),
        ]);
        let ticket = tlv(0x61, &ticket);
        CachedTicket { service, session_key, begun, ends, renewable_until, ticket }
    }
}

/// The bytes of a ticket cache of `alice`.
pub(super) fn ticket_cache(tickets: &[CachedTicket]) -> Vec<u8> {
    let mut out = vec![5, 4, 0, 0];
    let number = |out: &mut Vec<u8>, number: i64| out.extend_from_slice(&(number as u32).to_be_bytes());
    let data = |out: &mut Vec<u8>, data: &[u8]| {
        number(out, data.len() as i64);
        out.extend_from_slice(data);
    };
    let principal = |out: &mut Vec<u8>, parts: &[&str]| {
        number(out, 1);
        number(out, parts.len() as i64);
        data(out, REALM.as_bytes());
        parts.iter().for_each(|part| data(out, part.as_bytes()));
    };
    principal(&mut out, &["alice"]);
    for ticket in tickets {
        principal(&mut out, &["alice"]);
        principal(&mut out, &ticket.service);
        out.extend_from_slice(&18_u16.to_be_bytes());
        data(&mut out, ticket.session_key.bytes());
        for time in [ticket.begun, ticket.begun, ticket.ends, ticket.renewable_until] {
            number(&mut out, time);
        }
        out.push(0);
        let renewable = 1 << 23;
        number(&mut out, if ticket.renewable_until > 0 { renewable } else { 0 });
        // No addresses and no further data.
        number(&mut out, 0);
        number(&mut out, 0);
        data(&mut out, &ticket.ticket);
        data(&mut out, b"");
    }
    out
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=127 => out.push(length as u8),
        128..=255 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 + number, content)
}

fn integer(number: i64) -> Vec<u8> {
    tlv(2, &[u8::try_from(number).unwrap()])
}

/// `20261127033000Z`
fn time(seconds: i64) -> Vec<u8> {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days from civil, turned around: years of 365.2425 days that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    tlv(0x18, format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z").as_bytes())
}
