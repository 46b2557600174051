//! From a value of the table to a field of `Settings`.
//!
//! Owns: units, what stands for "not at all", and where numbers and times are cut to what can be handled. Must not know:
//! which setting it is.

use std::time::Duration;

use super::choices::Choice;
use crate::properties::Named;
use crate::secret::Secret;

pub(super) fn switch(value: bool) -> bool {
    value
}

pub(super) fn millis(number: i64) -> Duration {
    Duration::from_millis(number.max(0).unsigned_abs()).min(LONGEST)
}

/// Java keeps some times in an int.
pub(super) fn millis_of_an_int(number: i64) -> Duration {
    millis(number).min(LONGEST_OF_AN_INT)
}

pub(super) fn millis_unless_zero(number: i64) -> Option<Duration> {
    Some(millis(number)).filter(|time| !time.is_zero())
}

pub(super) fn millis_unless_negative(number: i64) -> Option<Duration> {
    (number >= 0).then(|| millis(number))
}

pub(super) fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.max(0).unsigned_abs()).min(LONGEST)
}

pub(super) fn number(number: f64) -> f64 {
    number
}

pub(super) fn secret(secret: Option<Secret>) -> Option<Secret> {
    secret
}

pub(super) fn micros(number: i64) -> Duration {
    Duration::from_micros(number.max(0).unsigned_abs()).min(LONGEST)
}

pub(super) fn size(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

pub(super) fn size_above_zero(number: i64) -> usize {
    size(number).max(1)
}

pub(super) fn size_unless_negative(number: i64) -> Option<usize> {
    (number >= 0).then(|| size(number))
}

pub(super) fn count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

pub(super) fn level(number: i64) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

pub(super) fn text(text: Option<String>) -> String {
    text.unwrap_or_default()
}

pub(super) fn text_if_set(text: Option<String>) -> Option<String> {
    text
}

pub(super) fn text_unless_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

pub(super) fn text_unless_blank(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn secret_unless_empty(secret: Option<Secret>) -> Option<Secret> {
    secret.filter(|secret| !secret.expose().is_empty())
}

pub(super) fn choice<C: Choice>(text: Option<String>) -> C {
    text.map_or(C::DEFAULT, |text| C::from_text(&text))
}

pub(super) fn class(name: Option<Named>) -> Option<Named> {
    name
}

pub(super) fn list(names: Vec<Named>) -> Vec<Named> {
    names
}

/// A century: longer times are cut to it, so that adding one to an instant never overflows.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// 2^31-1 ms.
pub(super) const LONGEST_OF_AN_INT: Duration = Duration::from_millis(i32::MAX as u64);
