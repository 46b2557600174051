//! Panics of code that is not ours: they end where it was called.
//!
//! Owns: the catching. Must not know: what is called.
//! Holds: nothing leaves here, not even a panic of what a panic carries when that is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `call`; nothing comes back where it panics.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(carried) => {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(carried)));
            // Who panics at that as well is not asked again.
            dropped.unwrap_or_else(std::mem::forget);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic_any(PanicsOnDrop)
        }
    }

    #[test]
    fn a_value_comes_back_and_a_panic_does_not() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| panic!("on purpose")), None::<()>);
        assert_eq!(guarded(|| panic_any(PanicsOnDrop)), None::<()>);
    }
}
