//! SinkStream: a connection's socket, plain or with TLS around it.
//!
//! TLS shall cost as little as can be: records are decrypted where they were read, and copied once.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::version::TLS13;
use rustls::{CipherSuite, ServerConfig};

/// How much one read asks for.
const READ: usize = 64 * 1024;

/// A blocking connection.
pub(crate) enum SinkStream {
    Plain(TcpStream),
    Tls(Box<TlsSinkStream>),
}

/// TLS on a socket.
pub(crate) struct TlsSinkStream {
    socket: TcpStream,
    connection: UnbufferedServerConnection,
    /// Records that have come, the last one perhaps in part.
    incoming: Vec<u8>,
    filled: usize,
    /// What they held, as far as nobody has taken it.
    plain: Vec<u8>,
    taken: usize,
    outgoing: Vec<u8>,
    is_closed: bool,
}

/// The configuration of a server whose key and certificate are `sink.key` and `sink.pem` in this folder. It has one version
/// and one suite, so that no client does less than another.
pub(crate) fn tls_config(folder: &Path) -> Result<Arc<ServerConfig>, kafka_producer_benchmarks::Failure> {
    let chain = vec![CertificateDer::from_pem_file(folder.join("sink.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("sink.key"))?;
    let mut provider = rustls_graviola::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384);
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&TLS13])?.with_no_client_auth();
    Ok(Arc::new(builder.with_single_cert(chain, key)?))
}

impl SinkStream {
    pub(crate) fn new(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<SinkStream> {
        socket.set_nodelay(true)?;
        let Some(config) = tls else { return Ok(SinkStream::Plain(socket)) };
        let connection = UnbufferedServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(SinkStream::Tls(Box::new(TlsSinkStream {
            socket,
            connection,
            incoming: vec![0; 2 * READ],
            filled: 0,
            plain: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            is_closed: false,
        })))
    }
}

impl Read for SinkStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            SinkStream::Plain(socket) => socket.read(buffer),
            SinkStream::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for SinkStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            SinkStream::Plain(socket) => socket.write(bytes),
            SinkStream::Tls(tls) => tls.write(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsSinkStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.plain.len() {
            if self.is_closed {
                return Ok(0);
            }
            self.plain.clear();
            self.taken = 0;
            let end = self.filled + READ;
            if self.incoming.len() < end {
                self.incoming.resize(end, 0);
            }
            let got = self.socket.read(&mut self.incoming[self.filled..end])?;
            self.filled += got;
            self.is_closed = got == 0;
            self.process(&[])?;
        }
        let count = buffer.len().min(self.plain.len() - self.taken);
        buffer[..count].copy_from_slice(&self.plain[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.process(bytes)
    }

    /// Takes what has come as far as it is whole, says what the handshake has to say, and then these bytes.
    fn process(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut begin = 0;
        loop {
            let records = &mut self.incoming[begin..self.filled];
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(records);
            let mut passed = discard;
            let mut goes_on = true;
            match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        passed += record.discard;
                        self.plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let room = match data.encode(&mut []) {
                        Err(EncodeError::InsufficientSize(size)) => size.required_size,
                        _ => 0,
                    };
                    let begin = self.outgoing.len();
                    self.outgoing.resize(begin + room, 0);
                    data.encode(&mut self.outgoing[begin..]).map_err(io::Error::other)?;
                }
                ConnectionState::TransmitTlsData(data) => {
                    self.socket.write_all(&self.outgoing)?;
                    self.outgoing.clear();
                    data.done();
                }
                ConnectionState::WriteTraffic(mut traffic) if !bytes.is_empty() => {
                    let room = match traffic.encrypt(bytes, &mut []) {
                        Err(EncryptError::InsufficientSize(size)) => size.required_size,
                        _ => 0,
                    };
                    self.outgoing.resize(room, 0);
                    let length = traffic.encrypt(bytes, &mut self.outgoing).map_err(io::Error::other)?;
                    self.socket.write_all(&self.outgoing[..length])?;
                    self.outgoing.clear();
                    bytes = &[];
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.is_closed = true;
                    goes_on = false;
                }
                _ => goes_on = false,
            }
            begin += passed;
            if !goes_on {
                break;
            }
        }
        self.incoming.copy_within(begin..self.filled, 0);
        self.filled -= begin;
        Ok(())
    }
}
