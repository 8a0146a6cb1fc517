//! What is known of a channel beside its messages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use crate::chain::Link;
use crate::crc;
use crate::directory::{replace, sync_dir};
use crate::names;
use crate::plausible::is_plausible;
use crate::spare;
use crate::starts;
use crate::storage::{File, Storage};
use crate::whole::{WAITING, read_all};

/// A channel's snapshot. `docs/log-format.md`, section 4, has the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) channel: String,
    /// What its epochs are made of, together with the starts' numbers.
    pub(crate) birth: u64,
    /// The oldest seq that is kept.
    pub(crate) first: u64,
    /// The seq after the last message at that time.
    pub(crate) next: u64,
    /// The starts in which something was committed.
    pub(crate) links: Vec<Link>,
    pub(crate) producers: BTreeMap<Arc<str>, Count>,
}

/// How far a producer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many of its messages are committed.
    pub(crate) total: u64,
    /// When the last one was, in milliseconds.
    pub(crate) time: u64,
}

/// More bytes than a snapshot has: half a million producers fit.
const MOST_BYTES: u64 = 64 << 20;

const TITLE: &str = "tenfold-snapshot 2";
/// That of a version that counted no starts.
const FIRST_TITLE: &str = "tenfold-snapshot 1";

impl Snapshot {
    pub(crate) fn encode(&self) -> String {
        self.encode_as(TITLE)
    }

    fn encode_as(&self, title: &str) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{title}\nchannel {}\n{} {:016x}\nfirst {}\nnext {}",
            self.channel,
            word_for_birth(title),
            self.birth,
            self.first,
            self.next
        );
        for link in &self.links {
            let _ = writeln!(text, "start {} {}", link.start, link.first);
        }
        for (id, count) in &self.producers {
            let _ = writeln!(text, "producer {id} {} {}", count.total, count.time);
        }
        let crc = crc::of(text.as_bytes());
        let _ = writeln!(text, "crc {crc:08x}");
        text
    }

    /// `None`: the snapshot is damaged. It is sound if it is exactly what [`encode`](Self::encode) writes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let title = lines.next()?;
        if title != TITLE && title != FIRST_TITLE {
            return None;
        }
        let mut snapshot = Self {
            channel: lines.next()?.strip_prefix("channel ")?.to_owned(),
            birth: {
                let line = lines.next()?.strip_prefix(word_for_birth(title))?;
                u64::from_str_radix(line.strip_prefix(' ')?, 16).ok()?
            },
            first: lines.next()?.strip_prefix("first ")?.parse().ok()?,
            next: lines.next()?.strip_prefix("next ")?.parse().ok()?,
            links: Vec::new(),
            producers: BTreeMap::new(),
        };
        for line in lines {
            if let Some(link) = line.strip_prefix("start ") {
                let (start, first) = link.split_once(' ')?;
                snapshot.links.push(Link {
                    start: start.parse().ok()?,
                    first: first.parse().ok()?,
                });
                continue;
            }
            let Some(producer) = line.strip_prefix("producer ") else {
                break;
            };
            let mut fields = producer.split(' ');
            let id = fields.next().filter(|id| names::is_producer(id))?;
            let count = Count {
                total: fields.next()?.parse().ok()?,
                time: fields.next()?.parse().ok()?,
            };
            snapshot.producers.insert(id.into(), count);
        }
        let is_sound = snapshot.links.len() <= starts::MOST
            && snapshot.numbers().all(is_plausible)
            && snapshot.encode_as(title) == text;
        is_sound.then_some(snapshot)
    }

    /// All numbers that something is added to.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let links = self.links.iter().flat_map(|link| [link.start, link.first]);
        let counts = self
            .producers
            .values()
            .flat_map(|count| [count.total, count.time]);
        [self.first, self.next]
            .into_iter()
            .chain(links)
            .chain(counts)
    }

    /// Reads one; `None` if it is damaged.
    pub(crate) fn read(file: &dyn File) -> io::Result<Option<Self>> {
        let bytes = read_all(file, MOST_BYTES, WAITING)?;
        Ok(bytes.as_deref().and_then(Self::decode))
    }

    /// Replaces the snapshot before it. It is durable once the name of the channel's directory is.
    pub(crate) fn save(&self, storage: &dyn Storage) -> io::Result<()> {
        let path = names::snapshot(&self.channel);
        replace(storage, &path, self.encode().as_bytes())?;
        sync_dir(storage, &names::channel(&self.channel))
    }

    /// The same; on a full disk with the space of `SPARE`.
    pub(crate) fn save_on_a_full_disk(&self, storage: &dyn Storage) -> io::Result<()> {
        let path = names::snapshot(&self.channel);
        spare::replace_on_a_full_disk(storage, &path, self.encode().as_bytes())?;
        sync_dir(storage, &names::channel(&self.channel))
    }
}

/// An epoch of the first version was its channel's birth.
fn word_for_birth(title: &str) -> &'static str {
    if title == FIRST_TITLE {
        "epoch"
    } else {
        "birth"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let count = |total, time| Count { total, time };
        Snapshot {
            channel: "ticks".to_owned(),
            birth: 0x0123_4567_89ab_cdef,
            first: 120,
            next: 57000,
            links: [(3, 0), (17, 56_990)]
                .map(|(start, first)| Link { start, first })
                .into(),
            producers: [
                ("meter7".into(), count(56880, 1_700_000_000_000)),
                ("_x".into(), count(0, 0)),
            ]
            .into(),
        }
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let snapshot = snapshot();
        assert_eq!(
            Snapshot::decode(snapshot.encode().as_bytes()),
            Some(snapshot.clone())
        );
        let first = Snapshot {
            links: Vec::new(),
            ..snapshot
        };
        let text = first.encode_as(FIRST_TITLE);
        assert!(text.contains("\nepoch 0123456789abcdef\n"), "{text}");
        assert_eq!(Snapshot::decode(text.as_bytes()), Some(first));
        let empty = Snapshot::default();
        assert_eq!(Snapshot::decode(empty.encode().as_bytes()), Some(empty));
    }

    #[test]
    fn a_snapshot_that_is_cut_or_has_a_flipped_bit_is_damaged() {
        let text = snapshot().encode().into_bytes();
        for end in 0..text.len() {
            assert_eq!(Snapshot::decode(&text[..end]), None, "cut at {end}");
        }
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Snapshot::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Snapshot::decode(&[&text[..], b"\n"].concat()), None);
    }
}
