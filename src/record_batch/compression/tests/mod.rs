//! Every codec of this build, by itself.

use super::*;

/// Each codec with all of its levels, or a few where there are many.
pub(super) fn every_codec() -> Vec<Codec> {
    let mut codecs = vec![Codec::None];
    if cfg!(feature = "gzip") {
        codecs.extend([-1, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|level| Codec::Gzip { level }));
    }
    if cfg!(feature = "snappy") {
        codecs.push(Codec::Snappy);
    }
    if cfg!(feature = "lz4") {
        codecs.push(Codec::Lz4 { level: 9 });
    }
    if cfg!(feature = "lz4-c") {
        codecs.extend([1, 2, 3, 8, 10, 12, 17].map(|level| Codec::Lz4 { level }));
    }
    if cfg!(feature = "zstd") {
        codecs.extend([-131_072, -100, -7, -1].map(|level| Codec::Zstd { level }));
        codecs.extend((0..=22).map(|level| Codec::Zstd { level }));
    }
    codecs
}

/// Nothing, one byte, a block's edges, what shrinks and what does not, and a mixture.
fn inputs() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut noise =
        |size: usize| -> Vec<u8> { std::iter::repeat_with(|| random.u8(..)).take(size).collect() };
    let mut inputs = vec![Vec::new(), vec![7], vec![0; 1 << 20], noise(1 << 20), noise(100)];
    for edge in [32 * 1024, 64 * 1024] {
        inputs.extend([edge - 1, edge, edge + 1].map(|size| vec![b'x'; size]));
        inputs.extend([edge - 1, edge, edge + 1].map(&mut noise));
    }
    inputs.push(
        (0..20_000)
            .flat_map(|n: u32| format!("{{\"order\":{n},\"total\":{}}}", n * n % 977).into_bytes())
            .collect(),
    );
    let mut mixture = noise(70_000);
    mixture.extend(vec![b'-'; 70_000]);
    mixture.extend(noise(70_000));
    inputs.push(mixture);
    inputs
}

#[test]
fn what_is_compressed_comes_back() {
    for codec in every_codec() {
        for input in inputs() {
            let mut out = b"before".to_vec();
            codec.compress(&input, &mut out).unwrap();
            let compressed = out.strip_prefix(b"before").unwrap();
            let size = (codec, input.len(), compressed.len());
            assert!(codec.decompress(compressed, input.len()).unwrap() == input, "{size:?}");
            assert!(compressed.len() <= input.len() + input.len() / 6 + 200, "{size:?}");
            // In C the step of -131072 is longer than most batches: they stay as they are.
            let shrinks = !matches!(codec, Codec::None | Codec::Zstd { level: -131_072 });
            if shrinks && input.len() >= 32 * 1024 && input.iter().all(|byte| *byte == input[0]) {
                assert!(compressed.len() < input.len() / 15, "{size:?}");
            }
        }
    }
}

#[test]
fn nothing_comes_back_beyond_the_limit() {
    for codec in every_codec() {
        let mut out = Vec::new();
        codec.compress(&[5; 100_000], &mut out).unwrap();
        for limit in [0, 1, 32 * 1024, 64 * 1024, 99_999] {
            let error = codec.decompress(&out, limit).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{codec:?} {limit}: {error}");
        }
        assert_eq!(codec.decompress(&out, usize::MAX).unwrap().len(), 100_000, "{codec:?}");
    }
}

#[test]
fn what_is_cut_or_garbled_is_an_error_or_other_bytes_but_no_panic() {
    let mut random = fastrand::Rng::with_seed(8);
    let input: Vec<u8> = std::iter::repeat_with(|| random.u8(b'a'..b'f')).take(3000).collect();
    for codec in every_codec().into_iter().filter(|codec| *codec != Codec::None) {
        let mut whole = Vec::new();
        codec.compress(&input, &mut whole).unwrap();
        for cut in (0..whole.len()).step_by(7) {
            let came = codec.decompress(&whole[..cut], 10_000);
            assert!(came.is_err() || came.unwrap().len() < input.len(), "{codec:?} cut at {cut}");
        }
        for _ in 0..200 {
            let mut garbled = whole.clone();
            let at = random.usize(..garbled.len());
            garbled[at] ^= 1 << random.u8(..8);
            if let Err(error) = codec.decompress(&garbled, 10_000) {
                assert_ne!(error.to_string(), "the codec panicked", "{codec:?}");
            }
        }
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_is_one_member_with_an_empty_header() {
    let out = compressed(Codec::Gzip { level: -1 });
    assert_eq!(out[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(out[out.len() - 4..], 1000u32.to_le_bytes());
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_has_levels_that_differ() {
    let input = &inputs()[inputs().len() - 2];
    let size = |level| {
        let mut out = Vec::new();
        Codec::Gzip { level }.compress(input, &mut out).unwrap();
        out.len()
    };
    assert!(size(9) < size(6) && size(6) < size(1), "{} {} {}", size(9), size(6), size(1));
    assert_eq!(size(-1), size(5), "the default");
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_has_the_framing_of_javas_library() {
    let out = compressed(Codec::Snappy);
    assert_eq!(out[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    assert_eq!(u32::from_be_bytes(out[16..20].try_into().unwrap()) as usize, out.len() - 20);
    assert_eq!(snap::raw::decompress_len(&out[20..]).unwrap(), 1000);
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_is_a_frame_of_independent_blocks_with_a_right_checksum() {
    let out = compressed(Codec::Lz4 { level: 9 });
    assert_eq!(out[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_eq!(u32::from_le_bytes(out[7..11].try_into().unwrap()) as usize, out.len() - 15);
    assert_eq!(out[out.len() - 4..], [0; 4]);
}

#[test]
fn a_codec_that_panics_is_an_error() {
    let error = Codec::Snappy.catch_panic::<()>(|| panic!("this is a test")).unwrap_err();
    assert_eq!(error.to_string(), "the codec panicked");
}

#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
fn compressed(codec: Codec) -> Vec<u8> {
    let mut out = Vec::new();
    codec.compress(&[b'a'; 1000], &mut out).unwrap();
    out
}

/// Fault E9.
/// What codecs keep for a thread may be gone while the thread ends: then a batch is sent as it is.
#[test]
fn no_codec_panics_on_a_thread_that_is_ending() {
    use std::cell::Cell;
    use std::sync::mpsc;

    struct AtTheEnd(Codec, mpsc::Sender<String>);

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let told = self.0.compress(&text(), &mut Vec::new());
            self.1.send(told.err().map(|error| error.to_string()).unwrap_or_default()).unwrap();
        }
    }

    thread_local! {
        static FIRST: Cell<Option<AtTheEnd>> = const { Cell::new(None) };
        static SECOND: Cell<Option<AtTheEnd>> = const { Cell::new(None) };
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32)
            .map(|place| b"etaoin shrdlu"[(place.wrapping_mul(2_654_435_761) >> 20) as usize % 13])
            .collect()
    }

    for codec in every_codec() {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // One that is older than all that the codec keeps, and one that comes between.
            FIRST.set(Some(AtTheEnd(codec, tell.clone())));
            codec.compress(b"short", &mut Vec::new()).unwrap();
            SECOND.set(Some(AtTheEnd(codec, tell)));
            codec.compress(&text(), &mut Vec::new()).unwrap();
        });
        thread.join().unwrap();
        let told: Vec<String> = told.iter().collect();
        assert_eq!(told.len(), 2, "{codec:?}");
        // The crate around the C library keeps a state for each thread, and panics where that is gone: it is caught, and an
        // error.
        let may_panic = cfg!(feature = "lz4-c") && matches!(codec, Codec::Lz4 { .. });
        assert!(may_panic || !told.iter().any(|error| error.contains("panicked")), "{codec:?}: {told:?}");
    }
}
