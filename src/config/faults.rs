//! `Faults`: all that is wrong with a configuration, told at once.
//!
//! Owns: the collection and its wording. Must not know: settings.

use crate::error::Error;

/// What has been found to be wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Error>);

impl Faults {
    pub(crate) fn add(&mut self, error: Error) {
        self.0.push(error);
    }

    /// What is right; what is wrong is added.
    pub(crate) fn keep<T>(&mut self, outcome: Result<T, Error>) -> Option<T> {
        outcome.map_err(|error| self.add(error)).ok()
    }

    /// `Ok` if nothing is wrong, else one error that says everything.
    pub(crate) fn into_result(mut self) -> Result<(), Error> {
        let Some(last) = self.0.pop() else { return Ok(()) };
        if self.0.is_empty() {
            return Err(last);
        }
        self.0.push(last);
        let each = (1..).zip(&self.0).map(|(number, error): (u32, _)| format!("({number}) {error}"));
        let all: Vec<String> = each.collect();
        Err(Error::config(format!("the configuration has {} faults: {}", all.len(), all.join("; "))))
    }
}
