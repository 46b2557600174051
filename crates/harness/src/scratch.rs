//! Directories that nobody needs for long: brokers' data, sources, what Java itself unpacks.
//!
//! Owns: `runs/PROCESS-NUMBER` under a version's home.
//! Holds: the directory is gone when the value is dropped, unless its test has failed; what that leaves, or a killed
//! process, is removed when the next one is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::{Pid, test_kill_process};

/// A directory of its own, empty at first.
pub struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub fn new(home: &Path) -> ScratchFolder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let runs = home.join("runs");
        fs::create_dir_all(&runs).unwrap();
        for entry in fs::read_dir(&runs).unwrap().flatten() {
            if !is_running(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = runs.join(name);
        fs::create_dir(&path).unwrap();
        ScratchFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Whether the process that made a directory of this name is still there.
fn is_running(directory: &str) -> bool {
    let owner = directory.split('-').next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
    owner.is_some_and(|owner| test_kill_process(owner).is_ok())
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        match thread::panicking() {
            true => eprintln!("logs and data are in {}, until the next start", self.0.display()),
            false => drop(fs::remove_dir_all(&self.0)),
        }
    }
}
