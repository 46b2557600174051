//! Panics of code that is not ours: they end where it was called.
//!
//! Owns: the catching. Must not know: what is called.
//! Holds: nothing leaves `catch_panic`, not even a panic of what a panic carries when that is dropped.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `call`; nothing comes back where it panics.
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(carried) => {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(carried)));
            // What panics at that as well is forgotten instead.
            dropped.unwrap_or_else(std::mem::forget);
            None
        }
    }
}

/// Runs `call`; where it panics, `notice` runs before the panic goes on.
pub(crate) fn notice_panic<T>(call: impl FnOnce() -> T, notice: impl FnOnce()) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(carried) => {
            catch_panic(notice);
            resume_unwind(carried)
        }
    }
}

/// What something of the user's says of itself.
pub(crate) fn text_of(value: &dyn fmt::Display) -> String {
    catch_panic(|| value.to_string())
        .unwrap_or_else(|| String::from("(its text is not to be had: that panics)"))
}

/// The same of something that nobody needs any more. Its end is apart: where its text panics as well, two panics at once
/// would end the process.
pub(crate) fn into_text(value: impl fmt::Display) -> String {
    let text = text_of(&value);
    catch_panic(|| drop(value));
    text
}

/// Something of the user's whose end does no harm, wherever it comes.
pub(crate) struct Harmless<T>(Option<T>);

impl<T> Harmless<T> {
    pub(crate) fn new(value: T) -> Harmless<T> {
        Harmless(Some(value))
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// Takes it out; its end is the caller's then.
    pub(crate) fn take(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Harmless<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            catch_panic(|| drop(value));
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
        assert_eq!(catch_panic(|| 1), Some(1));
        assert_eq!(catch_panic(|| panic!("on purpose")), None::<()>);
        assert_eq!(catch_panic(|| panic_any(PanicsOnDrop)), None::<()>);
    }

    /// Panics wherever it can.
    struct Bad;

    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("on purpose")
        }
    }

    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose")
        }
    }

    /// Fault E2.
    #[test]
    fn neither_the_text_nor_the_end_of_something_bad_panics() {
        let bad = Harmless::new(Bad);
        assert!(text_of(bad.0.as_ref().unwrap()).contains("panics"));
        drop(bad);
        assert!(into_text(Bad).contains("panics"));
        assert_eq!(Harmless::new(7).take(), Some(7));
    }

    #[test]
    fn a_panic_is_noticed_and_goes_on() {
        let mut seen = 0;
        assert_eq!(catch_panic(|| notice_panic(|| panic!("on purpose"), || seen += 1)), None::<()>);
        assert_eq!(catch_panic(|| notice_panic(|| 5, || unreachable!())), Some(5));
        assert_eq!(seen, 1);
    }
}
