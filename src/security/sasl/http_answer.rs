//! `HttpAnswer`: what a server answers over HTTP/1.1.
//!
//! Owns: head, body and their limits. Must not know: questions, sockets, TLS.
//! Holds: an answer takes no more memory than its limits, and ends where it says that it does.
//! Source: RFC 9112.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// The answer, whatever its status.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What stands before the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    length: BodyLength,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyLength {
    Bytes(u64),
    Chunked,
    UntilTheEnd,
}

/// Reads the answer to a question that has a body in its answer.
pub(super) fn read_answer(stream: &mut impl Read) -> io::Result<HttpAnswer> {
    let (mut head, mut rest) = read_head(stream)?;
    // What says that the answer is still to come has no body.
    while (100..200).contains(&head.status) {
        (head, rest) = read_head_behind(stream, rest)?;
    }
    let mut body = Body { stream, buffer: rest };
    let bytes = match (head.status, head.length) {
        (204 | 304, _) => Zeroizing::default(),
        (_, BodyLength::Bytes(length)) => body.exactly(length)?,
        (_, BodyLength::Chunked) => body.chunks()?,
        (_, BodyLength::UntilTheEnd) => body.until_the_end()?,
    };
    Ok(HttpAnswer { status: head.status, body: bytes })
}

/// Reads a head; also what came behind it.
pub(super) fn read_head(stream: &mut impl Read) -> io::Result<(AnswerHead, Zeroizing<Vec<u8>>)> {
    read_head_behind(stream, Zeroizing::new(Vec::with_capacity(MOST_HEAD_BYTES + PIECE_BYTES)))
}

/// The same where its beginning may have come already.
fn read_head_behind(
    stream: &mut impl Read,
    mut bytes: Zeroizing<Vec<u8>>,
) -> io::Result<(AnswerHead, Zeroizing<Vec<u8>>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = bytes.get(..end).and_then(AnswerHead::parse);
            let head = head.ok_or_else(|| strange("what answers is no HTTP server"))?;
            let rest = bytes.get(end + 4..).unwrap_or_default().to_vec();
            return Ok((head, Zeroizing::new(rest)));
        }
        let begins_well = bytes.iter().zip(b"HTTP/1.").all(|(one, other)| one == other);
        if !begins_well {
            return Err(strange("what answers is no HTTP server"));
        }
        if bytes.len() >= MOST_HEAD_BYTES {
            return Err(too_large(&format!("more than {MOST_HEAD_BYTES} bytes before the body")));
        }
        if read_more(stream, &mut bytes)? == 0 {
            return Err(ended());
        }
    }
}

impl AnswerHead {
    fn parse(bytes: &[u8]) -> Option<AnswerHead> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
        let status = status.parse().ok().filter(|_| status.len() == 3)?;
        let mut length = BodyLength::UntilTheEnd;
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") {
                let is_chunked = value.rsplit(',').next()?.trim().eq_ignore_ascii_case("chunked");
                length = if is_chunked { BodyLength::Chunked } else { BodyLength::UntilTheEnd };
            } else if name.eq_ignore_ascii_case("content-length") && length != BodyLength::Chunked {
                length = BodyLength::Bytes(value.parse().ok()?);
            }
        }
        Some(AnswerHead { status, length })
    }
}

/// What follows the head.
struct Body<'a, S> {
    stream: &'a mut S,
    /// What was read and not taken.
    buffer: Zeroizing<Vec<u8>>,
}

impl<S: Read> Body<'_, S> {
    fn exactly(&mut self, length: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MOST_BYTES {
            return Err(too_large_body());
        }
        while self.buffer.len() < length {
            if read_more(self.stream, &mut self.buffer)? == 0 {
                return Err(ended());
            }
        }
        let rest = Zeroizing::new(self.buffer.split_off(length));
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn until_the_end(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        while read_more(self.stream, &mut self.buffer)? > 0 {
            if self.buffer.len() > MOST_BYTES {
                return Err(too_large_body());
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    fn chunks(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| strange("a chunk has no size"))?;
            if size.saturating_add(bytes.len() as u64) > MOST_BYTES as u64 {
                return Err(too_large_body());
            }
            if size == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(strange("a chunk is longer than it says"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.exactly(end as u64)?;
                self.exactly(2)?;
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.buffer.len() > MOST_LINE_BYTES {
                return Err(strange("a chunk has no size"));
            }
            if read_more(self.stream, &mut self.buffer)? == 0 {
                return Err(ended());
            }
        }
    }
}

fn read_more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = Zeroizing::new([0; PIECE_BYTES]);
    let count = stream.read(&mut *piece)?;
    bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
    Ok(count)
}

fn strange(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before the answer's end")
}

fn too_large(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

fn too_large_body() -> io::Error {
    too_large(&format!("more than {MOST_BYTES} bytes"))
}

/// More than any token endpoint answers.
const MOST_BYTES: usize = 1 << 20;
const MOST_HEAD_BYTES: usize = 64 * 1024;
const MOST_LINE_BYTES: usize = 1024;
const PIECE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Comes in pieces of this many bytes.
    struct InPieces<'a>(&'a [u8], usize);

    impl Read for InPieces<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(bytes.len());
            let (now, later) = self.0.split_at(count);
            bytes[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn an_answer_ends_where_it_says_however_it_comes() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, "abc"),
            ("HTTP/1.0 200\r\n\r\nabc", 200, "abc"),
            ("HTTP/1.1 204 No\r\n\r\n", 204, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\ncontent-length: 1\r\n\r\nx", 401, "x"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\ncontent-length: 9\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                200,
                "abc",
            ),
        ] {
            for size in [1, 2, 3, 7, 5000] {
                // A body that was told twice ends with its bytes.
                let answer = read_answer(&mut InPieces(text.as_bytes(), size)).unwrap();
                assert_eq!((answer.status, &answer.body[..]), (status, body.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_or_has_no_end_is_an_error() {
        let head = |text: &str| format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\n");
        for (text, words) in [
            (String::from("SSH-2.0-OpenSSH\r\n"), "no HTTP server"),
            (String::new(), "closed before the answer's end"),
            (String::from("HTTP/1.1 2000 OK\r\n\r\n"), "no HTTP server"),
            (head("content-length: 5") + "abc", "closed before the answer's end"),
            (head("content-length: -5"), "no HTTP server"),
            (head("content-length: 99999999999"), "more than 1048576 bytes"),
            (head("a: b") + &"x".repeat(2 << 20), "more than 1048576 bytes"),
            (head("transfer-encoding: chunked") + "ffffffffffffffff\r\n", "more than 1048576 bytes"),
            (head("transfer-encoding: chunked") + "x\r\n", "a chunk has no size"),
            (head("transfer-encoding: chunked") + "1\r\nabc\r\n", "longer than it says"),
            (head("transfer-encoding: chunked") + &"1".repeat(9000), "a chunk has no size"),
            (head(&"a: b\r\n".repeat(20_000)), "more than 65536 bytes before the body"),
        ] {
            let error = read_answer(&mut InPieces(text.as_bytes(), 5000)).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
