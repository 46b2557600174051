//! `FrameReader`: cuts a stream of bytes into answers.
//!
//! Owns: the four bytes of size in front of each answer. Must not know: sockets, what an answer says.
//! Holds: nothing is allocated because a size says so: memory grows with the bytes that really came.

use std::fmt;

/// The largest answer that is believed: what brokers themselves take by default (`socket.request.max.bytes`).
/// Answers to a producer stay far below; TLS, HTTP and any text read as a size lie above.
pub(super) const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;

/// The smallest answer: a correlation id.
const MIN_FRAME_BYTES: usize = 4;

/// What has come of the next answer.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    size: [u8; 4],
    size_bytes: usize,
    body: Vec<u8>,
}

/// A size that no answer has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadFrame {
    /// The first bytes, size included: they often tell who is speaking.
    first: Vec<u8>,
}

impl FrameReader {
    /// Takes bytes off the front of `input`; an answer (without its size) once it is whole.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, BadFrame> {
        while let Some(place) = self.size.get_mut(self.size_bytes) {
            let Some((first, rest)) = input.split_first() else { return Ok(None) };
            *place = *first;
            self.size_bytes += 1;
            *input = rest;
        }
        let Some(size) = self.believable_size() else {
            return Err(BadFrame { first: self.size.iter().chain(input.iter().take(12)).copied().collect() });
        };
        let missing = size - self.body.len();
        let (taken, rest) = input.split_at_checked(missing).unwrap_or((*input, &[]));
        self.body.extend_from_slice(taken);
        *input = rest;
        if self.body.len() < size {
            return Ok(None);
        }
        self.size_bytes = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// Part of an answer has come.
    pub(super) fn is_within(&self) -> bool {
        self.size_bytes > 0
    }

    fn believable_size(&self) -> Option<usize> {
        let size = usize::try_from(i32::from_be_bytes(self.size)).ok()?;
        (MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&size).then_some(size)
    }
}

/// Cuts a stream that comes in pieces of `step` bytes: how many bytes the answers have together.
pub(crate) fn read_all(stream: &[u8], step: usize) -> Result<usize, String> {
    let (mut reader, mut read) = (FrameReader::default(), 0);
    for mut piece in stream.chunks(step.max(1)) {
        while let Some(frame) = reader.next(&mut piece).map_err(|bad| bad.to_string())? {
            read += frame.len();
        }
    }
    Ok(read)
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.first.first_chunk().map_or(0, |size| i32::from_be_bytes(*size));
        match self.first.as_slice() {
            [b'H', b'T', b'T', b'P', ..] => f.write_str("an HTTP server answers there, not Kafka"),
            [0x15 | 0x16, 3, ..] => {
                f.write_str("TLS is spoken there: the listener needs security.protocol SSL or SASL_SSL")
            }
            [a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_graphic() || **byte == b' ') => {
                let text = self.first.iter().take_while(|byte| (b' '..=b'~').contains(*byte));
                let text: String = text.map(|byte| char::from(*byte)).collect();
                write!(f, "something else than Kafka answers there, it begins with {text:?}")
            }
            _ => write!(f, "an answer of {size} bytes was announced, which Kafka does not send"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes(), body].concat()
    }

    fn all(reader: &mut FrameReader, mut input: &[u8]) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| reader.next(&mut input).unwrap()).collect()
    }

    #[test]
    fn answers_are_the_same_whatever_the_cuts() {
        let bodies: [&[u8]; 4] = [b"1234", b"a longer one", b"four", &[7; 300]];
        let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        for step in 1..=stream.len() {
            let mut reader = FrameReader::default();
            let got: Vec<_> = stream.chunks(step).flat_map(|part| all(&mut reader, part)).collect();
            assert_eq!(got, bodies, "in steps of {step}");
            assert!(!reader.is_within());
        }
    }

    #[test]
    fn a_part_of_an_answer_is_known_to_be_one() {
        let mut reader = FrameReader::default();
        for cut in 1..8 {
            assert!(all(&mut reader, &frame(b"1234")[cut - 1..cut]).is_empty());
            assert!(reader.is_within());
        }
        assert_eq!(all(&mut reader, b"4"), [b"1234"]);
        assert!(!reader.is_within());
    }

    #[test]
    fn memory_grows_with_what_came_and_not_with_what_was_announced() {
        let mut reader = FrameReader::default();
        assert!(all(&mut reader, &(MAX_FRAME_BYTES as u32).to_be_bytes()).is_empty());
        assert!(all(&mut reader, &[1; 100]).is_empty());
        assert!(reader.body.capacity() < 1000);
    }

    #[test]
    fn a_size_that_no_answer_has_says_who_may_be_speaking() {
        for (input, words) in [
            (&b"HTTP/1.1 400 Bad Request"[..], "an HTTP server answers there, not Kafka"),
            (
                &[0x15, 3, 1, 0, 2, 2, 80],
                "TLS is spoken there: the listener needs security.protocol SSL or SASL_SSL",
            ),
            (b"SSH-2.0-x\r\n", "something else than Kafka answers there, it begins with \"SSH-2.0-x\""),
            (
                &[0x7f, 0xff, 0xff, 0xff],
                "an answer of 2147483647 bytes was announced, which Kafka does not send",
            ),
            (&[0xff, 0xff, 0xff, 0xff], "an answer of -1 bytes was announced, which Kafka does not send"),
            (&[0, 0, 0, 3], "an answer of 3 bytes was announced, which Kafka does not send"),
            (&[6, 0x40, 0, 1], "an answer of 104857601 bytes was announced, which Kafka does not send"),
        ] {
            let mut rest = input;
            assert_eq!(FrameReader::default().next(&mut rest).unwrap_err().to_string(), words);
        }
    }
}
