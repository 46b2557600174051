//! The functions that C calls, and nothing else: pointers become references, and outcomes go where C wants them.
//!
//! Owns: all `unsafe` of this package. What holds in it is what `kafka_producer.h` says of arguments: each pointer is NULL or
//! good for the call, a text ends with 0, and `kp_close` is a producer's last call.

#![allow(unsafe_code, reason = "that a pointer from C is good is known to its caller alone")]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::slice;
use std::time::Duration;

use crate::{Failure, Handle, OnOutcome, Parts, Place, Report, close, open, send, send_and_wait};

/// `kp_bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    data: *const u8,
    length: usize,
}

impl Bytes {
    /// # Safety
    /// `data` is NULL, or `length` bytes can be read there for as long as the result is used.
    unsafe fn read<'a>(self) -> Option<&'a [u8]> {
        // SAFETY: the caller's promise.
        (!self.data.is_null()).then(|| unsafe { slice::from_raw_parts(self.data, self.length) })
    }
}

/// # Safety
/// `text` is NULL, or ends with 0 and can be read for as long as the result is used.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?.to_str().ok()
}

/// Where C wants to be told something; what is there before is nothing yet.
type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

fn put<T>(place: Out<'_, T>, found: T) {
    if let Some(place) = place {
        place.write(found);
    }
}

/// Puts a failure where the caller wants it.
fn told<T>(outcome: Result<T, Box<Failure>>, error: Out<'_, Failure>) -> Option<T> {
    match (outcome, error) {
        (Ok(good), _) => Some(good),
        (Err(failure), place) => {
            put(place, *failure);
            None
        }
    }
}

/// `kp_open`.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn kp_open(
    properties: *const c_char,
    error: Out<'_, Failure>,
) -> Option<Box<Handle>> {
    // SAFETY: the caller's promise.
    let properties = unsafe { text(properties) };
    told(open(properties), error).map(Box::new)
}

/// `kp_send`.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the header has as many")]
pub(crate) unsafe extern "C" fn kp_send(
    producer: Option<&Handle>,
    topic: *const c_char,
    key: Bytes,
    value: Bytes,
    callback: Option<OnOutcome>,
    context: usize,
    error: Out<'_, Failure>,
) -> bool {
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts { topic: text(topic), key: key.read(), value: value.read() } };
    told(send(producer, &parts, callback, context), error).is_some()
}

/// `kp_send_and_wait`.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the header has as many")]
pub(crate) unsafe extern "C" fn kp_send_and_wait(
    producer: Option<&Handle>,
    topic: *const c_char,
    key: Bytes,
    value: Bytes,
    place: Out<'_, Place>,
    error: Out<'_, Failure>,
) -> bool {
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts { topic: text(topic), key: key.read(), value: value.read() } };
    told(send_and_wait(producer, &parts), error).map(|found| put(place, found)).is_some()
}

/// `kp_close`.
///
/// # Safety
/// See the head of this file; `producer` comes from `kp_open` and is not used any more.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn kp_close(
    producer: Option<Box<Handle>>,
    timeout_ms: u32,
    report: Out<'_, Report>,
    error: Out<'_, Failure>,
) -> bool {
    let timeout = Duration::from_millis(timeout_ms.into());
    told(close(producer, timeout), error).map(|closed| put(report, closed)).is_some()
}
