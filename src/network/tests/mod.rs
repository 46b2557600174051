//! The client as a whole: against a network that only exists in memory, with virtual time, and against real sockets.

mod broker;
mod fake;
mod sockets;
mod virtual_time;
