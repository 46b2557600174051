//! `NetworkSettings`: what the network has to know of the configuration.

use std::time::Duration;

use super::connection_state::ConnectionRules;
use crate::backoff::ExponentialBackoff;

/// What the network has to know of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    /// `client.id`, sent in each request's header.
    pub(crate) client_id: String,
    /// `max.in.flight.requests.per.connection`
    pub(crate) max_in_flight: usize,
    /// `reconnect.backoff.ms`
    pub(crate) reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`
    pub(crate) reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub(crate) setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`
    pub(crate) setup_timeout_max: Duration,
    /// `connections.max.idle.ms`; none: connections stay.
    pub(crate) max_idle: Option<Duration>,
    /// `request.timeout.ms`, for the network's own requests (ApiVersions).
    pub(crate) request_timeout: Duration,
}

impl NetworkSettings {
    pub(super) fn rules(&self) -> ConnectionRules {
        ConnectionRules {
            reconnect: ExponentialBackoff::new(self.reconnect_backoff, self.reconnect_backoff_max),
            setup: ExponentialBackoff::new(self.setup_timeout, self.setup_timeout_max),
        }
    }
}
