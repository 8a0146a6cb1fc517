//! What is known of a channel beside its messages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use crate::crc;
use crate::directory::{replace, sync_dir};
use crate::names;
use crate::spare;
use crate::storage::Storage;
use crate::whole::is_full;

/// A channel's snapshot. `docs/log-format.md`, section 4, has the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) channel: String,
    pub(crate) epoch: u64,
    /// The oldest seq that is kept.
    pub(crate) first: u64,
    /// The seq after the last message at that time.
    pub(crate) next: u64,
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

const TITLE: &str = "tenfold-snapshot 1";

impl Snapshot {
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{TITLE}\nchannel {}\nepoch {:016x}\nfirst {}\nnext {}",
            self.channel, self.epoch, self.first, self.next
        );
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
        if lines.next()? != TITLE {
            return None;
        }
        let mut snapshot = Self {
            channel: lines.next()?.strip_prefix("channel ")?.to_owned(),
            epoch: u64::from_str_radix(lines.next()?.strip_prefix("epoch ")?, 16).ok()?,
            first: lines.next()?.strip_prefix("first ")?.parse().ok()?,
            next: lines.next()?.strip_prefix("next ")?.parse().ok()?,
            producers: BTreeMap::new(),
        };
        for line in lines {
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
        (snapshot.encode() == text).then_some(snapshot)
    }

    /// Replaces the snapshot before it. It is durable once the name of the channel's directory is.
    pub(crate) fn save(&self, storage: &dyn Storage) -> io::Result<()> {
        let path = names::snapshot(&self.channel);
        replace(storage, &path, self.encode().as_bytes())?;
        sync_dir(storage, &names::channel(&self.channel))
    }

    /// The same; on a full disk with the space of `SPARE`.
    pub(crate) fn save_on_a_full_disk(&self, storage: &dyn Storage) -> io::Result<()> {
        let full = match self.save(storage) {
            Err(error) if is_full(&error) => error,
            result => return result,
        };
        let path = names::snapshot(&self.channel);
        if !spare::replace(storage, &path, self.encode().as_bytes())? {
            return Err(full);
        }
        sync_dir(storage, &names::channel(&self.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let count = |total, time| Count { total, time };
        Snapshot {
            channel: "ticks".to_owned(),
            epoch: 0x0123_4567_89ab_cdef,
            first: 120,
            next: 57000,
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
            Some(snapshot)
        );
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
