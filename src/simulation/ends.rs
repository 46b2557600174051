//! `ClientEnd`, `BrokerEnd`: the two ends of a connection in the simulated network.
//!
//! Owns: what each end knows. Must not know: who is at it.

use std::collections::VecDeque;
use std::time::Instant;

use kafka_embedded::ConnectionId;

use crate::simulation::happening::ConnectionEnd;
use crate::simulation::security_step::TravelWay;

/// The client's end of a connection.
pub(super) struct ClientEnd {
    pub(super) connected: bool,
    pub(super) readable: VecDeque<u8>,
    pub(super) end: Option<ConnectionEnd>,
    pub(super) has_room: bool,
    pub(super) watched: bool,
}

/// The broker's end of a connection, and what is on its way there.
pub(super) struct BrokerEnd {
    pub(super) broker: i32,
    /// Nobody is at this address any more.
    pub(super) is_deserted: bool,
    /// What is sent is lost.
    pub(super) is_silent: bool,
    pub(super) connection: Option<ConnectionId>,
    pub(super) received: Vec<u8>,
    pub(super) last_arrival: Instant,
    pub(super) last_delivery: Instant,
    /// It breaks when so many more bytes have gone this way.
    pub(super) cut: Option<(TravelWay, usize)>,
}
