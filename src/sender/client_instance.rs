//! `ClientInstance`: the id that brokers know this producer's telemetry by, and who waits for it.
//!
//! Owns: the id, once a broker has given it. Must not know: when one is asked for.
//! Threads: told by the sender thread, read by any. Locks: its own, for a look.
//! Holds: whoever waits goes on once the id is known, or once nobody will tell it any more.
//! Source: KIP-714; Kafka's `KafkaProducer.clientInstanceId`.

use std::convert::Infallible;

use crate::sync::Mutex;
use crate::sync::channel::{Receiver, Sender, bounded};
use crate::uuid::Uuid;

pub(crate) struct ClientInstance {
    is_enabled: bool,
    state: Mutex<InstanceState>,
    /// Disconnects when there is something to see.
    news: Receiver<Infallible>,
}

struct InstanceState {
    id: Option<Uuid>,
    /// Dropped to let those go on who wait.
    waiting: Option<Sender<Infallible>>,
}

impl ClientInstance {
    pub(super) fn new(is_enabled: bool) -> ClientInstance {
        let (waiting, news) = bounded(0);
        let state = Mutex::new(InstanceState { id: None, waiting: Some(waiting) });
        ClientInstance { is_enabled, state, news }
    }

    /// `enable.metrics.push`.
    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// None as long as no broker has told one.
    pub(crate) fn id(&self) -> Option<Uuid> {
        self.state.lock().id
    }

    /// What disconnects when it is worth a look.
    pub(crate) fn news(&self) -> &Receiver<Infallible> {
        &self.news
    }

    /// A broker has given this id.
    pub(super) fn tell(&self, id: Uuid) {
        let mut state = self.state.lock();
        state.id = Some(id);
        let waiting = state.waiting.take();
        drop(state);
        drop(waiting);
    }

    /// The producer is not open any more.
    pub(super) fn send_waiters_away(&self) {
        let waiting = self.state.lock().waiting.take();
        drop(waiting);
    }
}
