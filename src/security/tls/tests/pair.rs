//! Both sides of a connection in memory, and settings for our side.

use std::io::{IoSlice, Read};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use super::authority::Certified;
use crate::config::{Faults, ProducerConfig, Settings};
use crate::error::{Error, ErrorKind};
use crate::network::{PeerState, TransportLayer};
use crate::security::tls::TlsContext;

/// Settings with TLS.
pub(super) fn settings(pairs: &[(&str, &str)]) -> Settings {
    let config = ProducerConfig::new().bootstrap_servers("localhost:9092").set("security.protocol", "SSL");
    let config = pairs.iter().fold(config, |config, (name, value)| config.set(*name, *value));
    let mut faults = Faults::default();
    let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
    faults.into_result().unwrap();
    settings
}

pub(super) fn context_of(pairs: &[(&str, &str)]) -> Result<Arc<TlsContext>, Error> {
    let mut faults = Faults::default();
    let context = TlsContext::new(&settings(pairs), &mut faults);
    faults.into_result()?;
    Ok(context.unwrap())
}

pub(super) fn refusal(pairs: &[(&str, &str)]) -> String {
    let error = context_of(pairs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.to_string()
}

/// One that trusts this certificate and shows that one.
pub(super) fn context(trusted: &str, own: Option<&Certified>) -> Arc<TlsContext> {
    let key = own.map(Certified::key_pem);
    let mut pairs = vec![("ssl.truststore.certificates", trusted)];
    if let (Some(own), Some(key)) = (own, &key) {
        pairs.extend([("ssl.keystore.key", key.as_str()), ("ssl.keystore.certificate.chain", &own.pem)]);
    }
    context_of(&pairs).unwrap()
}

/// Both sides, and what each has read.
pub(super) struct ConnectedPair {
    pub(super) layer: Box<dyn TransportLayer>,
    pub(super) server: ServerConnection,
    pub(super) to_server: Vec<u8>,
    pub(super) read: Vec<u8>,
    pub(super) served: Vec<u8>,
    pub(super) state: PeerState,
}

impl ConnectedPair {
    pub(super) fn new(context: &TlsContext, host: &str, server: &Arc<ServerConfig>) -> ConnectedPair {
        let mut layer = context.layer(host).unwrap();
        let server = ServerConnection::new(Arc::clone(server)).unwrap();
        let mut to_server = Vec::new();
        layer.start(&mut to_server).unwrap();
        let (read, served) = (Vec::new(), Vec::new());
        ConnectedPair { layer, server, to_server, read, served, state: PeerState::Open }
    }

    /// The handshake is over.
    pub(super) fn established(context: &TlsContext, host: &str, server: &Arc<ServerConfig>) -> ConnectedPair {
        let mut pair = ConnectedPair::new(context, host, server);
        pair.travel(1000).unwrap();
        assert!(pair.layer.is_established());
        pair
    }

    /// Lets everything travel, in pieces of this many bytes, until nothing is left.
    pub(super) fn travel(&mut self, step: usize) -> Result<(), Error> {
        loop {
            for mut piece in std::mem::take(&mut self.to_server).chunks(step) {
                while !piece.is_empty() {
                    self.server.read_tls(&mut piece).unwrap();
                    // What it refuses it says in an alert.
                    let _ = self.server.process_new_packets();
                }
                let _ = self.server.reader().read_to_end(&mut self.served);
            }
            let back = self.take_server_records();
            if back.is_empty() && self.to_server.is_empty() {
                return Ok(());
            }
            for piece in back.chunks(step) {
                self.state = self.layer.decode(piece, &mut self.read, &mut self.to_server)?;
            }
        }
    }

    /// What the server says to all that was sent to it, whether it likes it or not.
    pub(super) fn flight_of_server(&mut self) -> Vec<u8> {
        let sent = std::mem::take(&mut self.to_server);
        let mut sent = sent.as_slice();
        while !sent.is_empty() {
            self.server.read_tls(&mut sent).unwrap();
            let _ = self.server.process_new_packets();
        }
        self.take_server_records()
    }

    /// What the server has to say.
    pub(super) fn take_server_records(&mut self) -> Vec<u8> {
        let mut back = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut back).unwrap();
        }
        back
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> usize {
        self.layer.encode(&[IoSlice::new(bytes)], &mut self.to_server).unwrap()
    }
}
