//! `SlowCode`: the user's code beside callbacks that takes its time: interceptors, serializers, the logger.
//!
//! Owns: which of them does, and how much time is left for all of it. Must not know: when it is called.
//! Threads: those of the application, and the one that directs; there, it is the sender's thread, and nothing else is done
//! meanwhile.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::interceptor::{Acknowledgement, InterceptedRecord, InterceptorError, ProducerInterceptor};
use crate::record::Headers;
use crate::serializer::{Serializer, SerializerError};
use crate::stage;

/// What takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dawdler {
    Interceptor,
    Serializer,
    Logger,
}

/// How long user code takes, and how much of that is still to come.
#[derive(Debug, Clone)]
pub(super) struct SlowCode {
    /// Who takes how long each time.
    pub(super) each: Vec<(Dawdler, Duration)>,
    /// In all.
    pub(super) whole: Duration,
    /// Which lines the logger wants to read, and so takes its time for.
    pub(super) level: log::LevelFilter,
    spent: Arc<Mutex<Duration>>,
}

/// Nobody takes any time.
impl Default for SlowCode {
    fn default() -> SlowCode {
        SlowCode::new(Vec::new(), Duration::ZERO)
    }
}

impl SlowCode {
    pub(super) fn new(each: Vec<(Dawdler, Duration)>, whole: Duration) -> SlowCode {
        SlowCode { each, whole, level: log::LevelFilter::Info, spent: Arc::default() }
    }

    /// This runs now.
    pub(super) fn runs(&self, who: Dawdler) {
        let Some((_, time)) = self.each.iter().find(|(other, _)| *other == who) else { return };
        {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            if *spent + *time > self.whole {
                return;
            }
            *spent += *time;
        }
        stage::note("slow", who);
        stage::linger(*time);
    }

    /// From now on what this thread logs takes its time.
    pub(super) fn begin(&self) {
        LOGGER.set(Some(self.clone()).filter(|it| it.each.iter().any(|(who, _)| *who == Dawdler::Logger)));
    }
}

/// This thread has logged a line of this level. Those that are only printed for a history cost no time, so that a run goes
/// the same way whether it is told or not.
pub(super) fn logged(level: log::Level) {
    if let Ok(Some(slow)) = LOGGER.try_with(|logger| logger.borrow().clone())
        && level <= slow.level
    {
        slow.runs(Dawdler::Logger);
    }
}

thread_local! {
    static LOGGER: RefCell<Option<SlowCode>> = const { RefCell::new(None) };
}

impl ProducerInterceptor<[u8], [u8]> for SlowCode {
    fn on_send(&self, _: &mut InterceptedRecord<'_, [u8], [u8]>) -> Result<(), InterceptorError> {
        self.runs(Dawdler::Interceptor);
        Ok(())
    }

    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        self.runs(Dawdler::Interceptor);
        Ok(())
    }
}

/// Bytes as they are.
impl Serializer<[u8]> for SlowCode {
    fn serialize<'a>(
        &'a self,
        _: &str,
        _: &mut Headers,
        data: &'a [u8],
        _: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.runs(Dawdler::Serializer);
        Ok(Some(data))
    }
}
