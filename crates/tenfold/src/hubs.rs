//! The hubs that a client may connect to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::address::{Address, AddressError};

/// One hub, or several that have the same channels: a hub and its mirrors. A client goes to the next one after each
/// failure, and from the last one to the first.
///
/// They are written with commas between them, so here the path of a unix socket ends at a comma.
///
/// ```
/// use tenfold::Hubs;
///
/// let hubs: Hubs = "10.0.0.1:10010,10.0.0.2:10010".parse()?;
/// assert_eq!(hubs.addresses().len(), 2);
/// assert_eq!(hubs.to_string(), "10.0.0.1:10010,10.0.0.2:10010");
/// assert!("10.0.0.1:10010,".parse::<Hubs>().is_err());
/// # Ok::<(), tenfold::AddressError>(())
/// ```
///
/// One [`Address`] is `Hubs`, too, wherever a client is made.
//
// Invariant: there is at least one address, and `turn` is the index of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hubs {
    addresses: Arc<[Address]>,
    /// The one to connect to now.
    turn: usize,
}

impl Hubs {
    /// All of them, in the order in which they are tried.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The one whose turn it is.
    pub(crate) fn current(&self) -> &Address {
        &self.addresses[self.turn]
    }

    /// It is the turn of this one, counted from 0.
    pub(crate) fn turn_to(&mut self, hub: usize) {
        self.turn = hub % self.addresses.len();
    }

    /// It is the turn of the next one.
    pub(crate) fn turn_on(&mut self) {
        self.turn_to(self.turn + 1);
    }
}

impl From<Address> for Hubs {
    fn from(address: Address) -> Self {
        Self {
            addresses: [address].into(),
            turn: 0,
        }
    }
}

impl From<&Address> for Hubs {
    fn from(address: &Address) -> Self {
        address.clone().into()
    }
}

impl From<&Self> for Hubs {
    fn from(hubs: &Self) -> Self {
        hubs.clone()
    }
}

impl FromStr for Hubs {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let addresses = text.split(',').map(Address::parse);
        Ok(Self {
            addresses: addresses.collect::<Result<_, _>>()?,
            turn: 0,
        })
    }
}

impl fmt::Display for Hubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, address) in self.addresses.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            address.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_hub_comes_the_first() {
        let mut hubs: Hubs = ":1,:2,:3".parse().unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(hubs.current().to_string());
            hubs.turn_on();
        }
        let port = |port| format!("127.0.0.1:{port}");
        assert_eq!(seen, [port(1), port(2), port(3), port(1)]);
    }

    #[test]
    fn the_address_that_is_wrong_is_named() {
        let error = ":1,elsewhere".parse::<Hubs>().unwrap_err().to_string();
        assert!(
            error.starts_with("\"elsewhere\" is not an address"),
            "{error}"
        );
        assert!("".parse::<Hubs>().is_err());
    }
}
