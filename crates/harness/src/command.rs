//! Other programs (Maven, Java, kcat): run to their end with a time limit, or kept running and surely ended.
//!
//! Holds: nothing started here outlives the test process, even one that is killed.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// What a program wrote before it ended well.
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a program to its end. The error says what was run, how it ended and what it said.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output, String> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(command).map_err(|error| format!("{shown}: {error}"))?;
    let stdin = process.child.stdin.take();
    let mut stdout = process.child.stdout.take();
    let mut stderr = process.child.stderr.take();
    thread::scope(|scope| {
        // A program that ends without reading its input is no error of ours: its exit status tells.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        let stdout = scope.spawn(move || read_all(stdout.as_mut()));
        let stderr = scope.spawn(move || read_all(stderr.as_mut()));
        let success = process.wait(limit);
        process.kill();
        let output = Output { stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
        match success {
            Some(true) => Ok(output),
            Some(false) => Err(format!("{shown} failed\n{}\n{}", tail(&output.stdout), tail(&output.stderr))),
            None => Err(format!("{shown} did not end within {limit:?}\n{}", tail(&output.stderr))),
        }
    })
}

fn read_all(pipe: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// The last lines of what a program said.
pub fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A running program, leader of its own process group. Dropping it kills the group.
pub struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts a program, and beside it a shell that kills it should this process end without doing so.
    pub fn start(command: &mut Command) -> std::io::Result<Process> {
        let mut child = command.process_group(0).spawn()?;
        let watchdog = Command::new("sh")
            .args(["-c", r#"read -r ended || kill -KILL "-$0""#])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Process { child, watchdog }),
            Err(error) => {
                signal(&mut child, Signal::KILL);
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The program's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to end (SIGTERM).
    pub fn terminate(&mut self) {
        signal(&mut self.child, Signal::TERM);
    }

    /// Holds the program where it is (SIGSTOP).
    pub fn freeze(&mut self) {
        signal(&mut self.child, Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self) {
        signal(&mut self.child, Signal::CONT);
    }

    /// The program's standard input, where it is a pipe: once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The program's standard output, where it is a pipe: once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Ends the program at once (SIGKILL), with all it started.
    pub fn kill(&mut self) {
        signal(&mut self.child, Signal::KILL);
        let _ = self.child.wait();
        // The watchdog stands down; it may already have been killed by hand.
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            let _ = pipe.write_all(b"ended\n");
        }
        let _ = self.watchdog.wait();
    }

    /// Waits for the end: whether it was a success, or `None` if it still runs.
    pub fn wait(&mut self, limit: Duration) -> Option<bool> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.success());
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Only while the child is not waited for: afterwards its id may be somebody else's.
fn signal(child: &mut Child, signal: Signal) {
    if let Ok(None) = child.try_wait() {
        let _ = kill_process_group(Pid::from_child(child), signal);
    }
}
