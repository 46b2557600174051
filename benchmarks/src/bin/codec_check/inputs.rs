//! What is compressed: random, structured, and in between.
//!
//! Owns: the making of inputs from a seed.

use fastrand::Rng;

/// An input of one of several kinds, mostly small: most mistakes are at the edges.
pub(super) fn random(random: &mut Rng) -> Vec<u8> {
    let size = size(random);
    let mut input = Vec::with_capacity(size);
    while input.len() < size {
        let rest = size - input.len();
        // Mostly of one kind, sometimes of several.
        let piece = if random.bool() { rest } else { random.usize(1..=rest) };
        append(&mut input, piece, random);
    }
    input.truncate(size);
    input
}

fn size(random: &mut Rng) -> usize {
    match random.u8(..100) {
        0..10 => random.usize(..64),
        10..60 => random.usize(..2000),
        60..90 => random.usize(..16_500),
        90..97 => near(random, &[16 << 10, 32 << 10, 64 << 10]),
        97..99 => random.usize(..140_000),
        _ => near(random, &[128 << 10, 256 << 10]),
    }
}

fn near(random: &mut Rng, edges: &[usize]) -> usize {
    let edge = edges.get(random.usize(..edges.len())).copied().unwrap_or_default();
    (edge + random.usize(..20)).saturating_sub(10)
}

fn append(input: &mut Vec<u8>, size: usize, random: &mut Rng) {
    match random.u8(..8) {
        0 => input.extend(std::iter::repeat_with(|| random.u8(..)).take(size)),
        1 => {
            let byte = random.u8(..);
            input.extend(std::iter::repeat_n(byte, size));
        }
        2 => {
            let letters = random.u8(1..40);
            input.extend(std::iter::repeat_with(|| b'A' + random.u8(..letters)).take(size));
        }
        3 => periodic(input, size, random),
        4 => copies(input, size, random),
        5 => skewed(input, size, random),
        _ => json(input, size, random),
    }
}

/// One period again and again, with a change here and there.
fn periodic(input: &mut Vec<u8>, size: usize, random: &mut Rng) {
    let length = random.usize(1..=300);
    let period: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    let change = random.usize(20..5000);
    let bytes = period.iter().cycle().take(size);
    input.extend(bytes.map(|byte| if random.usize(..change) == 0 { random.u8(..) } else { *byte }));
}

/// Literals and copies from anywhere before: as an LZ decoder sees the world.
fn copies(input: &mut Vec<u8>, size: usize, random: &mut Rng) {
    let end = input.len() + size;
    while input.len() < end {
        let literals = random.usize(..=40);
        input.extend(std::iter::repeat_with(|| random.u8(..)).take(literals));
        if input.is_empty() {
            continue;
        }
        let longest = random.usize(3..400);
        let (back, length) = (random.usize(1..=input.len()), random.usize(1..=longest));
        for _ in 0..length {
            let byte = input.get(input.len() - back).copied().unwrap_or_default();
            input.push(byte);
        }
    }
}

/// Few bytes often, many seldom: what Huffman and FSE are for.
fn skewed(input: &mut Vec<u8>, size: usize, random: &mut Rng) {
    let offset = random.u8(..);
    let skew = random.u32(1..8);
    let byte = |random: &mut Rng| (0..skew).fold(255, |most, _| random.u8(..=most)).wrapping_add(offset);
    input.extend(std::iter::repeat_with(|| byte(random)).take(size));
}

fn json(input: &mut Vec<u8>, size: usize, random: &mut Rng) {
    let end = input.len() + size;
    while input.len() < end {
        order(input, random);
    }
}

const NAMES: [&str; 8] = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Leslie", "Tony", "Margaret"];
const STATES: [&str; 4] = ["new", "paid", "shipped", "returned"];

fn order(out: &mut Vec<u8>, random: &mut Rng) {
    let name = NAMES.get(random.usize(..8)).copied().unwrap_or_default();
    let state = STATES.get(random.usize(..4)).copied().unwrap_or_default();
    let (id, user, cents) = (random.u64(..1 << 48), random.u32(..100_000), random.u32(100..50_000));
    let time = 1_700_000_000_000 + random.u64(..100_000_000);
    let line = format!(
        r#"{{"order":"{id:012x}","user":{user},"name":"{name}","state":"{state}","cents":{cents},"time":{time}}}"#
    );
    out.extend_from_slice(line.as_bytes());
}

/// Batches of `size` bytes with the same records as a producer would have, each with its few bytes of framing.
pub(super) fn json_batches(size: usize) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(11);
    let batch = |_| {
        let mut batch = Vec::with_capacity(size);
        let mut number = 0u32;
        while batch.len() < size {
            let mut value = Vec::new();
            order(&mut value, &mut random);
            batch.extend([value.len() as u8, 1, 0, (number % 128) as u8 * 2, (number / 128) as u8, 1]);
            batch.extend(value);
            batch.push(0);
            number += 1;
        }
        batch.truncate(size);
        batch
    };
    (0..(2 << 20) / size).map(batch).collect()
}
