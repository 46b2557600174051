//! `Census`: how much state there is, for a simulation that looks whether what is forgotten is freed.
//!
//! Owns: the counts. Must not know: what they ought to be.

use crate::network::Network;
use crate::sender::Sender;

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Census {
    /// Bytes of `buffer.memory` that batches hold which were sent.
    pub(crate) reserved: usize,
    pub(crate) partitions: usize,
    pub(crate) timers: usize,
    pub(crate) sequences: usize,
    pub(crate) peers: usize,
    /// A producer id has been given to it, and it has not given that up.
    pub(crate) has_producer_id: bool,
}

impl<N: Network> Sender<N> {
    pub(crate) fn census(&self) -> Census {
        let (partitions, timers, reserved) = self.produce.drain.census();
        let (sequences, peers) = (self.identity.transaction.census(), self.client.census());
        let has_producer_id = self.identity.transaction.author().0 >= 0;
        Census { reserved, partitions, timers, sequences, peers, has_producer_id }
    }
}
