//! A file of its own for a test, removed afterwards.

use std::path::PathBuf;

pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// A properties file; `test` tells it from those of other tests in this process.
    pub(crate) fn new(test: &str, content: &[u8]) -> Scratch {
        let name = format!("kafka-producer-{}-{test}.properties", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
