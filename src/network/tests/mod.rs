//! The client as a whole: against a network that only exists in memory, with virtual time, and against real sockets.

mod bootstrapping;
mod broker;
mod connecting;
mod fake;
mod fixture;
mod requests;
mod securing;
mod sockets;
