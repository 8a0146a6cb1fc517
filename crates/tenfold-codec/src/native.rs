//! Where frames begin in bytes that are kept as frames of the native framing, `decimal:10`.
//!
//! A log, a hub or a client keeps whole frames as they are on the wire: ten characters of length,
//! and then the message. [`frames`] walks over them. It has all bytes at hand, so it needs no buffer,
//! and it holds no limit. For a stream, which comes in pieces, use a [`Decoder`](crate::Decoder): its
//! errors also say what is wrong.

use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

use crate::number::at_once::padded;

/// How many bytes a header has.
pub const HEADER: usize = 10;

/// Walks over the whole frames that some bytes begin with. Each item is the range of one frame, and
/// the message in it begins [`HEADER`] bytes after the start.
///
/// ```
/// use tenfold_codec::native;
///
/// let bytes = b"5         hello0         3         ab";
/// let mut frames = native::frames(bytes);
/// assert_eq!(frames.next(), Some(Ok(0..15)));
/// assert_eq!(frames.next(), Some(Ok(15..25)));
///
/// let error = frames.next().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "the bytes from 25 on do not begin with a whole frame");
/// assert_eq!(frames.next(), None);
/// ```
#[inline]
pub fn frames(bytes: &[u8]) -> Frames<'_> {
    let mut zero = [b' '; HEADER];
    zero[0] = b'0';
    Frames {
        rest: bytes,
        end: 0,
        last: zero,
        length: 0,
    }
}

/// The walk over whole frames that [`frames`] begins.
///
/// Ends with the bytes, or with an error at the first frame that is cut or is not one.
/// [`frames`] has an example.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    /// The bytes from `end` on.
    rest: &'a [u8],
    /// Bytes of the frames so far.
    end: usize,
    /// The header before, which was legal, and its length. Runs of equal headers cost one
    /// comparison each: a compared header is a guess that the processor goes on with, while a
    /// parsed one must be finished before the next header's place is known.
    last: [u8; HEADER],
    length: usize,
}

impl Frames<'_> {
    /// Bytes of the frames so far.
    #[inline]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Walks on over at most `count` whole frames. Bytes of the frames so far.
    ///
    /// ```
    /// use tenfold_codec::native;
    ///
    /// let bytes = b"5         hello0         3         abc";
    /// assert_eq!(native::frames(bytes).end_after(2), 25);
    /// assert_eq!(native::frames(bytes).end_after(9), bytes.len());
    /// ```
    #[inline]
    pub fn end_after(mut self, count: u64) -> usize {
        for _ in 0..count {
            if !matches!(self.next(), Some(Ok(_))) {
                break;
            }
        }
        self.end
    }

    /// How many bytes the next frame has, if it is whole.
    #[inline]
    fn size(&mut self) -> Option<usize> {
        let header: &[u8; HEADER] = self.rest.first_chunk()?;
        if *header != self.last {
            self.length = usize::try_from(length(header)?).ok()?;
            self.last = *header;
        }
        self.length.checked_add(HEADER)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Range<usize>, NotAFrame>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.end;
        let size = self.size();
        let Some((size, rest)) = size.and_then(|size| Some((size, self.rest.get(size..)?))) else {
            self.rest = &[];
            return Some(Err(NotAFrame { at: start }));
        };
        self.rest = rest;
        self.end += size;
        Some(Ok(start..self.end))
    }
}

impl FusedIterator for Frames<'_> {}

/// The bytes go on with something that is not a whole frame: it is cut, or its header is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAFrame {
    at: usize,
}

impl NotAFrame {
    /// Bytes of the whole frames before it.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for NotAFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        write!(f, "the bytes from {at} on do not begin with a whole frame")
    }
}

impl core::error::Error for NotAFrame {}

/// The length that a header says; none if it is not one.
///
/// ```
/// use tenfold_codec::native;
///
/// assert_eq!(native::length(b"12        "), Some(12));
/// assert_eq!(native::length(b"012       "), None);
/// ```
pub fn length(header: &[u8; HEADER]) -> Option<u64> {
    // Up to seven digits are read eight bytes at a time.
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    let word = u64::from_le_bytes(*header.first_chunk()?);
    // A space lacks the bit that all digits have; the first byte is the lowest.
    let digits = (!word & 0x1010_1010_1010_1010).trailing_zeros() / 8;
    if digits == 0 || digits == 8 || header[8..] != *b"  " {
        return padded(header);
    }
    let unused = 64 - 8 * digits;
    if word >> (8 * digits) != SPACES >> (8 * digits) {
        return None;
    }
    if digits <= 4 {
        return short(header, digits);
    }
    // The digits, moved to the high bytes, with zeros before them.
    let text = word << unused | ZEROS & (u64::MAX >> (8 * digits));
    let low = text.wrapping_sub(ZEROS);
    if (low | text.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    if header[0] == b'0' && digits > 1 {
        return None;
    }
    // Eight digits to a number: neighbours to pairs, pairs to fours, fours to one.
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// The same for up to four digits, and a step shorter: most messages are, and every cycle here
/// is one that the next header waits for.
#[inline]
fn short(header: &[u8; HEADER], digits: u32) -> Option<u64> {
    const ZEROS: u32 = u32::from_ne_bytes([b'0'; 4]);
    let word = u32::from_le_bytes(*header.first_chunk()?);
    let text = word << (32 - 8 * digits) | ZEROS.checked_shr(8 * digits).unwrap_or(0);
    let low = text.wrapping_sub(ZEROS);
    if (low | text.wrapping_add(0x4646_4646)) & 0x8080_8080 != 0 || header[0] == b'0' && digits > 1
    {
        return None;
    }
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff;
    Some(u64::from(
        pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0xffff,
    ))
}
