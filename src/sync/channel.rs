//! The part of `crossbeam-channel` that this crate uses, for models: made of what loom knows.
//!
//! Owns: bounded and unbounded queues that disconnect when one side is gone. Must not know: what is sent.
//! Holds: a wait ends by a message, a disconnection or an interrupt, never by time: a model has no clock, and a thread
//! that nothing wakes is what it looks for.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use loom::sync::{Arc, Mutex, MutexGuard};

pub(crate) use crossbeam_channel::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = ChannelState { messages: VecDeque::new(), capacity, senders: 1, receivers: 1 };
    let shared = Arc::new(Mutex::new(state));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

pub(crate) struct Sender<T>(Arc<Mutex<ChannelState<T>>>);

pub(crate) struct Receiver<T>(Arc<Mutex<ChannelState<T>>>);

struct ChannelState<T> {
    messages: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
}

impl<T> Sender<T> {
    /// There must be room: nobody here waits to send.
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => Err(SendError(message)),
        }
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = locked(&self.0);
        if state.receivers == 0 {
            return Err(TrySendError::Disconnected(message));
        }
        if state.messages.len() >= state.capacity {
            return Err(TrySendError::Full(message));
        }
        state.messages.push_back(message);
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = locked(&self.0);
        let nothing = if state.senders == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty };
        state.messages.pop_front().ok_or(nothing)
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        loop {
            match self.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                // loom takes a thread that yields for one that waits for another to do something.
                Err(TryRecvError::Empty) => loom::thread::yield_now(),
            }
        }
    }

    pub(crate) fn recv_deadline(&self, _: Instant) -> Result<T, RecvTimeoutError> {
        self.recv().map_err(|RecvError| RecvTimeoutError::Disconnected)
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.0).messages.is_empty()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        locked(&self.0).senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        locked(&self.0).receivers += 1;
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        locked(&self.0).senders -= 1;
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = locked(&self.0);
        state.receivers -= 1;
        // What nobody can receive any more is dropped, as in the real one; outside of the lock.
        let unreceived =
            if state.receivers == 0 { std::mem::take(&mut state.messages) } else { VecDeque::new() };
        drop(state);
        drop(unreceived);
    }
}

impl<T> std::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

fn locked<T>(state: &Mutex<ChannelState<T>>) -> MutexGuard<'_, ChannelState<T>> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
