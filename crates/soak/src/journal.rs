//! What a producer was asked for and what it promised, one line an event, in a file. Java's writer makes the same lines.
//!
//! ```text
//! T thread number topic ms                    handed to send
//! A thread number topic ms                    accepted only now: written where `send` has waited (ours alone does)
//! R thread number topic ms words              not accepted
//! K thread number topic ms partition offset   acknowledged; the offset is - where the broker does not tell it
//! F thread number topic ms written words      failed; written: 0 certainly not, 1 possibly, ? where it is not said
//! ```
//!
//! Threads: anyone writes; one thread of its own has the file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

/// A way to the file; clones of it go to the same.
#[derive(Clone)]
pub struct Journal(Sender<String>);

/// A record, by who sent it and the how-manieth it was.
#[derive(Clone, Copy)]
pub struct Id {
    pub thread: usize,
    pub number: u64,
    pub topic: &'static str,
}

impl Journal {
    /// The file is complete when the last clone is gone and the thread has ended.
    pub fn create(path: &Path) -> (Journal, JoinHandle<()>) {
        let mut file = BufWriter::new(File::create(path).unwrap());
        let (sender, lines) = mpsc::channel::<String>();
        let thread = thread::spawn(move || {
            for line in lines {
                file.write_all(line.as_bytes()).unwrap();
            }
            file.flush().unwrap();
        });
        (Journal(sender), thread)
    }

    pub fn tried(&self, id: Id) {
        self.write('T', id, "");
    }

    pub fn accepted_late(&self, id: Id) {
        self.write('A', id, "");
    }

    pub fn refused(&self, id: Id, words: &str) {
        self.write('R', id, words);
    }

    pub fn acknowledged(&self, id: Id, partition: i32, offset: Option<i64>) {
        let offset = offset.map_or_else(|| String::from("-"), |offset| offset.to_string());
        self.write('K', id, &format!("{partition} {offset}"));
    }

    pub fn failed(&self, id: Id, possibly_written: bool, words: &str) {
        self.write('F', id, &format!("{} {words}", u8::from(possibly_written)));
    }

    fn write(&self, event: char, id: Id, rest: &str) {
        let Id { thread, number, topic } = id;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let rest = rest.replace('\n', " ");
        // The thread that writes ends after all who tell it.
        let _ = self.0.send(format!("{event} {thread} {number} {topic} {now} {rest}\n"));
    }
}
