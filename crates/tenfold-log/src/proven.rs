//! Bytes of a file that are believed once their CRC is right.

use std::io;

use crate::crc;
use crate::plausible::{LARGE, frame_length};
use crate::storage::File;
use crate::whole::{ReadAt, read_exact_at};

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
