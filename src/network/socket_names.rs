//! `SocketNames`: what sockets and look-ups are called, and whose they are.
//!
//! Owns: the names. Must not know: what a connection is.
//! Holds: no name is given twice; the id of whom it was given for lies in it, so that an event finds its broker at once.

use super::seam::SocketId;

/// What sockets and look-ups are called.
#[derive(Debug, Default)]
pub(super) struct SocketNames {
    /// How many were given.
    named: u32,
    /// Sockets of servers to begin with, and the brokers whose they are now.
    handed_over: Vec<(SocketId, i32)>,
}

impl SocketNames {
    /// A name that no socket or look-up had before, for this broker.
    pub(super) fn name(&mut self, id: i32) -> SocketId {
        self.named = self.named.wrapping_add(1);
        SocketId((u64::from(self.named) << 32) | u64::from(id.cast_unsigned()))
    }

    /// Whose it is.
    #[inline]
    pub(super) fn owner(&self, name: u64) -> i32 {
        let named_for = (name as u32).cast_signed();
        if named_for >= 0 {
            return named_for;
        }
        let handed_over = self.handed_over.iter().find(|(socket, _)| socket.0 == name);
        handed_over.map_or(named_for, |(_, owner)| *owner)
    }

    /// A server to begin with has turned out to be this broker.
    pub(super) fn hand_over(&mut self, socket: SocketId, broker: i32) {
        self.handed_over.push((socket, broker));
    }

    /// The socket is closed.
    pub(super) fn forget(&mut self, socket: SocketId) {
        self.handed_over.retain(|(other, _)| *other != socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_also_after_it_was_handed_over() {
        let mut names = SocketNames::default();
        let (first, second, other) = (names.name(-1), names.name(-1), names.name(7));
        assert!(first != second && names.owner(other.0) == 7);
        names.hand_over(first, 3);
        assert_eq!([first, second].map(|name| names.owner(name.0)), [3, -1]);
        names.forget(first);
        assert_eq!((names.owner(first.0), names.handed_over.len()), (-1, 0));
    }
}
