//! What a file may say. A directory can come from somebody else, with every CRC right: no number in it may make
//! arithmetic overflow, and no length take memory before there are bytes of that length.

use std::io;

use tenfold_codec::native;

use crate::crc;
use crate::storage::File;
use crate::whole::{ReadAt, read_exact_at};

/// Seqs, offsets, lengths and counts are below this. Sums of some of them fit 64 bits, and a hub that takes a
/// thousand million messages a second reaches it after 146 years.
pub(crate) const MOST: u64 = 1 << 62;

/// The largest message whose header fits, in bytes, with that header.
const LARGEST_FRAME: u64 = native::HEADER as u64 + 9_999_999_999;

/// Up to this many bytes memory is taken before the bytes are proven: a start of a few such reads fits everywhere.
pub(crate) const LARGE: u64 = 64 << 20;

pub(crate) fn is_plausible(number: u64) -> bool {
    number < MOST
}

/// Whether so many bytes can be so many whole frames.
pub(crate) fn can_be_frames(length: u64, messages: u64) -> bool {
    let least = messages.checked_mul(native::HEADER as u64);
    least.is_some_and(|least| least <= length) && (messages > 1 || length <= LARGEST_FRAME)
}

/// Reads bytes that have this CRC, or nothing if they have another. Where they are many, that is seen in pieces
/// before memory is taken for all: the file may be one hole.
pub(crate) fn read_proven(
    file: &dyn File,
    (offset, length): (u64, u64),
    proof: u32,
    how: ReadAt,
) -> io::Result<Option<Vec<u8>>> {
    if length > LARGE && !is_proven(file, (offset, length), proof, how)? {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    read_exact_at(file, &mut bytes, offset, how)?;
    Ok((crc::of(&bytes) == proof).then_some(bytes))
}

/// Whether many bytes have this CRC, and begin with the header of a frame.
pub(crate) fn is_proven(
    file: &dyn File,
    (offset, length): (u64, u64),
    proof: u32,
    how: ReadAt,
) -> io::Result<bool> {
    const PIECE: usize = 1 << 20;
    let mut buffer = vec![0; PIECE];
    let (mut at, mut found) = (0, crc::of(&[]));
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(PIECE);
        let piece = &mut buffer[..left.min(PIECE)];
        read_exact_at(file, piece, offset + at, how)?;
        if at == 0 && frame_length(piece).is_none() {
            return Ok(false);
        }
        found = crc::append(found, piece);
        at += piece.len() as u64;
    }
    Ok(found == proof)
}

/// How many bytes the frame has that begins here, as its header says; none if there is no header.
pub(crate) fn frame_length(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..native::HEADER)?;
    let end = header.iter().position(|byte| *byte == b' ');
    let (digits, spaces) = header.split_at(end.unwrap_or(native::HEADER));
    let is_number =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || !digits.starts_with(b"0"));
    if digits.is_empty() || !is_number || spaces.iter().any(|byte| *byte != b' ') {
        return None;
    }
    let message = digits
        .iter()
        .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
    Some(message + native::HEADER as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_long_its_frame_is() {
        assert_eq!(frame_length(b"0         "), Some(10));
        assert_eq!(frame_length(b"12        hel"), Some(22));
        assert_eq!(frame_length(b"9999999999"), Some(LARGEST_FRAME));
        for other in [
            &b""[..],
            b"1        ",
            b"          ",
            b"01        ",
            b"1 1       ",
            b" 1        ",
            &[0; 10],
        ] {
            assert_eq!(frame_length(other), None, "{other:?}");
        }
    }
}
