//! A disk that can be full: a small file system of its own, where the system lets us mount one.
//!
//! Holds: it is unmounted when the value is dropped; what a killed process left is unmounted by the next start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, test_kill_process};

/// A mounted file system in memory.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounted in `parent`, or why that cannot be.
    pub fn mount(parent: &Path) -> Result<Disk, String> {
        unmount_leftovers();
        let path = parent.join(format!("{NAME}{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        let target = path.display().to_string();
        // A process that is killed cannot unmount: the next one finds it by the name of its folder.
        match run("mount", &["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs", &target]) {
            Ok(()) => Ok(Disk { path }),
            Err(error) => {
                let _ = fs::remove_dir(&path);
                Err(error)
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Not a byte more fits.
    pub fn fill(&self) -> Result<(), String> {
        // Files may grow between the look and the deed: then the limit is too low, and is refused.
        let attempt = || {
            let used = rustix::fs::statvfs(&self.path).map_err(|error| error.to_string())?;
            let bytes = (used.f_blocks - used.f_bfree) * used.f_frsize;
            self.resize(&bytes.max(used.f_frsize).to_string())
        };
        (0..20).find_map(|_| attempt().ok()).ok_or_else(|| String::from("it could not be made smaller"))
    }

    /// There is room again.
    pub fn make_room(&self) -> Result<(), String> {
        self.resize(SIZE)
    }

    fn resize(&self, size: &str) -> Result<(), String> {
        let target = self.path.display().to_string();
        run("mount", &["-o", &format!("remount,size={size}"), &target])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

fn unmount(path: &Path) {
    // Lazily: a file that is still open does not keep it.
    let _ = run("umount", &["-l", &path.display().to_string()]);
    let _ = fs::remove_dir(path);
}

/// Of processes that are no more.
fn unmount_leftovers() {
    for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
        let Some(path) = line.split(' ').nth(1).map(Path::new) else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let owner = name.strip_prefix(NAME).and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        if owner.is_some_and(|owner| test_kill_process(owner).is_err()) {
            unmount(path);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

const NAME: &str = "kafka-producer-soak-disk-";
const SIZE: &str = "2g";
