//! The shape of each request: are there as many bytes as the counts in it claim?
//!
//! The message decoder reserves memory for as many array elements as a request says. A stranger may say two
//! thousand million; so every request is walked through once before it is decoded.

use super::api::Api;

/// Whether `body` (what follows the header's correlation id) can be a request of this API and version. It
/// may still fail to decode; it cannot make the decoder reserve more than a small multiple of its size.
pub(super) fn is_sound(api: Api, version: i16, body: &[u8]) -> bool {
    let mut walk = Walk { rest: body, version, flexible: version >= api.flexible_from() };
    let client_id = walk.short_string();
    client_id.and_then(|()| walk.tags()).and_then(|()| walk.fields(fields(api))).is_some()
        && walk.rest.is_empty()
}

/// One field: the versions that have it, and what it is.
struct ShapeField(i16, i16, ShapeKind);

enum ShapeKind {
    /// A fixed number of bytes.
    Fixed(usize),
    String,
    Bytes,
    /// An array of structs.
    Array(&'static [ShapeField]),
    /// An array of plain numbers, and how many bytes each takes.
    Numbers(usize),
    /// An array of strings.
    Strings,
}

use ShapeKind::{Array, Bytes, Fixed, Numbers, String, Strings};

const LAST: i16 = i16::MAX;

const fn fields(api: Api) -> &'static [ShapeField] {
    match api {
        Api::Produce => PRODUCE,
        Api::Fetch => FETCH,
        Api::ListOffsets => LIST_OFFSETS,
        Api::Metadata => METADATA,
        Api::ApiVersions => &[ShapeField(3, LAST, String), ShapeField(3, LAST, String)],
        Api::SaslHandshake => &[ShapeField(0, LAST, String)],
        Api::SaslAuthenticate => &[ShapeField(0, LAST, Bytes)],
        Api::InitProducerId => &[
            ShapeField(0, LAST, String),
            ShapeField(0, LAST, Fixed(4)),
            ShapeField(3, LAST, Fixed(10)),
            ShapeField(6, LAST, Fixed(2)),
        ],
        Api::FindCoordinator => {
            &[ShapeField(0, 3, String), ShapeField(1, LAST, Fixed(1)), ShapeField(4, LAST, Strings)]
        }
        Api::AddPartitionsToTxn => ADD_PARTITIONS_TO_TXN,
        Api::AddOffsetsToTxn => {
            &[ShapeField(0, LAST, String), ShapeField(0, LAST, Fixed(10)), ShapeField(0, LAST, String)]
        }
        Api::EndTxn => &[ShapeField(0, LAST, String), ShapeField(0, LAST, Fixed(11))],
        Api::TxnOffsetCommit => TXN_OFFSET_COMMIT,
        Api::GetTelemetrySubscriptions => &[ShapeField(0, LAST, Fixed(16))],
        // The client's id, the subscription's, two bytes, the metrics.
        Api::PushTelemetry => &[ShapeField(0, LAST, Fixed(22)), ShapeField(0, LAST, Bytes)],
    }
}

const PRODUCE: &[ShapeField] = &[
    ShapeField(3, LAST, String),
    ShapeField(0, LAST, Fixed(6)),
    ShapeField(
        0,
        LAST,
        Array(&[
            ShapeField(0, 12, String),
            ShapeField(13, LAST, Fixed(16)),
            ShapeField(0, LAST, Array(&[ShapeField(0, LAST, Fixed(4)), ShapeField(0, LAST, Bytes)])),
        ]),
    ),
];

const FETCH: &[ShapeField] = &[
    ShapeField(0, 14, Fixed(4)),
    ShapeField(0, LAST, Fixed(13)),
    ShapeField(7, LAST, Fixed(8)),
    ShapeField(
        0,
        LAST,
        Array(&[
            ShapeField(0, 12, String),
            ShapeField(13, LAST, Fixed(16)),
            ShapeField(
                0,
                LAST,
                Array(&[
                    ShapeField(0, LAST, Fixed(4)),
                    ShapeField(9, LAST, Fixed(4)),
                    ShapeField(0, LAST, Fixed(8)),
                    ShapeField(12, LAST, Fixed(4)),
                    ShapeField(5, LAST, Fixed(8)),
                    ShapeField(0, LAST, Fixed(4)),
                ]),
            ),
        ]),
    ),
    ShapeField(
        7,
        LAST,
        Array(&[ShapeField(7, 12, String), ShapeField(13, LAST, Fixed(16)), ShapeField(7, LAST, Numbers(4))]),
    ),
    ShapeField(11, LAST, String),
];

const LIST_OFFSETS: &[ShapeField] = &[
    ShapeField(0, LAST, Fixed(4)),
    ShapeField(2, LAST, Fixed(1)),
    ShapeField(
        0,
        LAST,
        Array(&[
            ShapeField(0, LAST, String),
            ShapeField(
                0,
                LAST,
                Array(&[
                    ShapeField(0, LAST, Fixed(4)),
                    ShapeField(4, LAST, Fixed(4)),
                    ShapeField(0, LAST, Fixed(8)),
                ]),
            ),
        ]),
    ),
    ShapeField(10, LAST, Fixed(4)),
];

const METADATA: &[ShapeField] = &[
    ShapeField(0, LAST, Array(&[ShapeField(10, LAST, Fixed(16)), ShapeField(0, LAST, String)])),
    ShapeField(4, LAST, Fixed(1)),
    ShapeField(8, 10, Fixed(1)),
    ShapeField(8, LAST, Fixed(1)),
];

const ADD_PARTITIONS_TO_TXN: &[ShapeField] = &[
    ShapeField(0, LAST, String),
    ShapeField(0, LAST, Fixed(10)),
    ShapeField(0, LAST, Array(&[ShapeField(0, LAST, String), ShapeField(0, LAST, Numbers(4))])),
];

const TXN_OFFSET_COMMIT: &[ShapeField] = &[
    ShapeField(0, LAST, String),
    ShapeField(0, LAST, String),
    ShapeField(0, LAST, Fixed(10)),
    ShapeField(3, LAST, Fixed(4)),
    ShapeField(3, LAST, String),
    ShapeField(3, LAST, String),
    ShapeField(
        0,
        LAST,
        Array(&[
            ShapeField(0, LAST, String),
            ShapeField(
                0,
                LAST,
                Array(&[
                    ShapeField(0, LAST, Fixed(12)),
                    ShapeField(2, LAST, Fixed(4)),
                    ShapeField(0, LAST, String),
                ]),
            ),
        ]),
    ),
];

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[ShapeField]) -> Option<()> {
        for ShapeField(from, to, kind) in fields {
            if !(*from..=*to).contains(&self.version) {
                continue;
            }
            match kind {
                Fixed(length) => self.skip(*length)?,
                String => self.string()?,
                Bytes if self.flexible => self.compact_bytes()?,
                Bytes => self.long_bytes()?,
                Array(element) => self.array(element)?,
                Numbers(size) => {
                    let count = self.count()?;
                    self.skip(count.checked_mul(*size)?)?;
                }
                Strings => self.strings()?,
            }
        }
        self.tags()
    }

    fn string(&mut self) -> Option<()> {
        if self.flexible { self.compact_bytes() } else { self.short_string() }
    }

    fn strings(&mut self) -> Option<()> {
        let count = self.count()?;
        if count > self.rest.len() {
            return None;
        }
        (0..count).try_for_each(|_| self.string())
    }

    fn array(&mut self, element: &[ShapeField]) -> Option<()> {
        let count = self.count()?;
        // Every element takes a byte at least: more of them than bytes is a lie.
        if count > self.rest.len() {
            return None;
        }
        for _ in 0..count {
            self.fields(element)?;
        }
        Some(())
    }

    fn count(&mut self) -> Option<usize> {
        if self.flexible { Some(self.unsigned()?.saturating_sub(1)) } else { self.length4() }
    }

    /// The tagged fields at the end of a struct, in versions that have them.
    fn tags(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        for _ in 0..self.unsigned()? {
            self.unsigned()?;
            let length = self.unsigned()?;
            self.skip(length)?;
        }
        Some(())
    }

    fn compact_bytes(&mut self) -> Option<()> {
        let length = self.unsigned()?.saturating_sub(1);
        self.skip(length)
    }

    fn long_bytes(&mut self) -> Option<()> {
        let length = self.length4()?;
        self.skip(length)
    }

    /// A string with a length of two bytes, also in headers of flexible versions.
    fn short_string(&mut self) -> Option<()> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        self.rest = rest;
        let length = i16::from_be_bytes(*length);
        if length < 0 { Some(()) } else { self.skip(usize::try_from(length).ok()?) }
    }

    /// A length of four bytes; null counts as 0.
    fn length4(&mut self) -> Option<usize> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        usize::try_from(i32::from_be_bytes(*length).max(0)).ok()
    }

    fn unsigned(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok());
            }
        }
        None
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }
}
