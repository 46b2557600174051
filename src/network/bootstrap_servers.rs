//! `BootstrapServers`: the entries of `bootstrap.servers`, and the servers that they stand for.
//!
//! Owns: what `client.dns.lookup` makes of a name. Must not know: when names are looked up, and what happens if none is
//! found.
//! Threads: any; `look_up` blocks as long as the system's resolver does.
//! Source: Kafka's `ClientUtils.parseAndValidateAddresses` (KIP-235), Java's `InetAddress.getCanonicalHostName`. With
//! canonical names one unknown entry is an error in Java; here it is skipped with a warning, as without them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::system_names::{Names, SystemNames};
use crate::cluster::Node;
use crate::config::{ClientDnsLookup, Settings};
use crate::escape::Escaped;
use crate::logging;

/// The entries of `bootstrap.servers`.
#[derive(Debug, Clone)]
pub(crate) struct BootstrapServers {
    servers: Vec<(String, u16)>,
    lookup: ClientDnsLookup,
    /// What messages show in their place, if they came out of a variable.
    variable: Option<String>,
}

impl From<&Settings> for BootstrapServers {
    fn from(settings: &Settings) -> BootstrapServers {
        BootstrapServers {
            servers: settings.bootstrap_servers.clone(),
            lookup: settings.client_dns_lookup,
            variable: settings.bootstrap_variable().map(str::to_owned),
        }
    }
}

impl BootstrapServers {
    #[cfg(test)]
    pub(crate) fn new(servers: Vec<(String, u16)>, lookup: ClientDnsLookup) -> BootstrapServers {
        BootstrapServers { servers, lookup, variable: None }
    }

    /// As they are written.
    pub(crate) fn names(&self) -> String {
        if let Some(variable) = &self.variable {
            return Escaped(variable).to_string();
        }
        let names: Vec<String> = self.servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        names.join(", ")
    }

    /// The servers to begin with, under negative ids as in Java: at least one, or why there is none.
    pub(crate) fn look_up(&self) -> io::Result<Vec<Node>> {
        self.look_up_among(&SystemNames)
    }

    fn look_up_among(&self, names: &impl Names) -> io::Result<Vec<Node>> {
        let mut found: Vec<(String, u16)> = Vec::new();
        let mut failures = Vec::new();
        for (host, port) in &self.servers {
            match self.expand(host, *port, names) {
                Ok(hosts) => found.extend(hosts.into_iter().map(|host| (host, *port))),
                Err(error) => failures.push(match &self.variable {
                    Some(variable) => format!("{} ({error})", Escaped(variable)),
                    None => format!("{host}:{port} ({error})"),
                }),
            }
        }
        let mut nodes: Vec<Node> = Vec::new();
        for (host, port) in found {
            if !nodes.iter().any(|node| node.host == host && node.port() == port) {
                nodes.push(Node { id: -1 - nodes.len() as i32, host, port: i32::from(port), rack: None });
            }
        }
        if nodes.is_empty() {
            let failures = failures.join(", ");
            return Err(io::Error::other(format!("no resolvable server in bootstrap.servers: {failures}")));
        }
        failures.iter().for_each(|failure| logging::warn!("bootstrap.servers: {failure} does not resolve"));
        Ok(nodes)
    }

    /// The names to connect to in place of one: itself, or those of its addresses.
    fn expand(&self, host: &str, port: u16, names: &impl Names) -> io::Result<Vec<String>> {
        let addresses = names.addresses(host, port)?;
        Ok(match self.lookup {
            ClientDnsLookup::UseAllDnsIps => vec![host.to_owned()],
            ClientDnsLookup::ResolveCanonicalBootstrapServersOnly => {
                addresses.iter().map(|address| canonical(address, names)).collect()
            }
        })
    }
}

/// The name of an address if that has the address, else the address itself.
fn canonical(address: &SocketAddr, names: &impl Names) -> String {
    let ip = address.ip();
    let has_it = |name: &String| {
        let addresses = names.addresses(name, address.port()).unwrap_or_default();
        addresses.iter().map(SocketAddr::ip).any(|other: IpAddr| other == ip)
    };
    names.name(ip).ok().filter(has_it).unwrap_or_else(|| ip.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Addresses by name, and names by address.
    struct FakeNames(HashMap<&'static str, Vec<&'static str>>, HashMap<&'static str, &'static str>);

    impl Names for FakeNames {
        fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            let found = self.0.get(host).ok_or_else(|| io::Error::other("unknown"))?;
            Ok(found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        }

        fn name(&self, address: IpAddr) -> io::Result<String> {
            let found =
                self.1.get(address.to_string().as_str()).ok_or_else(|| io::Error::other("unknown"))?;
            Ok((*found).to_owned())
        }
    }

    /// Three brokers behind one name; the third has a name that leads elsewhere, the fourth has none.
    fn names() -> FakeNames {
        let brokers = vec!["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::4"];
        let forward = [
            ("kafka", brokers),
            ("broker-1", vec!["10.0.0.1"]),
            ("broker-2", vec!["10.0.9.9", "10.0.0.2"]),
            ("broker-3", vec!["10.0.9.9"]),
            ("other", vec!["10.0.0.1"]),
        ];
        let back = [("10.0.0.1", "broker-1"), ("10.0.0.2", "broker-2"), ("10.0.0.3", "broker-3")];
        FakeNames(forward.into(), back.into())
    }

    fn look_up(entries: &[&str], lookup: ClientDnsLookup) -> io::Result<Vec<Node>> {
        let servers = entries.iter().map(|host| ((*host).to_owned(), 9092)).collect();
        BootstrapServers::new(servers, lookup).look_up_among(&names())
    }

    fn shown(nodes: &[Node]) -> Vec<String> {
        nodes.iter().map(|node| format!("{} {node}", node.id())).collect()
    }

    #[test]
    fn a_name_stays_one_and_its_addresses_are_found_when_it_is_connected_to() {
        let nodes = look_up(&["kafka", "nowhere", "other"], ClientDnsLookup::UseAllDnsIps).unwrap();
        assert_eq!(shown(&nodes), ["-1 kafka:9092", "-2 other:9092"]);
    }

    #[test]
    fn each_address_is_replaced_by_its_name_if_that_leads_back_to_it() {
        let lookup = ClientDnsLookup::ResolveCanonicalBootstrapServersOnly;
        let nodes = look_up(&["kafka", "nowhere", "other"], lookup).unwrap();
        let expected = ["-1 broker-1:9092", "-2 broker-2:9092", "-3 10.0.0.3:9092", "-4 [fd00::4]:9092"];
        assert_eq!(shown(&nodes), expected, "and broker-1, which has two names, is there once");
    }

    #[test]
    fn no_server_at_all_is_an_error_that_names_each() {
        for lookup in [ClientDnsLookup::UseAllDnsIps, ClientDnsLookup::ResolveCanonicalBootstrapServersOnly] {
            let error = look_up(&["nowhere", "elsewhere"], lookup).unwrap_err().to_string();
            let expected =
                "no resolvable server in bootstrap.servers: nowhere:9092 (unknown), elsewhere:9092 (unknown)";
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn the_system_s_resolver_is_asked_for_the_name_of_an_address() {
        let lookup = ClientDnsLookup::ResolveCanonicalBootstrapServersOnly;
        let nodes = BootstrapServers::new(vec![("127.0.0.1".to_owned(), 9092)], lookup).look_up().unwrap();
        assert_eq!(nodes.len(), 1);
        let addresses = SystemNames.addresses(nodes[0].host(), 9092).unwrap();
        assert!(addresses.contains(&"127.0.0.1:9092".parse().unwrap()), "{nodes:?}: {addresses:?}");
        // Nearly everywhere it has one: localhost.
        let name = SystemNames.name("127.0.0.1".parse().unwrap());
        assert!(name.is_err() || name.unwrap() == nodes[0].host() || nodes[0].host() == "127.0.0.1");
    }
}
