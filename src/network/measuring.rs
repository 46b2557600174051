//! What is measured of connections: how many there are, and for how long the thread waits for them.
//!
//! Owns: by which sensors. Must not know: why something was sent.
//! Source: Kafka's `Selector.SelectorMetrics`.

use std::time::Instant;

use super::connection::Connection;
use super::connections::{Connections, RequestOwner};
use super::seam::{Network, NetworkEvent};
use crate::sync::atomic::Ordering;

impl<N: Network, T> Connections<N, T> {
    /// Waits for sockets and for jobs in the background.
    pub(super) fn measured_wait(
        &mut self,
        begun: Instant,
        until: Option<Instant>,
        events: &mut Vec<NetworkEvent>,
    ) -> Instant {
        let now = self.network.wait(begun, until, events);
        let waited = now.saturating_duration_since(begun).as_nanos() as f64;
        self.meters.connections.measure(now, |sensors| sensors.io_wait_time.add(waited));
        now
    }

    /// So many more requests wait for their answers.
    pub(super) fn answers_due_more(&mut self, count: usize) {
        self.answers_due += count;
        self.meters.requests_in_flight.store(self.answers_due, Ordering::Relaxed);
    }

    /// So many fewer do.
    pub(super) fn answers_due_less(&mut self, count: usize) {
        self.answers_due -= count;
        self.meters.requests_in_flight.store(self.answers_due, Ordering::Relaxed);
    }

    /// A broker refuses us: at first, or in a session that has stood.
    pub(super) fn measure_refusal(&self, was_ready: bool, now: Instant) {
        self.meters.connections.measure(now, |sensors| match was_ready {
            true => sensors.failed_reauthentication.add(1.0),
            false => sensors.failed_authentication.add(1.0),
        });
    }

    /// The socket is connected.
    pub(super) fn count_connection(&self, now: Instant) {
        self.meters.connections.measure(now, |sensors| sensors.connection_creation.add(1.0));
    }

    /// Closes the socket, and counts that it is.
    pub(super) fn close_socket(&mut self, connection: &mut Connection<RequestOwner<T>>) {
        connection.close(&mut self.network);
        self.names.forget(connection.socket);
        if std::mem::take(&mut connection.stands) {
            let now = self.network.now();
            self.meters.connections.measure(now, |sensors| sensors.connection_close.add(1.0));
        }
    }
}
