//! Answers that leave some time after their requests have come: the round trip of a network.
//!
//! The thread that reads goes on at once, as a broker far away takes the next request while the answer travels; another
//! one sleeps and writes.

use std::io::{self, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What a connection's answers go through.
pub(crate) struct DelayedAnswers {
    delay: Duration,
    to_writer: Sender<(Instant, Vec<u8>)>,
}

impl DelayedAnswers {
    pub(crate) fn new(socket: &TcpStream, delay: Duration) -> io::Result<Self> {
        let mut socket = socket.try_clone()?;
        let (to_writer, answers) = mpsc::channel::<(Instant, Vec<u8>)>();
        thread::spawn(move || {
            sleep_exactly();
            for (due, answer) in answers {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if socket.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        Ok(DelayedAnswers { delay, to_writer })
    }
}

impl Write for DelayedAnswers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let answer = (Instant::now() + self.delay, bytes.to_vec());
        self.to_writer.send(answer).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// This thread's sleeps are not drawn out by the 50 µs that the kernel allows itself.
pub(crate) fn sleep_exactly() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
