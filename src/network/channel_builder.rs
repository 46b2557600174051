//! `ChannelBuilder`: what a new connection needs beside its socket, by `security.protocol`.
//!
//! Owns: the trait. Must not know: connections, which layers and steps there are.
//! Source: Kafka's class of this name.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::byte_stream::TransportLayer;
use super::handshake_step::HandshakeStep;
use super::job::BackgroundWork;
use crate::error::Error;

/// Makes what a new connection needs beside its socket. The host is the one that was connected to by name: certificates
/// and tickets are for names.
pub(crate) trait ChannelBuilder: fmt::Debug + Send + Sync {
    /// What wraps the bytes of a connection; none: nothing does.
    fn transport_layer(&self, host: &str) -> Result<Option<Box<dyn TransportLayer>>, Error>;

    /// What has to be done before a connection is made, and may take long: it runs in the background, before the host's
    /// name is looked up. None: nothing.
    fn prepare(&self) -> Option<BackgroundWork> {
        None
    }

    /// Reads anew what new connections are made with; blocks as long as that takes. An error leaves everything as it was.
    fn reload(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The steps that say who we are, right after the broker has told what it speaks, and again before it forgets that.
    fn authentication(&self, host: &str) -> Vec<Box<dyn HandshakeStep>>;

    /// What is due beside all connections, so that they never have to wait for it. Asked whenever a job in the background is
    /// over, the look-up of a broker's name included, and when its time has come.
    fn upkeep(&self, _now: Instant) -> Upkeep {
        Upkeep::default()
    }
}

/// What is due beside all connections.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// What is to be begun in the background now.
    pub(crate) work: Vec<BackgroundWork>,
    /// When to ask again.
    pub(crate) next: Option<Instant>,
}

impl Upkeep {
    /// What is due by either.
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "without TLS only logins have something due")
    )]
    pub(crate) fn and(mut self, other: Upkeep) -> Upkeep {
        self.work.extend(other.work);
        self.next = self.next.into_iter().chain(other.next).min();
        self
    }
}

/// Sockets, and what is spoken on them.
#[derive(Debug)]
pub(crate) struct Transport<N> {
    pub(crate) network: N,
    pub(crate) channels: Arc<dyn ChannelBuilder>,
}
