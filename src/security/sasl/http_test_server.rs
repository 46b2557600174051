//! `HttpTestServer`: answers questions over HTTP, in tests: what it is told, one after another.
//!
//! Owns: a thread that ends with its last answer. Must not know: what is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::http_client::{HttpClient, HttpTimes};
use crate::config::{Faults, ProducerConfig};
use crate::security::tls::TlsContext;

/// A server on this machine.
pub(super) struct HttpTestServer {
    /// Without a slash at its end.
    pub(super) url: String,
    asked: Receiver<String>,
}

/// What it answers: a status and a body; none: nothing, for as long as the client waits.
pub(super) type TestAnswer = Option<(u16, String)>;

impl HttpTestServer {
    pub(super) fn start(answers: Vec<TestAnswer>) -> HttpTestServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = tell.send(read_question(&mut stream));
                let Some((status, body)) = answer else {
                    // Until the client goes.
                    let _ = stream.read(&mut [0]);
                    continue;
                };
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(body.as_bytes());
            }
        });
        HttpTestServer { url, asked }
    }

    /// The next question, head and body.
    pub(super) fn asked(&self) -> String {
        self.asked.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

impl HttpTestServer {
    /// The next question that was asked already.
    pub(super) fn asked_so_far(&self) -> Option<String> {
        self.asked.recv_timeout(Duration::from_millis(100)).ok()
    }
}

fn read_question(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap();
        text.extend_from_slice(&piece[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return so_far;
            }
        }
        assert!(count > 0, "{so_far}");
    }
}

/// A client that trusts nobody who is there, which is enough for HTTP.
pub(super) fn test_client(wait: Duration) -> HttpClient {
    let config = ProducerConfig::new()
        .bootstrap_servers("localhost:1")
        .set("security.protocol", "SSL")
        .set("ssl.truststore.certificates", include_str!("../stores/fixtures/ca.pem"));
    let mut faults = Faults::default();
    let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
    let tls = TlsContext::new(&settings, &mut faults);
    faults.into_result().unwrap();
    HttpClient::new(tls.unwrap(), HttpTimes { connect: wait, read: wait }, false)
}
