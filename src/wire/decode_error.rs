//! `DecodeError`: which field could not be read, why, and where it stands.

use std::fmt;

use crate::counted::Counted;

/// Bytes that are not the message that they should be.
///
/// Boxed: errors are rare, and every read returns a `Result`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError(Box<DecodeFault>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct DecodeFault {
    message: Option<(&'static str, i16)>,
    field: String,
    problem: Problem,
    offset: usize,
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    TooShort { wanted: usize, left: usize },
    TooLong { left: usize },
    Count { announced: u32, left: usize },
    NegativeLength(i32),
    Null,
    NotUtf8,
    LongVarint,
}

impl DecodeError {
    pub(super) fn new(field: &str, problem: Problem, offset: usize) -> Self {
        DecodeError(Box::new(DecodeFault { message: None, field: field.to_owned(), problem, offset }))
    }

    /// Says of which element the field is: `error_code` becomes `topics[2].error_code`.
    pub(super) fn within(mut self, array: &str, index: usize) -> Self {
        self.0.field = format!("{array}[{index}].{}", self.0.field);
        self
    }

    /// Says of which response the field is.
    pub(crate) fn of_response(mut self, name: &'static str, version: i16) -> Self {
        self.0.message = Some((name, version));
        self
    }

    /// The field with the way to it, for instance `topics[2].partitions[0].leader_id`.
    #[cfg(test)]
    pub(crate) fn field(&self) -> &str {
        &self.0.field
    }

    /// Where the field begins, counted from the message's first byte (of a response: its correlation id).
    #[cfg(test)]
    pub(crate) fn offset(&self) -> usize {
        self.0.offset
    }
}

/// `Metadata v9 response: topics[2].name: 300 bytes wanted, 12 left (at byte 41)`.
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, version)) = self.0.message {
            write!(f, "{name} v{version} response: ")?;
        }
        write!(f, "{}: {} (at byte {})", self.0.field, self.0.problem, self.0.offset)
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::TooShort { wanted, left } => {
                write!(f, "{} wanted, {left} left", Counted(*wanted, "byte"))
            }
            Problem::TooLong { left } => write!(f, "{} too many", Counted(*left, "byte")),
            Problem::Count { announced, left } => {
                let (elements, bytes) = (Counted(*announced, "element"), Counted(*left, "byte"));
                write!(f, "{elements} announced, {bytes} left")
            }
            Problem::NegativeLength(length) => write!(f, "a length of {length}"),
            Problem::Null => f.write_str("null where a value has to be"),
            Problem::NotUtf8 => f.write_str("not UTF-8"),
            Problem::LongVarint => f.write_str("a variable-length integer over 32 bits"),
        }
    }
}
