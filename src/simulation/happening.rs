//! `Happening`: something on its way between client and brokers.
//!
//! Owns: its shape. Must not know: when it arrives, and what becomes of it.

use crate::network::{Job, SocketId};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    Orderly,
    Reset,
}

/// Something on its way.
pub(super) enum Happening {
    Resolved {
        token: u64,
        host: String,
    },
    LookedUp,
    Worked(Job),
    Knock(SocketId),
    Connected(SocketId),
    Refused(SocketId),
    Room(SocketId),
    ToBroker(SocketId, Vec<u8>),
    ToClient(SocketId, Vec<u8>),
    /// Bytes after which nothing comes: no whole answer.
    PieceToClient(SocketId, Vec<u8>),
    /// The connection breaks, for both ends.
    Broken(SocketId, ConnectionEnd),
    ClosedByClient(SocketId),
    ClosedByBroker(SocketId, ConnectionEnd),
}

impl Happening {
    /// The connection that it is about.
    pub(super) fn socket(&self) -> Option<SocketId> {
        match self {
            Happening::Resolved { .. } | Happening::LookedUp | Happening::Worked(_) => None,
            Happening::Knock(id)
            | Happening::Connected(id)
            | Happening::Refused(id)
            | Happening::Room(id)
            | Happening::ToBroker(id, _)
            | Happening::ToClient(id, _)
            | Happening::PieceToClient(id, _)
            | Happening::Broken(id, _)
            | Happening::ClosedByClient(id)
            | Happening::ClosedByBroker(id, _) => Some(*id),
        }
    }
}
