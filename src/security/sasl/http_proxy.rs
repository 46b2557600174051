//! `HttpProxy`: what `https_proxy` and the like say, by which token endpoints may be reached.
//!
//! Owns: which variables count, and who is reached without. Must not know: sockets, what is asked.
//! Holds: user and password of a proxy are in no error.

use std::env;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::escape::Escaped;
use crate::logging;
use crate::secret::Secret;

/// A proxy that is asked to connect us, by HTTP.
#[derive(Clone)]
pub(super) struct HttpProxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// `user:password`.
    login: Option<Secret>,
    /// Hosts that are reached without it: names, with all below them, or `*`.
    without: Vec<String>,
}

impl HttpProxy {
    /// That of the first of the variables that is set and names one.
    pub(super) fn of_the_environment() -> Option<HttpProxy> {
        let value = |name: &&str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let without = ["NO_PROXY", "no_proxy"].iter().find_map(value).unwrap_or_default();
        VARIABLES.iter().find_map(|name| {
            let proxy = HttpProxy::parse(value(name)?.trim(), &without);
            if proxy.is_none() {
                logging::warn!("{name} names no proxy that can be used: http://HOST:PORT is expected");
            }
            proxy
        })
    }

    pub(super) fn parse(text: &str, without: &str) -> Option<HttpProxy> {
        let place = match text.split_once("://") {
            Some((scheme, place)) if scheme.eq_ignore_ascii_case("http") => place,
            Some(_) => return None,
            None => text,
        };
        let place = place.split('/').next().unwrap_or_default();
        let (login, place) = match place.rsplit_once('@') {
            Some((login, place)) => (Some(Secret::from(login.to_owned())), place),
            None => (None, place),
        };
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let names =
            without.split(',').map(|name| name.trim().trim_start_matches("*.").trim_start_matches('.'));
        let without = names.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        (!host.is_empty()).then_some(HttpProxy { host, port, login, without })
    }

    /// Whether this host is reached by it.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_it = |name: &String| {
            name == "*"
                || host.strip_suffix(&**name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !self.without.iter().any(is_it)
    }

    /// The request to be connected to a host and a port.
    pub(super) fn connect_request(&self, authority: &str) -> Zeroizing<String> {
        let login = self.login.as_ref().map(|login| {
            let login = Zeroizing::new(STANDARD.encode(login.expose()));
            Zeroizing::new(format!("proxy-authorization: Basic {}\r\n", *login))
        });
        let login = login.as_ref().map_or("", |login| login.as_str());
        Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{login}\r\n"))
    }

    pub(super) fn shown(&self) -> String {
        format!("{}:{}", Escaped(&self.host), self.port)
    }
}

/// The first one counts, whatever the URL begins with.
const VARIABLES: [&str; 6] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_asked_by_its_name_and_knows_who_goes_without() {
        let proxy =
            HttpProxy::parse("http://me:tiger@proxy:3128/", "localhost, .corp,*.lan , 10.0.0.1").unwrap();
        assert_eq!((proxy.shown().as_str(), proxy.host.as_str()), ("proxy:3128", "proxy"));
        for (host, is_for) in [
            ("idp.example", true),
            ("LOCALHOST", false),
            ("a.corp", false),
            ("corp", false),
            ("xcorp", true),
            ("b.lan", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(proxy.is_for(host), is_for, "{host}");
        }
        let asked = proxy.connect_request("idp:443");
        assert_eq!(
            asked.as_str(),
            "CONNECT idp:443 HTTP/1.1\r\nhost: idp:443\r\nproxy-authorization: Basic bWU6dGlnZXI=\r\n\r\n"
        );
        assert!(!HttpProxy::parse("proxy", "*").unwrap().is_for("idp"));
        let six = HttpProxy::parse("[::1]:81", "").unwrap();
        assert_eq!((six.host.as_str(), six.port), ("::1", 81));
        assert_eq!(HttpProxy::parse("[::1]", "").unwrap().port, 80);
        for wrong in ["socks5://proxy:1080", "https://proxy", "http://", "proxy:port"] {
            assert!(HttpProxy::parse(wrong, "").is_none(), "{wrong}");
        }
    }
}
