//! The network: one thread, all brokers. Connections, framing, requests on their way, and what comes back.
//!
//! Owns: sockets, connection states, frames, correlation ids, request time-outs. Must not know: what a request is
//! about, topics, batches.
//! Threads: all of it belongs to the sender thread, but for the [`Waker`] and the short-lived threads that resolve
//! names.
//! Holds: every note given to [`NetworkClient::send`] comes back exactly once, with an answer or with an error.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

// From the bottom up: where to begin, what the sender thread sees of sockets, …
mod bootstrap_servers;
mod seam;
mod system_names;

// … the real ones, …
mod poller;
mod resolver;
mod socket_network;
mod waker;

// … what can be said about one connection, …
mod connection_state;
mod disconnect_reason;
mod frame;
mod handshake;
mod in_flight;
mod outcome;

// … one connection, one broker, all brokers, …
mod connection;
mod connections;
mod overdue;
mod peer;

// … and the face to the sender.
mod client;

pub(crate) use bootstrap_servers::BootstrapServers;
pub(crate) use client::{Expect, NetworkClient, Readiness};
pub(crate) use frame::read_all as read_frames;
pub(crate) use outcome::Outcome;
#[cfg(test)]
pub(crate) use outcome::RequestFailure;
pub(crate) use seam::Network;
pub(crate) use seam::{NetworkEvent, SocketId};
pub(crate) use socket_network::{SocketNetwork, SocketOptions};
#[cfg(test)]
pub(crate) use waker::Waker;

#[cfg(test)]
mod tests;
