//! `Kinit`: the command of `sasl.kerberos.kinit.cmd`, which renews the ticket in a ticket cache.
//!
//! Owns: how it is run. Must not know: when.
//! Threads: a worker's, which waits for it. Holds: it is not waited for without end.
//! Source: Java's `KerberosLogin`, which runs it as `kinit -R`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::escape::Escaped;

#[derive(Debug)]
pub(super) struct Kinit {
    command: String,
    limit: Duration,
}

impl Kinit {
    pub(super) fn new(command: &str) -> Kinit {
        Kinit { command: command.to_owned(), limit: LIMIT }
    }

    /// Runs `kinit -R`, and with `-c` where the cache has a name. The error says what it had to say.
    pub(super) fn renew(&self, cache: Option<&str>) -> Result<(), String> {
        let mut command = Command::new(&self.command);
        command.arg("-R").args(cache.map(|cache| ["-c", cache]).into_iter().flatten());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let shown = Escaped(&self.command);
        let cannot = |why: &str| format!("sasl.kerberos.kinit.cmd={shown}: {why}");
        let mut child = command.spawn().map_err(|error| cannot(&format!("it cannot be run: {error}")))?;
        let ended = self.wait(&mut child).map_err(|error| cannot(&error))?;
        if ended {
            return Ok(());
        }
        let mut said = Vec::new();
        let _ = child.stderr.take().map(|stderr| stderr.take(MOST_WORDS).read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        Err(cannot(&Escaped(said.trim()).to_string()))
    }

    /// Whether it has ended well.
    fn wait(&self, child: &mut Child) -> Result<bool, String> {
        let until = Instant::now() + self.limit;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if Instant::now() < until => thread::sleep(LOOK_AGAIN),
                outcome => {
                    let _ = child.kill().and_then(|()| child.wait());
                    return Err(match outcome {
                        Err(error) => error.to_string(),
                        Ok(_) => format!("it did not end within {} s", self.limit.as_secs()),
                    });
                }
            }
        }
    }
}

/// It asks a KDC, or several, and waits for those that do not answer.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const MOST_WORDS: u64 = 4096;

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A program that is this script. Another process writes it: a command that a test beside this one starts would for
    /// a moment have inherited a file that was open for writing here, and such a file cannot be run (ETXTBSY).
    pub(in super::super) fn program(name: &str, script: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-{name}", std::process::id()));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r##"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 700 "$0""##])
            .arg(&path)
            .arg(script);
        assert!(shell.status().unwrap().success());
        path
    }

    fn command(name: &str, script: &str) -> (Kinit, PathBuf) {
        let path = program(name, script);
        (Kinit::new(path.to_str().unwrap()), path)
    }

    #[test]
    fn it_is_run_as_java_does_and_told_the_cache_that_it_is_about() {
        let (kinit, path) = command("kinit-runs", "echo \"$@\" >> \"$0.said\"");
        kinit.renew(None).unwrap();
        kinit.renew(Some("FILE:/run/a b")).unwrap();
        let said = path.with_extension("said");
        assert_eq!(fs::read_to_string(&said).unwrap(), "-R\n-R -c FILE:/run/a b\n");
        fs::remove_file(said).unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_it_complains_of_is_said_and_it_is_not_waited_for_without_end() {
        let (kinit, path) = command("kinit-fails", "printf 'KDC can\\033t fulfill' >&2; exit 1");
        let error = kinit.renew(None).unwrap_err();
        assert!(
            error.starts_with("sasl.kerberos.kinit.cmd=") && error.ends_with("KDC can\\u{1b}t fulfill"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let error = kinit.renew(None).unwrap_err();
        assert!(error.contains("cannot be run"), "{error}");
        let (mut kinit, path) = command("kinit-hangs", "exec sleep 60");
        kinit.limit = Duration::from_millis(50);
        let (begun, error) = (Instant::now(), kinit.renew(None).unwrap_err());
        assert!(error.contains("did not end") && begun.elapsed() < Duration::from_secs(20), "{error}");
        fs::remove_file(path).unwrap();
    }
}
