//! Locks, atomics and channels of the parts that several threads share: the real ones, or loom's, which try every order
//! in which threads can take their steps.
//!
//! Owns: the choice. Must not know: what is shared.
//! Holds: what runs under `--cfg loom` is the code that users run; only what is named here differs.
//! Source: the crate `loom`, which models threads; it has no channels, so `channel.rs` brings those that are used.

#[cfg(loom)]
pub(crate) mod channel;

#[cfg(not(loom))]
pub(crate) use {
    crossbeam_channel as channel,
    parking_lot::{Mutex, MutexGuard, RwLock},
    std::sync::atomic,
    std::thread::yield_now,
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::atomic,
    loom::thread::yield_now,
    modelled::{Mutex, MutexGuard, RwLock},
};

/// loom's locks with the face of `parking_lot`'s: a panic ends a model anyway, so there is no poison.
#[cfg(loom)]
mod modelled {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
