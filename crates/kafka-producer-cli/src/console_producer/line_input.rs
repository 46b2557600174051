//! Lines of a file or of standard input, as slices of one buffer.
//!
//! Owns: the buffer, the numbering, where a line ends, the prompt. Must not know: what lines mean.
//! Holds: a line ends with a line feed, a carriage return, or both, as for Java's `readLine`. Nothing is held in memory but
//! what was read at once, and a line that is longer. Whoever waits for input is told of a signal by a pipe: a `read` that
//! is blocked goes on after one.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr2;
use rustix::event::{PollFd, PollFlags, poll};

use crate::complaint::Complaint;

/// What comes next.
pub(super) enum NextLine<'a> {
    /// Without its end; the first one's number is 1.
    Line {
        bytes: &'a [u8],
        number: u64,
    },
    End,
    /// A signal has come.
    Stopped,
}

/// The lines, and where they come from.
pub(super) struct LineInput {
    file: File,
    name: String,
    /// Bytes of the file, if they are known.
    size: Option<u64>,
    prompt: bool,
    buffer: Vec<u8>,
    /// What is not yet given out: from the line's beginning, and from where its end is to be looked for.
    begin: usize,
    searched: usize,
    end: usize,
    /// The line before ended with a carriage return: a line feed that follows belongs to it.
    after_carriage_return: bool,
    at_end: bool,
    number: u64,
    /// Bytes that were read, for those who watch.
    read: Arc<AtomicU64>,
    longest: usize,
}

impl LineInput {
    /// A file, or standard input. `longest` is what a line may have in bytes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(path: Option<&Path>, longest: usize) -> Result<LineInput, Complaint> {
        let (file, name, prompt) = match path {
            Some(path) => {
                let file = File::open(path).map_err(|error| Complaint::of_file(path.display(), &error))?;
                (file, path.display().to_string(), false)
            }
            None => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                let file = stdin.map_err(|error| Complaint::of_file("standard input", &error))?;
                let prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
                (file.into(), "standard input".to_owned(), prompt)
            }
        };
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file());
        Ok(LineInput {
            size: metadata.map(|metadata| metadata.len()),
            prompt,
            ..LineInput::of(file, name, longest)
        })
    }

    fn of(file: File, name: String, longest: usize) -> LineInput {
        LineInput {
            file,
            name,
            size: None,
            prompt: false,
            buffer: vec![0; CHUNK],
            begin: 0,
            searched: 0,
            end: 0,
            after_carriage_return: false,
            at_end: false,
            number: 0,
            read: Arc::default(),
            longest,
        }
    }

    /// Of the line that was given out last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether somebody types the lines.
    pub(super) fn is_typed(&self) -> bool {
        self.prompt
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes were read so far.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// The next line, without its end. Waits until there is one, or until there is something to read from `signals`.
    ///
    /// # Errors
    /// The input cannot be read, or a line is too long.
    pub(super) fn next(&mut self, signals: BorrowedFd<'_>) -> Result<NextLine<'_>, Complaint> {
        let line = loop {
            if let Some(line) = self.take_line() {
                break line;
            }
            if self.at_end {
                return Ok(NextLine::End);
            }
            if !self.fill(signals)? {
                return Ok(NextLine::Stopped);
            }
        };
        self.number += 1;
        Ok(NextLine::Line { bytes: &self.buffer[line], number: self.number })
    }

    #[inline]
    fn take_line(&mut self) -> Option<Range<usize>> {
        if self.after_carriage_return && self.begin < self.end {
            self.after_carriage_return = false;
            if self.buffer[self.begin] == b'\n' {
                self.begin += 1;
                self.searched = self.searched.max(self.begin);
            }
        }
        match memchr2(b'\n', b'\r', &self.buffer[self.searched..self.end]) {
            Some(at) => {
                let end = self.searched + at;
                self.after_carriage_return = self.buffer[end] == b'\r';
                Some(self.give_out(end, end + 1))
            }
            None => {
                self.searched = self.end;
                // The last line of a file may have no end.
                (self.at_end && self.begin < self.end).then(|| self.give_out(self.end, self.end))
            }
        }
    }

    #[inline]
    fn give_out(&mut self, end: usize, next: usize) -> Range<usize> {
        let line = self.begin..end;
        (self.begin, self.searched) = (next, next);
        line
    }

    /// Reads more; false where a signal came first.
    fn fill(&mut self, signals: BorrowedFd<'_>) -> Result<bool, Complaint> {
        self.make_room()?;
        if self.prompt && self.begin == self.end {
            let _ = io::stdout().write_all(b">").and_then(|()| io::stdout().flush());
        }
        let read = loop {
            let mut ready = [PollFd::new(&signals, PollFlags::IN), PollFd::new(&self.file, PollFlags::IN)];
            let waited = poll(&mut ready, None).map_err(io::Error::from);
            let [signal, _] = &ready;
            let read = match waited {
                Ok(_) if !signal.revents().is_empty() => return Ok(false),
                Ok(_) => self.file.read(&mut self.buffer[self.end..]),
                Err(error) => Err(error),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| Complaint::of_file(&self.name, &error))?,
            }
        };
        self.at_end = read == 0;
        self.end += read;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// Moves what is left to the front; a line that fills the buffer gets a larger one.
    fn make_room(&mut self) -> Result<(), Complaint> {
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.end, self.searched) = (self.end - self.begin, self.searched - self.begin);
        self.begin = 0;
        if self.end > self.longest {
            let (name, number, longest) = (&self.name, self.number + 1, self.longest);
            return Err(Complaint::new(format!(
                "{name}: line number {number} is longer than {longest} bytes, more than a record that max.request.size lets through"
            )));
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        Ok(())
    }
}

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixStream;
    use std::process;

    use super::*;

    fn file_of(name: &str, bytes: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!("kafka-console-producer-{}-{name}", process::id()));
        let file = fs::write(&path, bytes).and_then(|()| File::open(&path));
        let _ = fs::remove_file(&path);
        file.unwrap_or_else(|error| panic!("{error}"))
    }

    fn lines_of(name: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut input = LineInput::of(file_of(name, bytes), name.into(), 1 << 30);
        let (signals, _kept) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        let mut lines = Vec::new();
        loop {
            match input.next(signals.as_fd()).unwrap_or_else(|complaint| panic!("{complaint}")) {
                NextLine::Line { bytes, number } => {
                    lines.push(bytes.to_vec());
                    assert_eq!(number, lines.len() as u64);
                }
                NextLine::End => break,
                NextLine::Stopped => panic!("no signal has come"),
            }
        }
        assert_eq!(
            (input.number(), input.counter().load(Ordering::Relaxed)),
            (lines.len() as u64, bytes.len() as u64)
        );
        lines
    }

    #[test]
    fn lines_end_as_for_java() {
        let lines = lines_of("ends", b"a\nb\r\nc\rd\n\r\n\re");
        let expected: [&[u8]; 7] = [b"a", b"b", b"c", b"d", b"", b"", b"e"];
        assert_eq!(lines, expected);
        assert_eq!(lines_of("nothing", b""), [b""; 0]);
        assert_eq!(lines_of("empty", b"\n"), [b""]);
        assert_eq!(lines_of("last", b"a\r"), [b"a"]);
    }

    #[test]
    fn lines_are_whole_wherever_they_lie_in_what_is_read() {
        // Some longer than what is read at once; carriage return and line feed on both sides of its end.
        let mut text = Vec::new();
        let mut expected = Vec::new();
        for number in 0..600_usize {
            let line = vec![
                b'a' + (number % 26) as u8;
                (number * 7919) % 5000 + if number == 300 { 3 * CHUNK } else { 0 }
            ];
            text.extend_from_slice(&line);
            text.extend_from_slice(if number % 3 == 0 { b"\r\n" } else { b"\n" });
            expected.push(line);
        }
        assert_eq!(lines_of("long", &text), expected);
        let mut at_the_end = vec![b'x'; CHUNK - 1];
        at_the_end.extend_from_slice(b"\r\nb\n");
        assert_eq!(lines_of("parted", &at_the_end), [vec![b'x'; CHUNK - 1], b"b".to_vec()]);
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory_for_ever() {
        let mut input = LineInput::of(file_of("endless", &vec![b'x'; 3 * CHUNK]), "lines".into(), 2 * CHUNK);
        let (signals, _kept) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        let error = input.next(signals.as_fd()).err().map(|complaint| complaint.to_string());
        let text = "lines: line number 1 is longer than 524288 bytes, more than a record that max.request.size lets through";
        assert_eq!(error.as_deref(), Some(text));
    }

    #[test]
    fn a_signal_ends_the_wait_for_input() {
        let (reader, _writer) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        let mut input = LineInput::of(File::from(std::os::fd::OwnedFd::from(reader)), "pipe".into(), CHUNK);
        let (signals, mut handler) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        handler.write_all(b"x").unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(input.next(signals.as_fd()), Ok(NextLine::Stopped)));
    }
}
