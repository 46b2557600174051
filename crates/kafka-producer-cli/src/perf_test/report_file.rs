//! A file that results go to.
//!
//! Owns: opening it before the test begins, and writing it when it is over. Must not know: what is in it.
//! Holds: what was in it before stays until there are results.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::complaint::Complaint;

/// The file, open for writing.
pub(super) struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path) -> Result<ReportFile, Complaint> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(|error| Complaint::of_file(path.display(), &error))?;
        Ok(ReportFile { path: path.to_owned(), file })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The system's, with the file's name.
    pub(super) fn write(&self, text: &str) -> Result<(), Complaint> {
        self.replace(text).map_err(|error| Complaint::of_file(self.path.display(), &error))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        // A pipe or a device has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        (&self.file).write_all(text.as_bytes())
    }

    /// Its text could not be made.
    pub(super) fn complaint(&self, error: &str) -> Complaint {
        Complaint::new(format!("{}: {error}", self.path.display()))
    }
}
