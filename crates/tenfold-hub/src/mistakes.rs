//! What clients do wrong, for the people who run and write them.
//!
//! On a plain port nothing but messages is ever sent, and many clients of the protocol port never read
//! what they are told. So a client's mistake is also a line of the log, once for a peer in a minute, and
//! the last one of each peer is kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenfold::protocol::{Code, Refusal};
use tokio::time::Instant;
use tracing::warn;

use crate::peer::Peer;

/// How many peers are remembered. Beyond that the oldest mistake makes place for the next one.
const PEERS: usize = 1024;
/// How long a peer's further mistakes are only counted.
const PAUSE: Duration = Duration::from_secs(60);

/// The last mistakes of each peer, one of each kind.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    by_peer: Mutex<HashMap<(Who, Kind), Mistake>>,
    /// How many there were of each kind.
    counts: [AtomicU64; Kind::ALL.len()],
}

/// Kinds of mistakes, of which each is told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// What a client was refused for, or would have been.
    Refused,
    /// A request at a plain port, where it is a message like any other.
    RequestAtPlainPort,
    /// Bytes at a port that only sends.
    InputThrownAway,
}

impl Kind {
    const ALL: [Self; 3] = [
        Self::Refused,
        Self::RequestAtPlainPort,
        Self::InputThrownAway,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::RequestAtPlainPort => "request-at-plain-port",
            Self::InputThrownAway => "input-thrown-away",
        }
    }
}

/// Whose mistakes are counted together: those of an address, whatever its ports, and those of all
/// processes at unix sockets.
type Who = Option<IpAddr>;

/// The last mistake of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// What it was; of one that is refused, the answer that the peer got or would have got.
    pub(crate) words: String,
    pub(crate) at: Instant,
    told_at: Instant,
    /// How many were made since one was told.
    untold: u64,
}

impl Mistakes {
    /// Notes a refusal, if the peer is to blame for it. `place` is where it was made: a channel, or what the
    /// client asked for.
    pub(crate) fn note(&self, peer: Peer, place: &str, refusal: &Refusal) {
        if !is_a_mistake(refusal) {
            return;
        }
        self.tell(peer, Kind::Refused, place, &refusal.to_string());
    }

    /// Notes that a client of a plain port is at the wrong one. Nothing is ever said to it.
    pub(crate) fn note_wrong_port(&self, peer: Peer, place: &str, kind: Kind) {
        let words = match kind {
            Kind::Refused => return,
            Kind::RequestAtPlainPort => {
                "the first message at a plain port is a request, and is stored as a message: \
                 requests go to the port that serve --listen names"
            }
            Kind::InputThrownAway => {
                "bytes that came to a plain port were thrown away, because it only sends: \
                 serve --plain ADDR=CHANNEL:in publishes them, and :both goes both ways"
            }
        };
        self.tell(peer, kind, place, words);
    }

    /// How many there were of each kind, of all peers.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        Kind::ALL.map(Kind::name).into_iter().zip(counts).collect()
    }

    fn tell(&self, peer: Peer, kind: Kind, place: &str, words: &str) {
        self.counts[kind as usize].fetch_add(1, Relaxed);
        if let Some(before) = self.is_to_be_told(peer, kind, words, Instant::now()) {
            let words = words.strip_prefix("ERROR ").unwrap_or(words);
            warn!(%peer, %place, before, "a client's mistake: {words}");
        }
    }

    /// The last mistake of any kind that was made from the peer's address.
    pub(crate) fn last_of(&self, peer: Peer) -> Option<Mistake> {
        let by_peer = self.lock();
        let of_kind = |kind: &Kind| by_peer.get(&(who(peer), *kind));
        let last = Kind::ALL.iter().filter_map(of_kind);
        last.max_by_key(|mistake| mistake.at).cloned()
    }

    /// Keeps a mistake. If it is to be told, how many of the peer were not told before it.
    fn is_to_be_told(&self, peer: Peer, kind: Kind, words: &str, now: Instant) -> Option<u64> {
        let mut by_peer = self.lock();
        let key = (who(peer), kind);
        if let Some(last) = by_peer.get_mut(&key) {
            words.clone_into(&mut last.words);
            last.at = now;
            if now.saturating_duration_since(last.told_at) < PAUSE {
                last.untold += 1;
                return None;
            }
            last.told_at = now;
            return Some(std::mem::take(&mut last.untold));
        }
        if by_peer.len() >= PEERS {
            let oldest = by_peer.iter().min_by_key(|(_, mistake)| mistake.at);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                by_peer.remove(&oldest);
            }
        }
        let words = words.to_owned();
        let mistake = Mistake {
            words,
            at: now,
            told_at: now,
            untold: 0,
        };
        by_peer.insert(key, mistake);
        Some(0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Who, Kind), Mistake>> {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(peer: Peer) -> Who {
    match peer {
        Peer::Tcp(address) => Some(address.ip()),
        Peer::Unix(_) => None,
    }
}

/// Whether a program has to be changed for the refusal not to come again.
fn is_a_mistake(refusal: &Refusal) -> bool {
    matches!(
        refusal.code,
        Some(Code::Header | Code::TooLarge | Code::Proto | Code::Timeout | Code::Denied)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8, port: u16) -> Peer {
        Peer::Tcp(([127, 0, 0, last], port).into())
    }

    #[test]
    fn a_mistake_is_told_once_in_a_minute_for_each_address_and_the_last_one_is_kept() {
        let (mistakes, start) = (Mistakes::default(), Instant::now());
        let of_kind = |kind, last, port, words, seconds| {
            let now = start + Duration::from_secs(seconds);
            mistakes.is_to_be_told(peer(last, port), kind, words, now)
        };
        let told = |last, port, words, seconds| of_kind(Kind::Refused, last, port, words, seconds);
        assert_eq!(told(1, 1, "first", 0), Some(0));
        assert_eq!(told(1, 2, "second", 59), None);
        assert_eq!(told(2, 1, "other", 59), Some(0));
        assert_eq!(mistakes.last_of(peer(1, 9)).unwrap().words, "second");
        assert_eq!(of_kind(Kind::InputThrownAway, 1, 1, "bytes", 59), Some(0));
        assert_eq!(told(1, 3, "third", 60), Some(1));
        assert_eq!(told(1, 4, "fourth", 119), None);
    }

    #[test]
    fn however_many_peers_make_mistakes_only_the_newest_are_kept() {
        let (mistakes, start) = (Mistakes::default(), Instant::now());
        for number in 0..2 * PEERS as u64 {
            let address = std::net::Ipv6Addr::from(u128::from(number));
            let peer = Peer::Tcp((address, 1).into());
            let at = start + Duration::from_millis(number);
            assert_eq!(
                mistakes.is_to_be_told(peer, Kind::Refused, "words", at),
                Some(0)
            );
        }
        let kept = mistakes.lock();
        assert_eq!(kept.len(), PEERS);
        let first = Some(std::net::Ipv6Addr::from(0).into());
        assert!(!kept.contains_key(&(first, Kind::Refused)));
    }

    #[test]
    fn what_the_hub_cannot_help_is_not_the_clients_mistake() {
        for (code, expected) in [
            (Code::Header, true),
            (Code::Proto, true),
            (Code::Busy, false),
            (Code::Full, false),
            (Code::Shutdown, false),
        ] {
            assert_eq!(is_a_mistake(&Refusal::new(code, "words")), expected);
        }
    }
}
