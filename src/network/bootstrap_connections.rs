//! Connections to servers to begin with, once metadata tells which brokers these are: a broker that listens under the very
//! name and port keeps the connection, so that nobody connects, secures and logs in twice.
//!
//! Owns: which connection goes over to which broker. Must not know: what metadata is, and when it comes.
//! Holds: a new connection to the broker would begin with the same name and port, so it could lead nowhere else. Kafka's own
//! client makes one all the same, which costs a round trip or more before the first record.

use super::connections::{Connections, RequestOwner};
use super::peer::Peer;
use super::seam::Network;
use crate::cluster::{Cluster, Node, broker_behind};
use crate::logging;

impl<N: Network, T> Connections<N, T> {
    /// Gives brokers that have no connection those that stand to servers to begin with at the same name and port. What is
    /// on its way there goes on as the broker's. Returns who got one.
    pub(super) fn take_over_bootstrap(&mut self, cluster: &Cluster) -> Vec<i32> {
        let stands = |peer: &&Peer<RequestOwner<T>>| {
            broker_behind(peer.id).is_none() && peer.state.versions().is_some()
        };
        let ways_in: Vec<i32> = self.peers.values().filter(stands).map(|peer| peer.id).collect();
        ways_in.into_iter().filter_map(|id| self.take_over(id, cluster)).collect()
    }

    fn take_over(&mut self, id: i32, cluster: &Cluster) -> Option<i32> {
        let way_in = self.peers.get(&id)?;
        let is_it = |broker: &&Node| way_in.is_at(broker) && !self.peers.contains_key(&broker.id());
        let broker = cluster.nodes().find(is_it)?;
        let mut peer = self.peers.remove(&id)?;
        peer.becomes(broker, self.meters.node(broker.id()));
        if let Some(connection) = &peer.connection {
            self.names.hand_over(connection.socket, broker.id());
        }
        logging::debug!("broker {} keeps the connection to {}", broker.id(), peer.place(None));
        self.queued.iter_mut().filter(|queued| **queued == id).for_each(|queued| *queued = broker.id());
        self.peers.insert(broker.id(), peer);
        Some(broker.id())
    }
}
