//! What one identity or one address may have of what all share.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenfold_gate::Identity;
use tokio::time::Instant;

use crate::peer::Peer;

/// Connections of one identity or one address that publish or subscribe, where the policy does not say.
const CONNECTIONS: usize = 256;
/// Channels that one identity or one address begins in a second, where the policy does not say.
const NEW_NAMES: u64 = 10;
/// At once it may begin its part of so long a time.
const NAMES_AT_ONCE: Duration = Duration::from_secs(10);
/// Credentials that were not valid: so many in so long are answered at once.
const FAILURES: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How many identities and addresses are remembered for that. Beyond it the oldest makes place.
const ADDRESSES: usize = 1024;

/// Whose things are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Identity(String),
    /// An address; of IPv6 the network that one customer has.
    Address(IpAddr),
    /// All processes at unix sockets.
    Processes,
}

/// What is in use, of each.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    connections: Mutex<HashMap<Whose, usize>>,
    paces: Mutex<HashMap<String, Arc<Pace>>>,
    failures: Mutex<HashMap<Whose, (Instant, usize)>>,
    /// Until when each has begun its part of channels, as if it had begun them one after the other.
    names: Mutex<HashMap<Whose, Instant>>,
}

/// One connection of a share, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    whose: Whose,
}

/// How fast the publishers of an identity may go together.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Credit>);

#[derive(Debug)]
struct Credit {
    per_second: u64,
    /// From when on more may be received. What is received moves it on; it is never further in the past than a second.
    from: Instant,
}

impl Whose {
    /// What is of no identity.
    pub(crate) fn of(peer: Peer) -> Self {
        match peer {
            Peer::Tcp(address) => Self::Address(match address.ip().to_canonical() {
                IpAddr::V6(ip) => {
                    let [a, b, c, d, ..] = ip.segments();
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
                v4 @ IpAddr::V4(_) => v4,
            }),
            Peer::Unix(_) => Self::Processes,
        }
    }
}

impl Shares {
    /// Takes a connection of the share of an identity, or of an address; `None`: it has as many as it may.
    pub(crate) fn connect(
        self: &Arc<Self>,
        identity: Option<&Identity>,
        peer: Peer,
    ) -> Option<Share> {
        let given = identity.and_then(|identity| identity.limits().connections);
        let most = match given {
            Some(most) => most,
            None if peer.is_local() => usize::MAX,
            None => CONNECTIONS,
        };
        let whose = whose(identity, peer);
        let mut connections = lock(&self.connections);
        let count = connections.entry(whose.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(connections);
        Some(Share {
            shares: Arc::clone(self),
            whose,
        })
    }

    /// How fast an identity may publish, if that is limited.
    pub(crate) fn pace(&self, identity: Option<&Identity>) -> Option<Arc<Pace>> {
        let identity = identity?;
        let per_second = identity.limits().bytes_per_second?;
        let name = identity.name().unwrap_or_default();
        let mut paces = lock(&self.paces);
        // Those of identities that nobody publishes as any more.
        paces.retain(|_, pace| Arc::strong_count(pace) > 1);
        let pace = paces.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Pace(Mutex::new(Credit {
                per_second,
                from: Instant::now(),
            })))
        });
        lock(&pace.0).per_second = per_second;
        Some(Arc::clone(pace))
    }

    /// Notes that a channel begins; an error says how many may begin in a second, and that this is one too many.
    pub(crate) fn begins(&self, identity: Option<&Identity>, peer: Peer) -> Result<(), u64> {
        let given = identity.and_then(|identity| identity.limits().new_channels_per_second);
        let per_second = match given {
            Some(number) => number,
            None if peer.is_local() => return Ok(()),
            None => NEW_NAMES,
        };
        let whose = whose(identity, peer);
        let now = Instant::now();
        let mut names = lock(&self.names);
        if names.len() >= ADDRESSES && !names.contains_key(&whose) {
            names.retain(|_, until| *until > now);
            let oldest = names.iter().min_by_key(|(_, until)| **until);
            if names.len() >= ADDRESSES
                && let Some(oldest) = oldest.map(|(whose, _)| whose.clone())
            {
                names.remove(&oldest);
            }
        }
        let until = names.entry(whose).or_insert(now);
        let each = Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(u32::MAX);
        let next = now.max(*until) + each;
        if next > now + NAMES_AT_ONCE {
            return Err(per_second);
        }
        *until = next;
        Ok(())
    }

    /// Notes a credential that is not valid. Whether the peer has had too many of them.
    pub(crate) fn failed(&self, peer: Peer) -> bool {
        let now = Instant::now();
        let mut failures = lock(&self.failures);
        let whose = Whose::of(peer);
        if failures.len() >= ADDRESSES && !failures.contains_key(&whose) {
            failures.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            let oldest = failures.iter().min_by_key(|(_, (since, _))| *since);
            if failures.len() >= ADDRESSES
                && let Some(oldest) = oldest.map(|(whose, _)| whose.clone())
            {
                failures.remove(&oldest);
            }
        }
        let (since, count) = failures.entry(whose).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > FAILURES
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut connections = lock(&self.shares.connections);
        if let Some(count) = connections.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.whose);
            }
        }
    }
}

impl Pace {
    /// Notes that so many bytes were received.
    pub(crate) fn received(&self, bytes: usize) {
        let mut credit = lock(&self.0);
        let now = Instant::now();
        // What was not used for a second is gone.
        let least = now.checked_sub(Duration::from_secs(1));
        credit.from = least.map_or(credit.from, |least| credit.from.max(least));
        let nanoseconds = (bytes as u128 * 1_000_000_000) / u128::from(credit.per_second);
        credit.from += Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX >> 1));
    }

    /// When more may be received, if not now.
    pub(crate) fn waits_until(&self) -> Option<Instant> {
        let from = lock(&self.0).from;
        (from > Instant::now()).then_some(from)
    }
}

fn whose(identity: Option<&Identity>, peer: Peer) -> Whose {
    let name = identity.and_then(Identity::name);
    name.map_or_else(|| Whose::of(peer), |name| Whose::Identity(name.to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_share_of_the_connections_and_gets_it_back() {
        let shares = Arc::new(Shares::default());
        let connect = |address| shares.connect(None, peer(address));
        let mut all: Vec<_> = (0..CONNECTIONS)
            .map(|_| connect("192.0.2.1:1000").unwrap())
            .collect();
        assert!(connect("192.0.2.1:2000").is_none());
        assert!(connect("192.0.2.2:2000").is_some());
        all.pop();
        assert!(connect("192.0.2.1:2000").is_some());
        drop(all);
        assert!(lock(&shares.connections).is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_this_machine_is_exempt() {
        let shares = Arc::new(Shares::default());
        let all: Vec<_> = (0..=CONNECTIONS)
            .map(|i| shares.connect(None, peer(&format!("[2001:db8::{i:x}]:1"))))
            .collect();
        assert_eq!(all.iter().filter(|share| share.is_none()).count(), 1);
        assert!(shares.connect(None, peer("[2001:db8:0:1::1]:1")).is_some());
        for local in [peer("127.0.0.1:1"), peer("[::1]:1"), Peer::Unix(None)] {
            let all: Vec<_> = (0..=CONNECTIONS)
                .map(|_| shares.connect(None, local))
                .collect();
            assert!(all.iter().all(Option::is_some));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_are_not_valid_are_counted_for_a_minute_and_for_a_bounded_number_of_addresses()
     {
        let shares = Shares::default();
        let failed = |address: &str| shares.failed(peer(address));
        assert!((0..FAILURES).all(|_| !failed("192.0.2.1:1000")));
        assert!(failed("192.0.2.1:2000") && !failed("192.0.2.2:2000"));
        tokio::time::advance(WINDOW).await;
        assert!(!failed("192.0.2.1:1000"));
        for i in 0..5000_u32 {
            failed(&format!("{}:1", std::net::Ipv4Addr::from(i)));
        }
        assert!(lock(&shares.failures).len() <= ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_begins_so_many_channels_at_once_and_then_so_many_in_a_second() {
        let shares = Shares::default();
        let begun = |address: &str| {
            let all = (0..1000).take_while(|_| shares.begins(None, peer(address)).is_ok());
            all.count() as u64
        };
        let at_once = NEW_NAMES * NAMES_AT_ONCE.as_secs();
        assert_eq!(begun("192.0.2.1:1000"), at_once);
        assert_eq!(begun("192.0.2.1:2000"), 0);
        assert_eq!(begun("192.0.2.2:1000"), at_once);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(begun("192.0.2.1:1000"), 2 * NEW_NAMES);
        assert_eq!(begun("127.0.0.1:1000"), 1000, "this machine is exempt");
        for i in 0..5000_u32 {
            begun(&format!("{}:1", std::net::Ipv4Addr::from(i)));
        }
        assert!(lock(&shares.names).len() <= ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_kept_by_waiting_and_credit_is_of_one_second_at_the_most() {
        let pace = Pace(Mutex::new(Credit {
            per_second: 1000,
            from: Instant::now(),
        }));
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.received(1000);
        assert_eq!(pace.waits_until(), None);
        pace.received(500);
        let now = Instant::now();
        assert_eq!(pace.waits_until(), Some(now + Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(pace.waits_until(), None);
    }
}
