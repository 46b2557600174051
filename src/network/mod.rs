//! The network: one thread, all brokers. Connections, framing, requests on their way, and what comes back.
//!
//! Owns: sockets, connection states, frames, correlation ids, request time-outs. Must not know: what a request is
//! about, topics, batches.

mod seam;

mod client;

pub(crate) use client::{Expect, NetworkClient, NetworkSettings, Outcome, Readiness, RequestFailure};
pub(crate) use seam::{Network, NetworkEvent, SocketId};
