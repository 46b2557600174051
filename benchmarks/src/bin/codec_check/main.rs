//! Compresses random inputs with the producer's own codecs and reads them with C libraries, and the other way round.
//!
//! Owns: the inputs, the judges, the counts; with `--measure` the ratios and rates in `docs/compression.md`.
//! Must not know: batches.

mod inputs;
mod judges;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kafka_producer::internal::Codec;

const USAGE: &str =
    "codec_check [--inputs N] [--seed N] [--from N] [--codec gzip|snappy|lz4|zstd] [--measure]";

fn main() -> ExitCode {
    let Some(options) = CheckOptions::read() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if options.measure {
        measure(options.codec.as_deref());
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let report = check(&options);
    println!("{report}, in {:.0} s", start.elapsed().as_secs_f64());
    for failure in &report.failures {
        println!("{failure}");
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct CheckOptions {
    inputs: u64,
    seed: u64,
    from: u64,
    codec: Option<String>,
    measure: bool,
}

impl CheckOptions {
    fn read() -> Option<CheckOptions> {
        let mut options = CheckOptions { inputs: 5000, seed: 1, from: 0, codec: None, measure: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--measure" => options.measure = true,
                "--inputs" => options.inputs = arguments.next()?.parse().ok()?,
                "--seed" => options.seed = arguments.next()?.parse().ok()?,
                "--from" => options.from = arguments.next()?.parse().ok()?,
                "--codec" => options.codec = Some(arguments.next()?),
                _ => return None,
            }
        }
        Some(options)
    }
}

#[derive(Default)]
struct CheckReport {
    checked: BTreeMap<&'static str, u64>,
    bytes: u64,
    compressed: u64,
    failures: Vec<String>,
}

impl std::fmt::Display for CheckReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, compressed, failed) = (self.bytes, self.compressed, self.failures.len());
        write!(f, "inputs {:?}, {bytes} bytes to {compressed}, {failed} failures", self.checked)
    }
}

/// Each input has a seed of its own, so that one can be repeated by `--seed S --from N --inputs 1`.
fn check(options: &CheckOptions) -> CheckReport {
    let mut report = CheckReport::default();
    for number in options.from..options.from + options.inputs {
        let mut random = Rng::with_seed(options.seed.wrapping_mul(1 << 40).wrapping_add(number));
        let input = inputs::random(&mut random);
        for codec in codecs(&mut random, options.codec.as_deref()) {
            *report.checked.entry(name(codec)).or_default() += 1;
            report.bytes += input.len() as u64;
            let one = catch_unwind(AssertUnwindSafe(|| check_one(codec, &input, &mut random)));
            match one.unwrap_or_else(|_| Err(String::from("a panic"))) {
                Ok(size) => report.compressed += size as u64,
                Err(what) if report.failures.len() < 20 => {
                    let size = input.len();
                    report.failures.push(format!("input {number}, {size} bytes, {codec:?}: {what}"));
                }
                Err(_) => {}
            }
        }
        if number % 50_000 == 49_999 {
            println!("{} done: {report}", number + 1);
        }
    }
    report
}

fn check_one(codec: Codec, input: &[u8], random: &mut Rng) -> Result<usize, String> {
    let mut compressed = Vec::new();
    codec.compress(input, &mut compressed).map_err(|error| format!("compress: {error}"))?;
    let judged =
        judges::decompress(codec, &compressed, input.len()).map_err(|what| format!("judge: {what}"))?;
    if judged != input {
        return Err(String::from("the judge reads something else"));
    }
    let read = codec.decompress(&compressed, input.len());
    if read.map_err(|error| format!("our decoder: {error}"))? != input {
        return Err(String::from("our decoder reads something else"));
    }
    if let Some(foreign) = judges::compress(codec, input) {
        let read = codec.decompress(&foreign, input.len());
        if read.map_err(|error| format!("our decoder, of C's bytes: {error}"))? != input {
            return Err(String::from("our decoder reads something else from C's bytes"));
        }
    }
    // Bytes that are wrong may be an error or other bytes, and must not be more than were allowed.
    if let Some(place) = (!compressed.is_empty()).then(|| random.usize(..compressed.len())) {
        if let Some(byte) = compressed.get_mut(place) {
            *byte = random.u8(..);
        }
        match codec.decompress(&compressed, input.len() + 100) {
            Ok(read) if read.len() > input.len() + 100 => return Err(String::from("more than the limit")),
            Err(error) if error.to_string().contains("panicked") => {
                return Err(format!("our decoder panics with byte {place} changed"));
            }
            _ => {}
        }
    }
    Ok(compressed.len())
}

/// One level of each codec that is wanted.
fn codecs(random: &mut Rng, only: Option<&str>) -> Vec<Codec> {
    let zstd = if random.u8(..8) == 0 { -(1 << random.i32(3..=17)) } else { random.i32(-7..=22) };
    let all = [
        Codec::Gzip { level: random.i32(1..=9) },
        Codec::Snappy,
        Codec::Lz4 { level: 9 },
        Codec::Zstd { level: zstd },
    ];
    all.into_iter().filter(|codec| only.is_none_or(|only| only == name(*codec))).collect()
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        Codec::Gzip { .. } => "gzip",
        Codec::Snappy => "snappy",
        Codec::Lz4 { .. } => "lz4",
        Codec::Zstd { .. } => "zstd",
    }
}

/// Ratio and rate of each level on batches of JSON, one thread.
fn measure(only: Option<&str>) {
    println!("| codec | level | ratio, 16 KiB | MB/s | ratio, 256 KiB | MB/s | C: ratio, 16 KiB | MB/s |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut codecs = vec![Codec::Snappy, Codec::Lz4 { level: 9 }];
    codecs.extend((1..=9).map(|level| Codec::Gzip { level }));
    codecs.extend([-131_072, -100, -7, -3, -1].map(|level| Codec::Zstd { level }));
    codecs.extend((1..=22).map(|level| Codec::Zstd { level }));
    let (small, large) = (inputs::json_batches(16 << 10), inputs::json_batches(256 << 10));
    for codec in codecs.into_iter().filter(|codec| only.is_none_or(|only| only == name(*codec))) {
        let ours = |batches: &[Vec<u8>]| {
            rate(batches, |batch| {
                let mut out = Vec::with_capacity(batch.len());
                codec.compress(batch, &mut out).map(|()| out.len()).unwrap_or_default()
            })
        };
        let level = match codec {
            Codec::Gzip { level } | Codec::Lz4 { level } | Codec::Zstd { level } => level.to_string(),
            Codec::None | Codec::Snappy => String::new(),
        };
        let (small_of, large_of) = (ours(&small), ours(&large));
        let theirs = judges::compress(codec, b"").map(|_| {
            rate(&small, |batch| judges::compress(codec, batch).map_or(0, |compressed| compressed.len()))
        });
        println!("| {} | {level} | {small_of} | {large_of} | {} |", name(codec), theirs.unwrap_or_default());
    }
}

/// `ratio | MB/s`, over as many rounds as take half a second, once all batches have been through.
fn rate(batches: &[Vec<u8>], mut compress: impl FnMut(&[u8]) -> usize) -> String {
    let mut all = || batches.iter().map(|batch| black_box(compress(batch))).sum::<usize>();
    let compressed = all();
    let bytes: usize = batches.iter().map(Vec::len).sum();
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(500) {
        all();
        rounds += 1;
    }
    let rate = (bytes * rounds) as f64 / start.elapsed().as_secs_f64() / 1e6;
    format!("{:.2} | {rate:.0}", bytes as f64 / compressed.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_reads_what_our_codecs_write_and_they_read_what_c_writes() {
        let report = check(&CheckOptions { inputs: 3000, seed: 2, from: 0, codec: None, measure: false });
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        assert_eq!(report.checked.values().sum::<u64>(), 12_000, "{report}");
    }
}
