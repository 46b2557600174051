//! Which files a run reads and writes, and that what it writes is no other of them.
//!
//! Owns: when two names are one file. Must not know: what is in them.
//! Holds: only what keeps bytes can be the same. Terminals and devices take from several, and so does a pipe that is not read.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::complaint::Complaint;

/// The files of a run, under the flags that name them.
#[derive(Default)]
pub(crate) struct DistinctFiles {
    read: Vec<NamedFile>,
    written: Vec<NamedFile>,
}

struct NamedFile {
    /// As it was named: `--json perf.json`.
    named: String,
    identity: FileIdentity,
}

#[derive(PartialEq, Eq)]
enum FileIdentity {
    /// Device and number.
    There { device: u64, inode: u64, is_pipe: bool },
    /// The path that it will have, without symbolic links.
    Awaited(PathBuf),
}

impl DistinctFiles {
    /// The three standard streams, of which the program reads the first if `reads_input`.
    pub(crate) fn standard(reads_input: bool) -> DistinctFiles {
        let mut files = DistinctFiles::default();
        if reads_input {
            files.read.extend(of_descriptor("standard input", &io::stdin()));
        }
        let output = of_descriptor("standard output", &io::stdout());
        // Both may go to one file, as shells are asked by `2>&1`.
        let error = of_descriptor("standard error", &io::stderr());
        let error = error.filter(|error| output.as_ref().is_none_or(|output| !output.is(error)));
        files.written.extend(output.into_iter().chain(error));
        files
    }

    /// One more that is read.
    pub(crate) fn reading(mut self, flag: &str, path: Option<&Path>) -> DistinctFiles {
        self.read.extend(path.and_then(|path| NamedFile::at(flag, path)));
        self
    }

    /// One more that is written.
    pub(crate) fn writing(mut self, flag: &str, path: Option<&Path>) -> DistinctFiles {
        self.written.extend(path.and_then(|path| NamedFile::at(flag, path)));
        self
    }

    /// # Errors
    /// What is written is also written for something else, or is read.
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        for (at, output) in self.written.iter().enumerate() {
            let same = |other: &&NamedFile| other.is(output);
            let beside = if output.is_pipe() { &[] } else { &self.written[..at] };
            if let Some(other) = beside.iter().find(same) {
                return Err(refusal(output, other, "one would be written over the other"));
            }
            if let Some(input) = self.read.iter().find(same) {
                return Err(refusal(output, input, "what is read would be written to"));
            }
        }
        Ok(())
    }
}

fn refusal(one: &NamedFile, other: &NamedFile, why: &str) -> Complaint {
    Complaint::of_usage(format!(
        "{} and {} are the same file, and {why}: expected two files",
        one.named, other.named
    ))
}

impl NamedFile {
    fn at(flag: &str, path: &Path) -> Option<NamedFile> {
        let identity = match fs::metadata(path) {
            Ok(metadata) => FileIdentity::of(&metadata)?,
            Err(_) => FileIdentity::Awaited(path_to_be(path)?),
        };
        Some(NamedFile { named: format!("{flag} {}", path.display()), identity })
    }

    fn is(&self, other: &NamedFile) -> bool {
        self.identity == other.identity
    }

    fn is_pipe(&self) -> bool {
        matches!(self.identity, FileIdentity::There { is_pipe: true, .. })
    }
}

impl FileIdentity {
    fn of(metadata: &fs::Metadata) -> Option<FileIdentity> {
        let is_pipe = metadata.file_type().is_fifo();
        let there = FileIdentity::There { device: metadata.dev(), inode: metadata.ino(), is_pipe };
        (metadata.is_file() || is_pipe).then_some(there)
    }
}

fn of_descriptor(named: &str, stream: &impl AsFd) -> Option<NamedFile> {
    let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
    let identity = FileIdentity::of(&file.metadata().ok()?)?;
    Some(NamedFile { named: named.to_owned(), identity })
}

/// Where a file will be that is made under this name; it may be a link that leads nowhere yet.
fn path_to_be(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MOST {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Some(fs::canonicalize(folder).ok()?.join(path.file_name()?)),
        }
    }
    None
}

/// As many links in a row as the system follows.
const LINKS_MOST: usize = 40;
