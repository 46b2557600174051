//! `HttpClient`: a question to a token's provider over HTTP or HTTPS, on a TLS configuration of ours.
//!
//! Owns: times, sizes, the way through a proxy, TLS below ureq. Must not know: what is asked for.
//! Threads: blocks; only for work in the background.
//! Holds: an answer is bounded in size and time; nobody is followed to another address with a secret in hand; no error
//! shows a user's name or a query of a URL.
//! Source: ureq's `RustlsConnector`, whose place `TlsConnector` takes: that one makes its own configuration.

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    TcpConnector, Transport, TransportAdapter,
};
use ureq::{Agent, Error as UreqError, Proxy};
use zeroize::Zeroizing;

use crate::escape::Escaped;
use crate::secret::Secret;
use crate::security::tls::handshake_trouble;

/// Asks, and waits for the answer.
#[derive(Clone)]
pub(crate) struct HttpClient(Agent);

/// What is asked.
#[derive(Debug)]
pub(crate) struct HttpQuestion<'a> {
    pub(crate) method: HttpMethod,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'static str, Secret)>,
    /// Of a POST.
    pub(crate) body: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpMethod {
    #[cfg(feature = "msk-iam")]
    Get,
    Post,
    #[cfg(feature = "msk-iam")]
    Put,
}

/// The answer, whatever its status.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpTimes {
    pub(crate) connect: Duration,
    pub(crate) read: Duration,
}

impl HttpClient {
    /// A client; `proxied` lets it go through what `https_proxy` and the like name.
    pub(crate) fn new(tls: Arc<ClientConfig>, times: HttpTimes, proxied: bool) -> HttpClient {
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .proxy(if proxied { Proxy::try_from_env() } else { None })
            .user_agent(concat!("kafka-producer/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(times.connect))
            .timeout_connect(Some(times.connect))
            .timeout_send_request(Some(times.read))
            .timeout_send_body(Some(times.read))
            .timeout_recv_response(Some(times.read))
            .timeout_recv_body(Some(times.read))
            .build();
        let connector =
            ConnectProxyConnector::default().chain(TcpConnector::default()).chain(TlsConnector(tls));
        HttpClient(Agent::with_parts(config, connector, DefaultResolver::default()))
    }

    /// Asks. An error is a text that begins with a verb: `could not be reached: …`.
    pub(crate) fn ask(&self, question: &HttpQuestion<'_>) -> Result<HttpAnswer, String> {
        let headers = question.headers.iter().map(|(name, value)| (*name, value.expose()));
        let answer = match question.method {
            #[cfg(feature = "msk-iam")]
            HttpMethod::Get => {
                headers.fold(self.0.get(question.url), |it, (name, value)| it.header(name, value)).call()
            }
            HttpMethod::Post => headers
                .fold(self.0.post(question.url), |it, (name, value)| it.header(name, value))
                .send(question.body.expose()),
            #[cfg(feature = "msk-iam")]
            HttpMethod::Put => headers
                .fold(self.0.put(question.url), |it, (name, value)| it.header(name, value))
                .send(question.body.expose()),
        };
        let mut answer = answer.map_err(|error| told(&error))?;
        let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        let body = Zeroizing::new(body.map_err(|error| told(&error))?);
        Ok(HttpAnswer { status: answer.status().as_u16(), body })
    }
}

/// Why there is no answer.
fn told(error: &UreqError) -> String {
    match error {
        UreqError::HostNotFound => "has a host that is not found".to_owned(),
        UreqError::Timeout(phase) => format!("did not answer in time ({phase})"),
        UreqError::BodyExceedsLimit(_) => format!("answered more than {MOST_BYTES} bytes"),
        UreqError::BadUri(_) | UreqError::Http(_) => {
            "is not a URL, or does not fit into a request".to_owned()
        }
        UreqError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => format!("could not be reached: {}", handshake_trouble(tls)),
            None => format!("could not be reached: {}", Escaped(&error.to_string())),
        },
        other => format!("could not be reached: {}", Escaped(&other.to_string())),
    }
}

/// What may be shown of a URL: no user, no query.
pub(crate) fn shown_url(url: &str) -> String {
    let (scheme, rest) = match url.find("://") {
        Some(colon) => url.split_at(colon + "://".len()),
        None => ("", url),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    let shown = format!("{scheme}{host}{path}");
    Escaped(&shown).to_string()
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

/// Wraps what https asks for.
#[derive(Debug)]
struct TlsConnector(Arc<ClientConfig>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, UreqError> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let name =
            name.map_err(|_| UreqError::Tls("the host's name is none that a certificate could have"))?;
        let wrong = |error| UreqError::Io(std::io::Error::other(error));
        let connection = ClientConnection::new(self.0.clone(), name).map_err(wrong)?;
        let mut stream = StreamOwned::new(
            connection,
            TransportAdapter::new(transport.boxed(), details.current_time.clone()),
        );
        stream.sock.set_timeout(details.timeout);
        stream.conn.complete_io(&mut stream.sock)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), UreqError> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, UreqError> {
        self.stream.sock.set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

/// More than any token endpoint answers.
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_user_and_no_query() {
        for (url, shown) in [
            ("https://me:tiger@idp.example:8443/token?key=tiger#tiger", "https://idp.example:8443/token"),
            ("http://idp.example", "http://idp.example"),
            ("http://a@b@idp?x/y@z", "http://idp"),
            ("https://idp/a\nb", "https://idp/a\\nb"),
            ("me:tiger@idp.example/token?key=tiger", "idp.example/token"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
