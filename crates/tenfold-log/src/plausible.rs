//! What a file may say. A directory can come from somebody else, with every CRC right: no number in it may make
//! arithmetic overflow, and no length take memory before there are bytes of that length.

use tenfold_codec::native;

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

/// How many bytes the frame has that begins here, as its header says; none if there is no header.
pub(crate) fn frame_length(bytes: &[u8]) -> Option<u64> {
    Some(native::length(bytes.first_chunk()?)? + native::HEADER as u64)
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
