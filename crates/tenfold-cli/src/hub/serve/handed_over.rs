//! Sockets that listen already when the program starts: the service manager has made them (socket activation,
//! `sd_listen_fds(3)`).

use std::net::{SocketAddr, ToSocketAddrs};

use listenfd::ListenFd;
use tenfold::{Address, Listener};

use crate::failure::Failure;

/// Listening sockets that were handed over. Each takes the place of the one that the hub would make at the same address.
#[derive(Debug)]
pub(super) struct HandedOver(Vec<(Listener, Address)>);

impl HandedOver {
    /// Those that the environment tells of.
    pub(super) fn from_environment() -> Result<Self, Failure> {
        let mut descriptors = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..descriptors.len() {
            let listener = match descriptors.take_tcp_listener(index) {
                Ok(Some(listener)) => Listener::Tcp(listener),
                Ok(None) | Err(_) => match descriptors.take_unix_listener(index) {
                    Ok(Some(listener)) => Listener::Unix(listener, None),
                    Ok(None) | Err(_) => return Err(not_stream(index)),
                },
            };
            let address = listener.local_address().map_err(|_| not_stream(index))?;
            listeners.push((listener, address));
        }
        Ok(Self(listeners))
    }

    /// The one at this address, which is not one over TLS.
    pub(super) fn take(&mut self, address: &Address) -> Option<(Listener, Address)> {
        let found = self.0.iter().position(|(_, it)| is_same(it, address))?;
        Some(self.0.swap_remove(found))
    }

    /// Every one must have been taken: clients would wait at the others forever.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some((_, address)) => Err(Failure::Usage(format!(
                "the service manager has handed over a socket at {address}, and the hub is not to listen there: add --listen {address} (or --plain, --http, --https, --metrics), or take it out of the unit of the socket"
            ))),
        }
    }
}

fn not_stream(index: usize) -> Failure {
    Failure::Usage(format!(
        "descriptor {} that the service manager has handed over is not a listening stream socket (ListenStream= makes one)",
        index + 3
    ))
}

/// Whether two addresses are the same place. All addresses of IPv4 and all of IPv6 are: `ListenStream=10010` is both.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp { .. }, Address::Tcp { .. }) => {
            let (ones, others) = (numbers(one), numbers(other));
            ones.iter().any(|one| {
                others.iter().any(|other| {
                    let all = one.ip().is_unspecified() && other.ip().is_unspecified();
                    one == other || (all && one.port() == other.port())
                })
            })
        }
        _ => one == other,
    }
}

fn numbers(address: &Address) -> Vec<SocketAddr> {
    let Address::Tcp { host, port } = address else {
        return Vec::new();
    };
    let found = (host.as_str(), *port).to_socket_addrs();
    found.map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        is_same(&one.parse().unwrap(), &other.parse().unwrap())
    }

    #[test]
    fn all_addresses_are_the_same_place_in_ipv4_and_ipv6() {
        assert!(same("[::]:10010", "0.0.0.0:10010"));
        assert!(same("[::1]:10010", "[::1]:10010"));
        assert!(same("unix:/run/hub", "unix:/run/hub"));
        for (one, other) in [
            ("[::]:10010", "0.0.0.0:10011"),
            ("[::]:10010", "127.0.0.1:10010"),
            ("unix:/run/hub", "unix:/run/other"),
            ("unix:/run/hub", "127.0.0.1:10010"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
