//! What one sync makes durable, as bytes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::crc;
use crate::little_endian::{u32_at, u64_at};
use crate::names;
use crate::plausible::is_plausible;

/// Batches begin at multiples of this, so that no block with committed bytes is written again.
pub(crate) const BLOCK: u64 = 4096;
/// The same as the length of bytes in memory.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// Bytes of the fixed part of a head, and of a record.
pub(crate) const HEAD: usize = 52;
const RECORD: usize = 66;

const MAGIC: &[u8; 4] = b"TFB1";
/// Where a head has its CRC.
const CRC_AT: usize = 48;

/// The fixed part of a batch's head. `docs/log-format.md`, section 5, has the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) generation: u64,
    pub(crate) number: u64,
    /// All batches with a smaller number are synced in segments.
    pub(crate) checkpointed: u64,
    /// The CRC of the head before.
    pub(crate) before: u32,
    /// Bytes of head and records.
    pub(crate) length: u32,
    /// Bytes of all frames.
    pub(crate) frames: u64,
    pub(crate) records: u32,
    /// Its own.
    pub(crate) crc: u32,
}

/// What a batch has for one segment of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) channel: Arc<str>,
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) messages: u64,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) time: u64,
    pub(crate) crc: u32,
    /// The new counts.
    pub(crate) producers: Vec<(Arc<str>, u64)>,
}

/// A record with its frames.
pub(crate) type Carried = (Record, Bytes);

impl Record {
    /// One that tells the birth of a channel whose records are carried: it has no messages, and the birth in the place of
    /// an epoch.
    pub(crate) fn of_birth(channel: &Arc<str>, birth: u64) -> Self {
        Self {
            channel: Arc::clone(channel),
            epoch: birth,
            ..Self::default()
        }
    }

    pub(crate) fn tells_birth(&self) -> bool {
        self.messages == 0
    }

    /// The seq after its last message.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(self.messages)
    }

    fn size(&self) -> usize {
        let producers = self.producers.iter().map(|(id, _)| 9 + id.len());
        RECORD + self.channel.len() + producers.sum::<usize>()
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        for number in [
            self.epoch,
            self.first,
            self.messages,
            self.segment,
            self.offset,
            self.length,
            self.time,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        // Names are checked where they come in: they are far shorter.
        let name = u16::try_from(self.channel.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&name.to_le_bytes());
        let producers = u32::try_from(self.producers.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&producers.to_le_bytes());
        bytes.extend_from_slice(self.channel.as_bytes());
        for (id, total) in &self.producers {
            bytes.extend_from_slice(&total.to_le_bytes());
            bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(id.as_bytes());
        }
    }

    /// Takes one from the front.
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(RECORD)?;
        let name = usize::from(u16::from_le_bytes([fixed[60], fixed[61]]));
        let (name, mut rest) = rest.split_at_checked(name)?;
        let name = std::str::from_utf8(name).ok()?;
        let mut producers = Vec::new();
        for _ in 0..u32_at(fixed, 62) {
            let (fixed, after) = rest.split_at_checked(9)?;
            let (id, after) = after.split_at_checked(usize::from(fixed[8]))?;
            let id = std::str::from_utf8(id).ok()?;
            producers.push((names::is_producer(id).then(|| id.into())?, u64_at(fixed, 0)));
            rest = after;
        }
        *bytes = rest;
        let numbers = (8..RECORD - 10).step_by(8).map(|at| u64_at(fixed, at));
        let counts = producers.iter().map(|(_, total)| *total);
        if !numbers.chain(counts).all(is_plausible) {
            return None;
        }
        Some(Self {
            channel: names::is_channel(name).then(|| name.into())?,
            epoch: u64_at(fixed, 0),
            first: u64_at(fixed, 8),
            messages: u64_at(fixed, 16),
            segment: u64_at(fixed, 24),
            offset: u64_at(fixed, 32),
            length: u64_at(fixed, 40),
            time: u64_at(fixed, 48),
            crc: u32_at(fixed, 56),
            producers,
        })
    }
}

impl Head {
    /// The bytes of a head with its records; its CRC and lengths are filled in.
    pub(crate) fn encode(&mut self, records: &[Record]) -> Vec<u8> {
        let size = head_size(records);
        self.length = u32::try_from(size).unwrap_or(u32::MAX);
        self.frames = records.iter().map(|record| record.length).sum();
        self.records = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.checkpointed.to_le_bytes());
        bytes.extend_from_slice(&self.frames.to_le_bytes());
        bytes.extend_from_slice(&self.records.to_le_bytes());
        bytes.extend_from_slice(&self.before.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for record in records {
            record.encode(&mut bytes);
        }
        self.crc = head_crc(&bytes);
        bytes[CRC_AT..HEAD].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// The fixed part, whose CRC has not been looked at; `None` if the bytes are not a head.
    pub(crate) fn peek(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEAD || &bytes[..4] != MAGIC {
            return None;
        }
        let head = Self::fields(bytes);
        let numbers = [head.number, head.checkpointed, head.frames];
        let is_possible = numbers.into_iter().all(is_plausible);
        (head.length as usize >= HEAD && is_possible).then_some(head)
    }

    fn fields(bytes: &[u8]) -> Self {
        Self {
            length: u32_at(bytes, 4),
            generation: u64_at(bytes, 8),
            number: u64_at(bytes, 16),
            checkpointed: u64_at(bytes, 24),
            frames: u64_at(bytes, 32),
            records: u32_at(bytes, 40),
            before: u32_at(bytes, 44),
            crc: u32_at(bytes, CRC_AT),
        }
    }

    /// Whether the bytes look like what is left of this head: it was being written, or it was
    /// damaged. What stands there otherwise is zeros, or of an older generation.
    pub(crate) fn is_left_in(&self, bytes: &[u8]) -> bool {
        if bytes.len() < HEAD || bytes.iter().all(|byte| *byte == 0) {
            return false;
        }
        let there = Self::fields(bytes);
        there.generation == self.generation
            || (there.number == self.number && there.before == self.before)
    }

    /// A head with its records; `None` if the bytes are not a head, or a damaged one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, Vec<Record>)> {
        let head = Self::peek(bytes)?;
        let bytes = bytes.get(..head.length as usize)?;
        if head_crc(bytes) != head.crc {
            return None;
        }
        let mut rest = &bytes[HEAD..];
        let mut records = Vec::new();
        for _ in 0..head.records {
            records.push(Record::decode(&mut rest)?);
        }
        let frames = records
            .iter()
            .try_fold(0_u64, |sum, record| sum.checked_add(record.length));
        (rest.is_empty() && frames == Some(head.frames)).then_some((head, records))
    }

    /// What the whole batch takes in the journal, in bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        u64::from(self.length)
            .checked_add(self.frames)?
            .checked_next_multiple_of(BLOCK)
    }
}

/// Bytes of a head with these records.
pub(crate) fn head_size(records: &[Record]) -> usize {
    HEAD + records.iter().map(Record::size).sum::<usize>()
}

fn head_crc(bytes: &[u8]) -> u32 {
    let crc = crc::of(&bytes[..CRC_AT]);
    crc::append(crc, &bytes[HEAD..])
}

/// A batch that was read.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) head: Head,
    pub(crate) records: Vec<Record>,
    /// All frames; without those of a large batch of which only the head is of interest.
    pub(crate) frames: Bytes,
}

impl Batch {
    /// Each record with where its frames are among the batch's.
    pub(crate) fn records_with_ranges(&self) -> impl Iterator<Item = (&Record, Range<usize>)> {
        let mut at = 0;
        self.records.iter().map(move |record| {
            let length = usize::try_from(record.length).unwrap_or(usize::MAX);
            let range = at..at + length;
            at += length;
            (record, range)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let record = |channel: &str, producers: &[(&str, u64)]| Record {
            channel: channel.into(),
            epoch: 1,
            first: 2,
            messages: 3,
            segment: 0,
            offset: 4,
            length: 55,
            time: 6,
            crc: 7,
            producers: producers.iter().map(|&(id, n)| (id.into(), n)).collect(),
        };
        vec![
            record("ticks", &[("a", 1), ("_b.c-D", 2)]),
            record("x", &[]),
        ]
    }

    fn head() -> Head {
        Head {
            generation: 9,
            number: 10,
            checkpointed: 8,
            before: 11,
            ..Head::default()
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let mut head = head();
        let records = records();
        let mut bytes = head.encode(&records);
        assert_eq!((head.length as usize, head.frames), (bytes.len(), 110));
        bytes.extend_from_slice(b"frames, and what else stands after");
        assert_eq!(Head::decode(&bytes), Some((head, records)));
        assert_eq!(head.size(), Some(4096));
    }

    #[test]
    fn a_head_that_is_cut_or_has_a_flipped_bit_is_none() {
        let bytes = head().encode(&records());
        for end in 0..bytes.len() {
            assert_eq!(Head::decode(&bytes[..end]), None, "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&flipped), None, "bit {bit}");
            assert!(head().is_left_in(&flipped), "bit {bit}");
        }
        for head in [head(), Head::default()] {
            assert!(
                !head.is_left_in(&[0; 100]),
                "zeros are where nothing was written"
            );
        }
    }
}
