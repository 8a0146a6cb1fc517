//! Addresses that other machines can reach, and what protects them.

use tenfold::Address;
use tracing::warn;

use crate::failure::Failure;
use crate::flow::exposure::is_reachable;

/// The first addresses that other machines can reach and that lack something.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    /// Without TLS.
    plain: Option<Address>,
    /// Without anybody who asks who connects.
    open: Option<Address>,
}

impl Exposed {
    /// Looks at one more address. `is_asking`: the hub asks who connects.
    pub(super) fn add(&mut self, address: &Address, is_asking: bool) -> Result<(), Failure> {
        if !is_reachable(address)? {
            return Ok(());
        }
        if !address.is_tls() {
            self.plain.get_or_insert_with(|| address.clone());
        }
        if !is_asking {
            self.open.get_or_insert_with(|| address.clone());
        }
        Ok(())
    }

    /// An error if there is one.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let (address, danger, what_to_do) = match (&self.open, &self.plain) {
            (Some(address), _) => (
                address,
                "without --auth a hub does not ask who connects: everybody there could read and write every channel",
                "Give --auth FILE and listen on tls:// (for HTTP: --https)",
            ),
            (None, Some(address)) => (
                address,
                "nothing is encrypted: everybody on the way could read the messages and the tokens",
                "Listen on tls:// (for HTTP: --https) with --tls-cert FILE and --tls-key FILE",
            ),
            (None, None) => return Ok(()),
        };
        Err(Failure::Usage(format!(
            "{address} can be reached from other machines, and {danger}. {what_to_do}; or on 127.0.0.1 or \
             unix:/path, and let an ssh tunnel lead there; or add --insecure-listen if the network is your own"
        )))
    }

    /// Says what it means that it is allowed.
    pub(super) fn tell(&self) {
        if let Some(address) = &self.plain {
            warn!(
                "{address} can be reached from other machines, and nothing is encrypted: everybody on the way can read the messages and the tokens"
            );
        }
        if let Some(address) = &self.open {
            warn!(
                "{address} can be reached from other machines, and without --auth everybody there can read and write every channel"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, is_asking: bool) -> Result<(), Failure> {
        let mut exposed = Exposed::default();
        exposed.add(&address.parse().unwrap(), is_asking)?;
        exposed.refuse()
    }

    #[test]
    fn only_this_machine_is_safe_without_tls_and_a_policy() {
        for safe in [
            ":1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "localhost:1",
            "unix:/x",
            "tls://localhost:1",
        ] {
            assert_eq!(check(safe, false), Ok(()), "{safe}");
            assert_eq!(check(safe, true), Ok(()), "{safe}");
        }
        for exposed in ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "[fe80::1]:1"] {
            for is_asking in [false, true] {
                let refused = check(exposed, is_asking);
                assert!(matches!(refused, Err(Failure::Usage(_))), "{exposed}");
            }
            let over_tls = format!("tls://{exposed}");
            assert!(check(&over_tls, false).is_err(), "{over_tls}");
            assert_eq!(check(&over_tls, true), Ok(()), "{over_tls}");
        }
    }
}
