//! `StoreError`: why a store cannot be used.
//!
//! Owns: the reasons and their words. Must not know: files, settings; whoever loads a store names both.
//! Holds: no text has a password, a key, or more of a store than the names that are in it.

use std::borrow::Cow;
use std::fmt;

use super::store_type::StoreType;
use crate::counted::Counted;
use crate::escape::Escaped;

/// Why a store cannot be used. [`password`](StoreError::password) says which setting may be at fault beside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// The bytes are a store of another type than was said.
    OtherType { said: StoreType, found: StoreType },
    /// Something in it is encrypted, and no password was given.
    PasswordMissing(StorePassword),
    /// The password opens nothing, and what it should open is whole.
    WrongPassword(StorePassword),
    /// The password is wrong, or the bytes are not those that were written: the format does not tell which.
    WrongPasswordOrDamaged(StorePassword),
    /// The bytes are not what the format has there: a clause that says so.
    Damaged(Cow<'static, str>),
    /// The format allows it, and it is not read here; and what to do about that.
    Unsupported { what: Cow<'static, str>, advice: Cow<'static, str> },
    /// There is not a byte but blanks.
    Empty,
    /// It was said to be PEM, and has no section of PEM.
    NoPem,
    /// There is no private key, only this many certificates.
    NoKey { certificates: usize },
    /// There is no certificate, only this many private keys.
    NoCertificate { keys: usize },
    /// There are this many private keys where one is expected.
    SeveralKeys(usize),
    /// What is wrong with the entry of this name.
    InEntry { alias: String, reason: Box<StoreError> },
}

/// The passwords that a store may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorePassword {
    /// The store's own: `ssl.keystore.password`, `ssl.truststore.password`.
    Store,
    /// The private key's: `ssl.key.password`, or the store's where that is not set.
    Key,
}

impl StoreError {
    /// Which password is missing or may be wrong.
    pub(crate) fn password(&self) -> Option<StorePassword> {
        match self {
            StoreError::PasswordMissing(password)
            | StoreError::WrongPassword(password)
            | StoreError::WrongPasswordOrDamaged(password) => Some(*password),
            StoreError::InEntry { reason, .. } => reason.password(),
            _ => None,
        }
    }

    pub(super) fn in_entry(self, alias: &str) -> StoreError {
        StoreError::InEntry { alias: alias.to_owned(), reason: Box::new(self) }
    }
}

/// A clause that goes on after the name of the file: `the password of the store is wrong`.
impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::OtherType { said, found } => {
                write!(f, "this is {}, not {}", found.noun(), said.noun())
            }
            StoreError::PasswordMissing(password) => {
                write!(f, "{password} is needed and was not given")
            }
            StoreError::WrongPassword(password) => write!(f, "{password} is wrong"),
            StoreError::WrongPasswordOrDamaged(password) => {
                write!(f, "{password} is wrong, or what it should open is damaged")
            }
            StoreError::Damaged(what) => write!(f, "it is damaged: {what}"),
            StoreError::Unsupported { what, advice } => {
                write!(f, "{} is not supported: {advice}", Escaped(what))
            }
            StoreError::Empty => f.write_str("it is empty"),
            StoreError::NoPem => f.write_str("there is no PEM in it, which begins with -----BEGIN"),
            StoreError::NoKey { certificates: 0 } => f.write_str("there is no private key in it"),
            StoreError::NoKey { certificates } => {
                write!(
                    f,
                    "there is no private key in it, only {}",
                    Counted(*certificates as u64, "certificate")
                )
            }
            StoreError::NoCertificate { keys: 0 } => f.write_str("there is no certificate in it"),
            StoreError::NoCertificate { keys } => {
                write!(f, "there is no certificate in it, only {}", Counted(*keys as u64, "private key"))
            }
            StoreError::SeveralKeys(count) => {
                write!(f, "there are {count} private keys in it, where one is expected")
            }
            StoreError::InEntry { alias, reason } => {
                write!(f, "entry {:?}: {reason}", Escaped(alias).to_string())
            }
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for StorePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StorePassword::Store => "the password of the store",
            StorePassword::Key => "the password of the private key",
        })
    }
}
