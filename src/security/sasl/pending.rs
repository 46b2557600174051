//! `Pending`: what work in the background comes to, for the exchange that waits for it.
//!
//! Owns: the place where the one puts it and the other looks. Must not know: what it is.
//! Threads: a worker's puts it there, the sender's takes it. Lock: for a moment, with nothing called under it.

use std::fmt;
use std::sync::Arc;

use crate::catch_panic::catch_panic;
use crate::error::{Error, ErrorKind};
use crate::network::BackgroundWork;
use crate::sync::Mutex;

/// A result that is there or not yet.
pub(super) struct Pending<T>(Arc<Mutex<Option<Result<T, Error>>>>);

impl<T: Send + 'static> Pending<T> {
    /// The work that makes it, and where it will be.
    pub(super) fn begin(
        name: &'static str,
        make: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> (Pending<T>, BackgroundWork) {
        let place = Arc::new(Mutex::new(None));
        let of_the_work = Arc::clone(&place);
        let work = BackgroundWork::new(name, move || {
            let made = catch_panic(make).unwrap_or_else(|| {
                Err(Error::new(
                    ErrorKind::Authentication,
                    format!("{name} could not be had: what gives them has panicked"),
                ))
            });
            *of_the_work.lock() = Some(made);
        });
        (Pending(place), work)
    }

    /// Takes it, if it is there.
    pub(super) fn take(&self) -> Option<Result<T, Error>> {
        self.0.lock().take()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
