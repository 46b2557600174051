//! The values that are sent, made from a fixed seed: the same in each run and for each client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::payloads::Payloads;

/// What values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PayloadKind {
    /// 256 values of so many letters.
    Letters(usize),
    /// Orders of a shop, about 1 KiB each.
    Json,
    /// Lines of a service's log, about 150 bytes each.
    LogLines,
    /// 1 KiB: one half random bytes, the other one a few bytes again and again.
    HalfRandom,
}

/// Makes the next value; the size is asked for where there is a choice.
type MakeValue = fn(&mut Rng, usize) -> Vec<u8>;

const SEED: u64 = 12;
const DIFFERENT: usize = 256;
/// So many that none comes back within a batch of 1 MiB.
const DIFFERENT_COMPRESSED: usize = 4096;
const DIFFERENT_LINES: usize = 16_384;

impl PayloadKind {
    pub(crate) fn make(self) -> Payloads {
        let mut random = Rng::with_seed(SEED);
        let (count, value): (usize, MakeValue) = match self {
            PayloadKind::Letters(_) => (DIFFERENT, letters),
            PayloadKind::Json => (DIFFERENT_COMPRESSED, order),
            PayloadKind::LogLines => (DIFFERENT_LINES, log_line),
            PayloadKind::HalfRandom => (DIFFERENT_COMPRESSED, half_random),
        };
        let size = if let PayloadKind::Letters(size) = self { size } else { 1024 };
        let mut payloads = Payloads::default();
        for _ in 0..count {
            payloads.push(&value(&mut random, size));
        }
        payloads
    }
}

fn letters(random: &mut Rng, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.lowercase() as u8).collect()
}

fn half_random(random: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size / 2).map(|_| random.u8(..)).collect();
    let again = letters(random, 16);
    bytes.extend(again.iter().cycle().take(size - size / 2));
    bytes
}

const NAMES: [&str; 8] = ["Ada", "Bjarne", "Chiara", "Dmitri", "Esi", "Farid", "Grace", "Haruto"];
const CITIES: [&str; 8] = ["Lisbon", "Osaka", "Accra", "Montevideo", "Tallinn", "Pune", "Quebec", "Perth"];
const GOODS: [&str; 8] = ["apple", "pear", "lemon", "lime", "quince", "cherry", "plum", "fig"];
const STATES: [&str; 4] = ["new", "paid", "packed", "sent"];

fn one_of<'a>(random: &mut Rng, words: &[&'a str]) -> &'a str {
    words[random.usize(..words.len())]
}

fn time(random: &mut Rng) -> String {
    let (hour, minute, second, milli) =
        (random.u8(..24), random.u8(..60), random.u8(..60), random.u16(..1000));
    format!("2026-11-27T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn order(random: &mut Rng, _: usize) -> Vec<u8> {
    let (name, city, state) = (one_of(random, &NAMES), one_of(random, &CITIES), one_of(random, &STATES));
    let mut text = format!(
        "{{\"order\":\"{:016x}\",\"time\":\"{}\",\"state\":\"{state}\",\"customer\":{{\"id\":{},\"name\":\"{name}\",\"city\":\"{city}\",\
         \"email\":\"{}.{}@example.org\"}},\"items\":[",
        random.u64(..),
        time(random),
        random.u32(..1_000_000),
        name.to_lowercase(),
        random.u16(..),
    );
    let items = random.usize(7..=12);
    for item in 0..items {
        let comma = if item == 0 { "" } else { "," };
        text += &format!(
            "{comma}{{\"sku\":\"{}-{:06}\",\"name\":\"{}\",\"quantity\":{},\"price\":{}.{:02},\"gift\":{}}}",
            one_of(random, &GOODS).to_uppercase(),
            random.u32(..1_000_000),
            one_of(random, &GOODS),
            random.u8(1..20),
            random.u16(..500),
            random.u8(..100),
            random.bool(),
        );
    }
    let (total, cents) = (random.u32(..5000), random.u8(..100));
    text += &format!(
        "],\"total\":{total}.{cents:02},\"currency\":\"EUR\",\"token\":\"{:032x}\"}}",
        random.u128(..)
    );
    text.into_bytes()
}

fn log_line(random: &mut Rng, _: usize) -> Vec<u8> {
    let level = one_of(random, &["DEBUG", "INFO", "INFO", "INFO", "WARN"]);
    let (time, worker, id) = (time(random), random.u8(..32), random.u32(..10_000_000));
    let (number, milli) = (random.u32(..1_000_000), random.u16(..900));
    let what = match random.u8(..4) {
        0 => format!("o.e.shop.OrderService - order {id} of customer {number} accepted in {milli} ms"),
        1 => format!(
            "o.e.shop.StockService - {} of {} reserved for order {id}, {number} left",
            random.u8(1..20),
            one_of(random, &GOODS)
        ),
        2 => format!(
            "o.e.web.Access - 10.{}.{}.{} \"GET /orders/{id}?page={} HTTP/1.1\" 200 {number} {milli} ms",
            random.u8(..),
            random.u8(..),
            random.u8(..),
            random.u8(1..50)
        ),
        _ => format!(
            "o.e.pay.Gateway - payment {:016x} for order {id}: authorized, {milli} ms",
            random.u64(..)
        ),
    };
    format!("{time} {level:<5} [worker-{worker:02}] {what}").into_bytes()
}

/// The files of the values, in a folder that is gone at the end.
pub(crate) struct PayloadFiles {
    folder: PathBuf,
    made: BTreeMap<PayloadKind, PayloadFile>,
}

/// A file of values, their number and their mean size.
#[derive(Debug, Clone)]
pub(crate) struct PayloadFile {
    pub(crate) path: PathBuf,
    pub(crate) count: usize,
    pub(crate) mean: f64,
}

impl PayloadFiles {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        PayloadFiles { folder: folder.to_owned(), made: BTreeMap::new() }
    }

    pub(crate) fn of(&mut self, kind: PayloadKind) -> Result<PayloadFile, Failure> {
        if let Some(file) = self.made.get(&kind) {
            return Ok(file.clone());
        }
        let path = self.folder.join(format!("values-{}", self.made.len()));
        let payloads = kind.make();
        payloads.write(&path)?;
        let (count, bytes) = (payloads.len(), payloads.total_bytes() as f64);
        let file = PayloadFile { path, count, mean: bytes / count as f64 };
        self.made.insert(kind, file.clone());
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn values_differ_and_are_the_same_in_each_run() {
        for kind in
            [PayloadKind::Letters(100), PayloadKind::Json, PayloadKind::LogLines, PayloadKind::HalfRandom]
        {
            let payloads = kind.make();
            assert_eq!(payloads, kind.make());
            let different: HashSet<&[u8]> = (0..payloads.len()).map(|index| payloads.at(index)).collect();
            assert_eq!(different.len(), payloads.len(), "{kind:?}");
        }
        let mean = |kind: PayloadKind| kind.make().total_bytes() / kind.make().len();
        assert_eq!(mean(PayloadKind::Letters(10)), 10);
        assert!((900..1200).contains(&mean(PayloadKind::Json)), "{}", mean(PayloadKind::Json));
        assert!((100..200).contains(&mean(PayloadKind::LogLines)), "{}", mean(PayloadKind::LogLines));
    }
}
