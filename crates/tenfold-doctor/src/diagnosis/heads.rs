//! The header of a frame, whether its message is there or not.

use tenfold_codec::{Decoder, Event, Side};

/// A header, and what it announces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Bytes of the header.
    pub(super) size: usize,
    /// Bytes of the message, by what the header says.
    pub(super) length: u64,
}

/// The header that these bytes begin with, if it is no longer than `most`.
pub(super) fn head(side: &Side, bytes: &[u8], most: usize) -> Option<Head> {
    let mut decoder = Decoder::new(side).with_limit(u64::MAX).with_pieces_above(0);
    for size in 1..=bytes.len().min(most) {
        decoder.feed(&bytes[size - 1..size]);
        let length = match decoder.next_event() {
            Ok(Some(Event::Begin {
                length: Some(length),
            })) => length,
            Ok(Some(Event::Message(_))) => 0,
            Ok(None) => continue,
            _ => return None,
        };
        return Some(Head { size, length });
    }
    None
}
