//! `HttpClient`: a question to a token's provider over HTTP or HTTPS, on a TLS configuration of ours.
//!
//! Owns: URLs, requests, times, TLS. Must not know: what is asked for, how answers are read, proxies.
//! Threads: blocks; only for work in the background. A look-up of names takes as long as the system lets it.
//! Holds: an answer is bounded in size and time; nobody is followed to another address with a secret in hand; no error
//! shows a user's name or a query of a URL, and nothing of what is said is logged.
//! Source: RFC 9112. The crates for it log whole requests and answers at trace, secrets and all.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use super::http_answer::{HttpAnswer, read_answer, read_head};
use super::http_proxy::HttpProxy;
use crate::escape::Escaped;
use crate::secret::Secret;
use crate::security::tls::{TlsContext, handshake_trouble};

/// Asks, and waits for the answer.
#[derive(Clone)]
pub(crate) struct HttpClient {
    tls: Arc<TlsContext>,
    times: HttpTimes,
    proxy: Option<HttpProxy>,
}

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

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpTimes {
    pub(crate) connect: Duration,
    pub(crate) read: Duration,
}

/// Where a question goes.
#[derive(Debug, PartialEq, Eq)]
struct HttpUrl<'a> {
    is_https: bool,
    /// Without brackets.
    host: &'a str,
    port: u16,
    /// With its query.
    path: &'a str,
}

impl HttpClient {
    /// A client; `proxied` lets it go through what `https_proxy` and the like name.
    pub(crate) fn new(tls: Arc<TlsContext>, times: HttpTimes, proxied: bool) -> HttpClient {
        HttpClient { tls, times, proxy: if proxied { HttpProxy::of_the_environment() } else { None } }
    }

    /// Asks. An error is a text that begins with a verb: `could not be reached: …`.
    pub(crate) fn ask(&self, question: &HttpQuestion<'_>) -> Result<HttpAnswer, String> {
        let unfit = || String::from("is not a URL, or does not fit into a request");
        let url = HttpUrl::parse(question.url).ok_or_else(unfit)?;
        let request = request(question, &url).ok_or_else(unfit)?;
        let mut tcp = self.connected(&url)?;
        tcp.until = Instant::now() + self.times.read;
        if !url.is_https {
            return told(exchange(&mut tcp, &request));
        }
        let name = ServerName::try_from(url.host.to_owned()).map_err(|_| unfit())?;
        let connection = ClientConnection::new(self.tls.newest_client_config(), name);
        let connection = told(connection.map_err(io::Error::other))?;
        told(exchange(&mut StreamOwned::new(connection, tcp), &request))
    }

    /// A connection to the host, by the proxy where there is one.
    fn connected(&self, url: &HttpUrl<'_>) -> Result<TimedStream, String> {
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| proxy.is_for(url.host)) else {
            return self.connected_to(url.host, url.port);
        };
        let by_proxy =
            |text: String| format!("could not be reached by the proxy {}: it {text}", proxy.shown());
        let mut tcp = self.connected_to(&proxy.host, proxy.port).map_err(by_proxy)?;
        tcp.until = Instant::now() + self.times.read;
        let request = proxy.connect_request(&url.authority());
        let asked = tcp.write_all(request.as_bytes()).and_then(|()| read_head(&mut tcp));
        match told(asked).map_err(by_proxy)? {
            (head, _) if (200..300).contains(&head.status) => Ok(tcp),
            (head, _) => Err(by_proxy(format!("answered {}", head.status))),
        }
    }

    fn connected_to(&self, host: &str, port: u16) -> Result<TimedStream, String> {
        let found = (host, port).to_socket_addrs();
        let addresses = found.map_err(|_| String::from("has a host that is not found"))?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.times.connect.max(Duration::from_millis(1))) {
                Ok(tcp) => {
                    let _ = tcp.set_nodelay(true);
                    return Ok(TimedStream { tcp, until: Instant::now() });
                }
                Err(error) => last = error,
            }
        }
        told(Err(last))
    }
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> io::Result<HttpAnswer> {
    stream.write_all(request)?;
    stream.flush()?;
    read_answer(stream)
}

/// Why there is no answer.
fn told<T>(outcome: io::Result<T>) -> Result<T, String> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => String::from("did not answer in time"),
        io::ErrorKind::FileTooLarge => format!("answered {error}"),
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => format!("could not be reached: {}", handshake_trouble(tls)),
            None => format!("could not be reached: {}", Escaped(&error.to_string())),
        },
    })
}

/// The bytes of the request; none where something in it would be taken for something else.
fn request(question: &HttpQuestion<'_>, url: &HttpUrl<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let (method, body) = match question.method {
        #[cfg(feature = "msk-iam")]
        HttpMethod::Get => ("GET", None),
        HttpMethod::Post => ("POST", Some(question.body.expose())),
        #[cfg(feature = "msk-iam")]
        HttpMethod::Put => ("PUT", Some(question.body.expose())),
    };
    let fits = |text: &str| text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    if question.headers.iter().any(|(_, value)| !fits(value.expose())) {
        return None;
    }
    let longest = question.headers.iter().map(|(name, value)| name.len() + value.expose().len() + 4);
    let size = longest.sum::<usize>() + url.path.len() + url.host.len() + body.map_or(0, str::len) + 200;
    // As large as it will be: what grows leaves pieces of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    let mut say = |text: &str| bytes.extend_from_slice(text.as_bytes());
    let slash = if url.path.starts_with('/') { "" } else { "/" };
    for part in [method, " ", slash, url.path, " HTTP/1.1\r\nhost: ", &url.shown_host(), "\r\n"] {
        say(part);
    }
    say(concat!("user-agent: kafka-producer/", env!("CARGO_PKG_VERSION"), "\r\nconnection: close\r\n"));
    for (name, value) in &question.headers {
        [*name, ": ", value.expose(), "\r\n"].into_iter().for_each(&mut say);
    }
    match body {
        Some(body) => [&*format!("content-length: {}\r\n\r\n", body.len()), body].into_iter().for_each(say),
        None => say("\r\n"),
    }
    Some(bytes)
}

impl<'a> HttpUrl<'a> {
    fn parse(url: &'a str) -> Option<HttpUrl<'a>> {
        let (scheme, rest) = url.split_once("://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        let is_known = is_https || scheme.eq_ignore_ascii_case("http");
        if !is_known || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let place = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if port.is_empty() => {
                if is_https {
                    443
                } else {
                    80
                }
            }
            None => return None,
        };
        (!host.is_empty()).then_some(HttpUrl { is_https, host, port, path })
    }

    /// As in the header `host`: the port where it is not the scheme's.
    fn shown_host(&self) -> String {
        match (self.is_https, self.port) {
            (true, 443) | (false, 80) if self.host.contains(':') => format!("[{}]", self.host),
            (true, 443) | (false, 80) => self.host.to_owned(),
            _ => self.authority(),
        }
    }

    fn authority(&self) -> String {
        let (host, port) = (self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// A socket that is read and written until a deadline.
struct TimedStream {
    tcp: TcpStream,
    until: Instant,
}

impl TimedStream {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for TimedStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(bytes)
    }
}

impl Write for TimedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
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

    #[test]
    fn urls_are_read_and_what_is_none_is_refused() {
        let read = |url| HttpUrl::parse(url).map(|it| (it.is_https, it.host, it.port, it.path));
        for (url, parts) in [
            ("https://idp", Some((true, "idp", 443, ""))),
            ("HTTP://me:p@idp:81/a/b?c=d#e", Some((false, "idp", 81, "/a/b?c=d"))),
            ("https://[::1]:8443?x", Some((true, "::1", 8443, "?x"))),
            ("http://[::1]/", Some((false, "::1", 80, "/"))),
            ("http://idp:/", None),
            ("http://idp:70000/", None),
            ("http:///x", None),
            ("ftp://idp/x", None),
            ("http://idp/a b", None),
            ("http://idp/a\r\nx: y", None),
            ("http://[::1", None),
            ("idp/token", None),
        ] {
            assert_eq!(read(url), parts, "{url}");
        }
        let shown = |url| HttpUrl::parse(url).map(|it| it.shown_host()).unwrap();
        let all = ["https://idp/x", "http://idp:443/", "http://[::1]/", "https://[::1]:1/"].map(shown);
        assert_eq!(all, ["idp", "idp:443", "[::1]", "[::1]:1"]);
    }

    #[test]
    fn a_header_that_would_be_two_is_refused() {
        let headers = vec![("authorization", Secret::from("a\r\nb: c"))];
        let url = "http://idp/";
        let question = HttpQuestion { method: HttpMethod::Post, url, headers, body: Secret::from("") };
        assert!(request(&question, &HttpUrl::parse(url).unwrap()).is_none());
    }

    #[test]
    fn a_proxy_connects_us_or_says_why_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap().to_string();
        let heard = std::thread::spawn(move || {
            let answers: [&[&str]; 2] = [
                &["HTTP/1.1 200 Connected\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"],
                &["HTTP/1.1 407 Who?\r\n\r\n"],
            ];
            let mut heard = String::new();
            for answers in answers {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    while !heard.ends_with("\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        heard.push(byte[0] as char);
                    }
                    heard.push('|');
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
            heard
        });
        let client = super::super::http_test_server::test_client(Duration::from_secs(10));
        let client = HttpClient { proxy: HttpProxy::parse(&proxy, ""), ..client };
        let ask = || {
            let (method, body) = (HttpMethod::Post, Secret::from(""));
            client.ask(&HttpQuestion { method, url: "http://idp.invalid/t", headers: vec![], body })
        };
        assert_eq!(&ask().unwrap().body[..], b"hi");
        let refused = ask().unwrap_err();
        assert_eq!(refused, format!("could not be reached by the proxy {proxy}: it answered 407"));
        let heard = heard.join().unwrap();
        let begin = "CONNECT idp.invalid:80 HTTP/1.1\r\nhost: idp.invalid:80\r\n\r\n|POST /t HTTP/1.1\r\nhost: idp.invalid\r\n";
        assert!(heard.starts_with(begin), "{heard}");
    }
}
