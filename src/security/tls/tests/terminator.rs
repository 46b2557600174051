//! A stand-in for a TLS listener: it ends TLS, and hands what was said on to a broker that has none.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{HandshakeKind, ServerConfig, ServerConnection};

pub(super) struct Terminator {
    pub(super) port: u16,
    shared: Arc<TerminatorState>,
}

/// How a connection is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// As TLS wants it.
    Announced,
    /// In the middle of a record.
    Within,
}

struct TerminatorState {
    config: Mutex<Arc<ServerConfig>>,
    cut: Mutex<Option<Cut>>,
    is_over: AtomicBool,
    accepted: AtomicUsize,
    resumed: AtomicUsize,
}

impl Terminator {
    pub(super) fn new(broker: SocketAddr, config: Arc<ServerConfig>) -> Terminator {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(TerminatorState {
            config: Mutex::new(config),
            cut: Mutex::new(None),
            is_over: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
        });
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_listener.is_over.load(Ordering::Relaxed) {
                    return;
                }
                of_listener.accepted.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&of_listener);
                thread::spawn(move || {
                    // The end of a connection, whichever side it comes from.
                    let _ = shared.serve(&client, broker);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Terminator { port, shared }
    }

    /// What later connections are shown.
    pub(super) fn set_config(&self, config: Arc<ServerConfig>) {
        *self.shared.config.lock().unwrap() = config;
    }

    /// Ends one connection, the next on which something comes back.
    pub(super) fn cut(&self, how: Cut) {
        *self.shared.cut.lock().unwrap() = Some(how);
    }

    pub(super) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn resumed(&self) -> usize {
        self.shared.resumed.load(Ordering::Relaxed)
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl TerminatorState {
    fn serve(&self, client: &TcpStream, broker: SocketAddr) -> io::Result<()> {
        let mut tls = ServerConnection::new(Arc::clone(&self.config.lock().unwrap())).unwrap();
        let broker = TcpStream::connect(broker)?;
        client.set_nonblocking(true)?;
        broker.set_nonblocking(true)?;
        let (mut unsent, mut piece, mut was_resumed) = (Vec::new(), [0; 16_384], false);
        while !self.is_over.load(Ordering::Relaxed) {
            let mut is_idle = true;
            match tls.read_tls(&mut &*client) {
                Ok(0) => return Ok(()),
                Ok(_) => is_idle = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            let outcome = tls.process_new_packets();
            if let Err(error) = outcome {
                while tls.wants_write() && tls.write_tls(&mut &*client).is_ok() {}
                return Err(io::Error::other(error));
            }
            if !was_resumed && tls.handshake_kind() == Some(HandshakeKind::Resumed) {
                was_resumed = true;
                self.resumed.fetch_add(1, Ordering::Relaxed);
            }
            while let Ok(count @ 1..) = tls.reader().read(&mut piece) {
                unsent.extend_from_slice(&piece[..count]);
            }
            if let Ok(count @ 1..) = (&broker).write(&unsent) {
                unsent.drain(..count);
                is_idle = false;
            }
            match (&broker).read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    is_idle = false;
                    tls.writer().write_all(&piece[..count])?;
                    if let Some(how) = self.cut.lock().unwrap().take() {
                        return end(&mut tls, client, how);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            while tls.wants_write() && tls.write_tls(&mut &*client).is_ok() {}
            if is_idle {
                thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }
}

fn end(tls: &mut ServerConnection, mut client: &TcpStream, how: Cut) -> io::Result<()> {
    let mut records = Vec::new();
    if how == Cut::Announced {
        tls.send_close_notify();
    }
    while tls.wants_write() {
        tls.write_tls(&mut records)?;
    }
    if how == Cut::Within {
        records.truncate(records.len() / 2);
    }
    client.write_all(&records)
}
