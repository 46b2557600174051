//! `Names`: names and addresses, as the operating system's resolver knows them.
//!
//! Owns: the two questions, and the answers of the real resolver. Must not know: what they are asked for.
//! Threads: any; an answer may take seconds.
//!
//! The standard library finds the addresses of a name and not the name of an address. `dns-lookup` calls the system's
//! `getnameinfo`, as Java does: it needs no C of its own, runs no resolver beside the system's, and brings nothing along
//! that is not in the tree anyway. Of a name's addresses Java keeps those that are of the first one's version of IP; here
//! all are kept, so that ::1 is followed by 127.0.0.1.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Names and addresses.
pub(super) trait Names {
    /// The addresses of a name, at least one, in the order in which to try them.
    fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// The name of an address.
    fn name(&self, address: IpAddr) -> io::Result<String>;
}

/// Those of the operating system.
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for address in (host, port).to_socket_addrs()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }

    fn name(&self, address: IpAddr) -> io::Result<String> {
        dns_lookup::lookup_addr(&address).map_err(io::Error::from)
    }
}
