//! A folder for files of a test, which goes with it.

use std::fs;
use std::path::PathBuf;

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("kafka-producer-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// As tools do it that know what they do: a new file takes the old one's place.
    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let (path, beside) = (self.0.join(name), self.0.join("beside"));
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &path).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
