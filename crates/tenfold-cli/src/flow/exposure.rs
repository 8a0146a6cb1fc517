//! Addresses that other machines can reach, and what strangers can do there.

use std::fmt::Write;
use std::net::{IpAddr, ToSocketAddrs};

use clap::Args;
use tenfold::Address;

use crate::failure::Failure;
use crate::flow::connect::cannot_listen;
use crate::words::Words;

/// Whether a network is trusted.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct NetworkOptions {
    /// Listen to other machines also without TLS, where nothing is encrypted, or without --tls-client-ca, where
    /// everybody there is let in
    #[arg(long)]
    insecure_listen: bool,
}

/// What is to be known of an address at which a command listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposure<'a> {
    pub(crate) address: &'a Address,
    /// All who connect have shown a certificate.
    pub(crate) asks_clients: bool,
    /// What everybody who connects can do.
    pub(crate) can: &'a str,
}

impl Exposure<'_> {
    /// Refuses an address that strangers can reach, unless that is allowed: then it is said what it means.
    pub(crate) fn check(self, network: NetworkOptions, words: &Words) -> Result<(), Failure> {
        let Some(danger) = self.danger()? else {
            return Ok(());
        };
        if network.insecure_listen {
            words.warning(danger);
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "{danger} Listen on 127.0.0.1 or unix:/path, and let an ssh tunnel lead there; or on tls:// with \
             --tls-client-ca FILE; or add --insecure-listen if the network is your own"
        )))
    }

    /// Says what it means, for a command that only sends.
    pub(crate) fn tell(self, words: &Words) -> Result<(), Failure> {
        if let Some(danger) = self.danger()? {
            words.warning(danger);
        }
        Ok(())
    }

    /// What strangers can do, in a sentence or two.
    fn danger(&self) -> Result<Option<String>, Failure> {
        let Self {
            address,
            asks_clients,
            can,
        } = *self;
        let is_plain = !address.is_tls();
        if !is_reachable(address)? || (!is_plain && asks_clients) {
            return Ok(None);
        }
        let mut danger = format!("{address} can be reached from other machines");
        if is_plain {
            danger += ", and nothing is encrypted: everybody on the way can read it";
        }
        let _ = write!(danger, ". Everybody there can {can}.");
        Ok(Some(danger))
    }
}

/// Whether other machines can reach an address.
pub(crate) fn is_reachable(address: &Address) -> Result<bool, Failure> {
    let (Address::Tcp { host, port } | Address::Tls { host, port }) = address else {
        return Ok(false);
    };
    match host.split('%').next().unwrap_or(host).parse::<IpAddr>() {
        Ok(ip) => Ok(!is_loopback(ip)),
        Err(_) => Ok((host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|error| cannot_listen(address, &error))?
            .any(|place| !is_loopback(place.ip()))),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn danger(address: &str, asks_clients: bool) -> Option<String> {
        let exposure = Exposure {
            address: &address.parse().unwrap(),
            asks_clients,
            can: "send messages",
        };
        exposure.danger().unwrap()
    }

    #[test]
    fn this_machine_is_safe_and_so_is_tls_with_certificates() {
        for safe in [
            ":1",
            "127.9.9.9:1",
            "[::1]:1",
            "localhost:1",
            "unix:/x",
            "tls://localhost:1",
        ] {
            assert_eq!(danger(safe, false), None, "{safe}");
        }
        assert_eq!(danger("tls://0.0.0.0:1", true), None);
    }

    #[test]
    fn what_strangers_can_do_is_said() {
        assert_eq!(
            danger("0.0.0.0:1", false).unwrap(),
            "0.0.0.0:1 can be reached from other machines, and nothing is encrypted: everybody on the way can read \
             it. Everybody there can send messages."
        );
        assert_eq!(
            danger("tls://[::]:1", false).unwrap(),
            "tls://[::]:1 can be reached from other machines. Everybody there can send messages."
        );
    }
}
