//! One record of an index: a range of whole frames, and what proves it.

use crate::crc;
use crate::little_endian::{u32_at, u64_at};
use crate::plausible::{can_be_frames, is_plausible};

/// What an index knows of a range of frames. `docs/log-format.md`, section 3, has the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The seq of its first message.
    pub(crate) first: u64,
    /// Where it begins in the segment.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// When it was committed, in milliseconds.
    pub(crate) time: u64,
    /// How many messages it has.
    pub(crate) messages: u32,
    /// CRC of its bytes.
    pub(crate) crc: u32,
    /// The entry was made from the frames; nothing else proves them.
    pub(crate) is_unproven: bool,
}

/// Bytes of a record.
pub(crate) const RECORD: usize = 48;
/// The most bytes of an entry, unless it is one larger frame. Readers read and check whole entries: many
/// messages are read with one call, and a seek to one message does not read much more than that.
pub(crate) const MOST: usize = 256 * 1024;

const MAGIC: &[u8; 8] = b"TFINDEX1";
const UNPROVEN: u32 = 1;
const CRC_AT: usize = RECORD - 4;

impl Entry {
    /// The seq after its last message.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(u64::from(self.messages))
    }

    /// Where it ends in the segment.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Takes frames that follow, of the same commit or of one in the same millisecond. False if they do
    /// not belong to it.
    pub(crate) fn extend(&mut self, frames: &[u8], messages: u32, time: u64) -> bool {
        let length = frames.len() as u64;
        let fits = self.length + length <= MOST as u64 && self.time == time && !self.is_unproven;
        let Some(all) = self.messages.checked_add(messages).filter(|_| fits) else {
            return false;
        };
        self.crc = crc::append(self.crc, frames);
        self.length += length;
        self.messages = all;
        true
    }

    pub(crate) fn encode(&self, segment: u64) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&self.first.to_le_bytes());
        record[8..16].copy_from_slice(&self.offset.to_le_bytes());
        record[16..24].copy_from_slice(&self.length.to_le_bytes());
        record[24..32].copy_from_slice(&self.time.to_le_bytes());
        record[32..36].copy_from_slice(&self.messages.to_le_bytes());
        record[36..40].copy_from_slice(&self.crc.to_le_bytes());
        let flags = if self.is_unproven { UNPROVEN } else { 0 };
        record[40..44].copy_from_slice(&flags.to_le_bytes());
        let crc = record_crc(&record, segment);
        record[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        record
    }

    /// `None`: the record is damaged, belongs to another segment, or was never written.
    pub(crate) fn decode(record: &[u8; RECORD], segment: u64) -> Option<Self> {
        if u32_at(record, CRC_AT) != record_crc(record, segment) {
            return None;
        }
        let flags = u32_at(record, 40);
        let entry = Self {
            first: u64_at(record, 0),
            offset: u64_at(record, 8),
            length: u64_at(record, 16),
            time: u64_at(record, 24),
            messages: u32_at(record, 32),
            crc: u32_at(record, 36),
            is_unproven: flags == UNPROVEN,
        };
        let is_sound = flags <= UNPROVEN && entry.messages > 0 && entry.first >= segment;
        let numbers = [entry.first, entry.offset, entry.length, entry.time];
        let is_possible = numbers.into_iter().all(is_plausible)
            && can_be_frames(entry.length, entry.messages.into());
        (is_sound && is_possible).then_some(entry)
    }
}

/// The first record of a segment's index.
pub(crate) fn header(segment: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(MAGIC);
    record[8..16].copy_from_slice(&segment.to_le_bytes());
    let crc = crc::of(&record[..CRC_AT]);
    record[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    record
}

fn record_crc(record: &[u8; RECORD], segment: u64) -> u32 {
    let crc = crc::of(&record[..CRC_AT]);
    crc::append(crc, &segment.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry {
        first: 100,
        offset: 7,
        length: 22,
        time: 1_700_000_000_000,
        messages: 2,
        crc: 0x1234_5678,
        is_unproven: false,
    };

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for is_unproven in [false, true] {
            let entry = Entry {
                is_unproven,
                ..ENTRY
            };
            assert_eq!(Entry::decode(&entry.encode(90), 90), Some(entry));
        }
    }

    #[test]
    fn no_bit_can_flip_and_no_segment_have_another_s_entries() {
        let record = ENTRY.encode(90);
        assert_eq!(Entry::decode(&record, 91), None);
        assert_eq!(Entry::decode(&[0; RECORD], 0), None);
        for bit in 0..RECORD * 8 {
            let mut flipped = record;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::decode(&flipped, 90), None, "bit {bit}");
        }
    }

    #[test]
    fn frames_of_the_same_millisecond_are_one_entry_up_to_its_size() {
        let (a, b) = (b"1         a", b"2         bb");
        let mut entry = Entry {
            length: 11,
            messages: 1,
            crc: crc::of(a),
            ..ENTRY
        };
        assert!(entry.extend(b, 1, ENTRY.time));
        assert_eq!(entry.crc, crc::of(&[&a[..], b].concat()));
        assert_eq!((entry.messages, entry.length), (2, 23));
        assert!(!entry.extend(b, 1, ENTRY.time + 1));
        assert!(!entry.extend(&vec![0; MOST], 1, ENTRY.time));
    }
}
