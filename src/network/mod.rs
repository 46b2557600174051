//! The network: one thread, all brokers. Connections, framing, requests on their way, and what comes back.
//!
//! Owns: sockets, connection states, frames, correlation ids, request time-outs. Must not know: what a request is
//! about, topics, batches.
//! Threads: all of it belongs to the sender thread, but for the [`Waker`] and the short-lived threads of jobs
//! in the background.
//! Holds: every context given to [`NetworkClient::send`] comes back exactly once, with an answer or with an error.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

// From the bottom up: where to begin, what the sender thread sees of sockets, …
mod bootstrap_servers;
mod job;
mod measuring;
mod seam;
mod socket_names;
mod system_names;

// … the real ones, …
mod background;
mod poller;
mod socket_network;
mod waker;

// … what can be said about one connection, …
mod connection_state;
mod disconnect_reason;
mod frame;
mod in_flight;

// … what is said on it beside the caller's requests, …
mod api_versions_step;
mod byte_stream;
mod channel_builder;
mod handshake;
mod handshake_step;

// … one connection, one broker, all brokers, …
mod bootstrap_connections;
mod connection;
mod connections;
mod disconnecting;
mod handshaking;
mod overdue;
mod peer;
mod reauthentication;
mod throttling;

// … and the face to the sender.
mod client;

pub(crate) use bootstrap_servers::BootstrapServers;
pub(crate) use channel_builder::{ChannelBuilder, Transport, Upkeep};
pub(crate) use client::{Expect, NetworkClient, Readiness};
pub(crate) use frame::read_all as read_frames;
// For those who make channels.
#[cfg(any(test, feature = "simulation", feature = "tls"))]
pub(crate) use byte_stream::PeerState;
pub(crate) use byte_stream::TransportLayer;
pub(crate) use handshake_step::{Asking, HandshakeStep, StepAction, StepFindings, StepProgress, StepRequest};
pub(crate) use in_flight::Outcome;
#[cfg(test)]
pub(crate) use in_flight::RequestFailure;
pub(crate) use job::BackgroundWork;
pub(crate) use job::{Job, JobResult};
pub(crate) use seam::Network;
pub(crate) use seam::{NetworkEvent, SocketId};
pub(crate) use socket_network::{SocketNetwork, SocketOptions};
#[cfg(test)]
pub(crate) use waker::Waker;

/// Channels with a layer and an authentication of their own, for the tests of the network and the simulation.
#[cfg(all(any(test, feature = "simulation"), not(loom)))]
pub(crate) mod test_channels;
// Two attributes: clippy knows tests by the one alone.
#[cfg(not(loom))]
#[cfg(test)]
mod tests;
