//! How a login module is written in `sasl.jaas.config`.
//!
//! Owns: the names of the modules that typed setters write, and what has to be escaped. Must not know: what is read.

/// For `sasl.mechanism=PLAIN`.
pub(crate) const PLAIN_LOGIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

/// For `sasl.mechanism=SCRAM-SHA-256` and `SCRAM-SHA-512`.
pub(crate) const SCRAM_LOGIN_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// A text as an option's value: in quotes, with what they need inside. What would be a variable stays one.
pub(crate) fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() * 2 + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
