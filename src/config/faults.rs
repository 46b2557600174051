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
        let told: Vec<String> = each.take(MOST_TOLD).collect();
        let rest = match self.0.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            rest => format!("; and {rest} more"),
        };
        let text = format!("the configuration has {} faults: {}{rest}", self.0.len(), told.join("; "));
        Err(Error::config(text))
    }
}

/// As many as there are settings; a list in one of them may have any number.
const MOST_TOLD: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault D4.
    #[test]
    fn faults_without_end_make_no_endless_error() {
        let mut faults = Faults::default();
        (0..300_000).for_each(|number| faults.add(Error::config(format!("fault {number}"))));
        let text = faults.into_result().unwrap_err().to_string();
        assert!(text.contains("has 300000 faults: (1) fault 0; ") && text.len() < 3000, "{text}");
        assert!(text.ends_with("(100) fault 99; and 299900 more"), "{text}");
    }
}
