//! `VariableText`: a setting's text with variables, which can be replaced again when what stands for them has changed.
//!
//! Owns: what that needs of the other settings. Must not know: which setting it is, what its value means.
//! Threads: whoever reads it; that opens files, so it is nothing for the sender's thread.
//! Holds: what stands for the variables is no text of a `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::Faults;
use super::providers;
use super::remarks::Remarks;
use crate::error::Error;
use crate::secret::Secret;

/// A text with variables, and where they are.
pub(crate) struct VariableText {
    name: String,
    /// The text, and the settings of the providers.
    given: BTreeMap<String, String>,
}

impl VariableText {
    /// The text of a setting, where a part of it was replaced.
    pub(super) fn of(
        name: &str,
        written: &BTreeMap<String, String>,
        replaced: &BTreeMap<String, String>,
    ) -> Option<VariableText> {
        if written.get(name)? == replaced.get(name)? {
            return None;
        }
        let is_needed = |given: &str| given == name || given == PROVIDERS || providers::is_parameter(given);
        let given = written.iter().filter(|(given, _)| is_needed(given));
        let given = given.map(|(name, text)| (name.clone(), text.clone())).collect();
        Some(VariableText { name: name.to_owned(), given })
    }

    /// The text as it is now. Blocks as long as files take to read.
    pub(crate) fn read(&self) -> Result<Secret, Error> {
        let (mut remarks, mut faults) = (Remarks::default(), Faults::default());
        let mut replaced = providers::replace_variables(&self.given, &mut remarks, &mut faults);
        remarks.log();
        faults.into_result()?;
        Ok(Secret::from(replaced.remove(&self.name).unwrap_or_default()))
    }
}

impl fmt::Debug for VariableText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VariableText").field("name", &self.name).finish_non_exhaustive()
    }
}

const PROVIDERS: &str = "config.providers";

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour 106.
    #[test]
    fn a_text_is_read_again_as_it_is_then() {
        let file = std::env::temp_dir().join(format!("kafka-producer-variable-{}", std::process::id()));
        std::fs::write(&file, "password=tiger\n").unwrap();
        let text = format!("x ${{file:{}:password}} y", file.display());
        let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
        let written =
            [("config.providers", "file"), ("config.providers.file.class", class), ("a", &text), ("b", "c")];
        let written = BTreeMap::from(written.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let replaced =
            providers::replace_variables(&written, &mut Remarks::default(), &mut Faults::default());
        assert_eq!(replaced["a"], "x tiger y");
        assert!(VariableText::of("b", &written, &replaced).is_none());
        assert!(VariableText::of("none", &written, &replaced).is_none());
        let variable = VariableText::of("a", &written, &replaced).unwrap();
        assert_eq!(variable.read().unwrap().expose(), "x tiger y");
        std::fs::write(&file, "password=lion\n").unwrap();
        assert_eq!(variable.read().unwrap().expose(), "x lion y");
        std::fs::remove_file(&file).unwrap();
        let error = variable.read().unwrap_err().to_string();
        assert!(error.contains(&file.display().to_string()) && !error.contains("lion"), "{error}");
        assert!(!format!("{variable:?}").contains("lion"));
    }
}
