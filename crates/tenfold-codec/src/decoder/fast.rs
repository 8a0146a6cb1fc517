//! The fast path: all complete frames of a slice in one loop, as spans.
//!
//! A decoder that dispatched on the shape for every message, or kept its position in memory
//! between two of them, would be several times slower. So one call of [`scan`] chooses the loop
//! for the shape, and the loop fills a [`Batch`] of spans with the position in a register. It
//! knows only frames that are complete and in order: at anything else it stops, and the decoder
//! goes on byte by byte from the start of that frame. To change what is legal, change `number`
//! and `head`; the tests compare the two.

use super::batch::{BATCH, Batch};
use crate::framing::{Shape, Step};
use crate::native;
use crate::number::at_once::{
    ber, digits, ended, fixed, fold, padded, padded_zero, remembered, remembered_field, strip,
    varint,
};
use crate::number::{Base, ByteOrder, MAX_WIDTH, Number, Pad};

/// How far the fast path goes with a step's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Not at all.
    Nowhere,
    /// It finds them, but the message must be put together: [`join`].
    Window,
    /// The message stands in the frame as it is.
    Slice,
}

/// How far the fast path goes with a step's frames.
pub(crate) fn reach(step: &Step) -> Reach {
    match &step.shape {
        _ if step.chars => Reach::Nowhere,
        Shape::Number { number, at, .. } if *at > 0 || number.kept() > 0 => Reach::Window,
        Shape::Number { .. } => Reach::Slice,
        Shape::Delim(_) | Shape::Fixed(_) if step.open.is_empty() && step.close.is_empty() => {
            Reach::Slice
        }
        _ => Reach::Nowhere,
    }
}

/// Puts a message together that [`scan`] found at `start`, in the frame that begins at `frame`:
/// its bytes before the number move up against those after it, and a number that stays in it
/// loses its length.
pub(crate) fn join(step: &Step, window: &mut [u8], frame: usize, start: usize) {
    let Shape::Number { number, at, .. } = &step.shape else {
        return;
    };
    let open = step.open.len();
    match number.kept() {
        // A type byte is what stands there most often, and not worth a call.
        0 if *at == 1 => window[start] = window[frame + open],
        0 => window.copy_within(frame + open..frame + open + at, start),
        kept => number.clear_length(&mut window[start + at..start + at + kept]),
    }
}

/// How many bytes a frame has after its message, in a step with a fast path.
pub(crate) fn trailer(step: &Step) -> usize {
    match &step.shape {
        Shape::Delim(delim) => delim.len(),
        _ => step.close.len(),
    }
}

/// Fills `batch` with the complete frames at the start of `bytes` whose messages have at most
/// `limit` bytes.
pub(crate) fn scan(step: &Step, bytes: &[u8], limit: u64, batch: &mut Batch) {
    batch.clear();
    // Spans are kept in 32 bits; a longer window is scanned in parts.
    let bytes = &bytes[..bytes.len().min(u32::MAX as usize)];
    let limit = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .min(u32::MAX as usize);
    match &step.shape {
        Shape::Number { number, add, at } => {
            scan_numbers(number, step, *add, *at, bytes, limit, batch);
        }
        Shape::Delim(delim) => scan_delim(delim, bytes, limit, batch),
        Shape::Fixed(size) => scan_fixed(*size, bytes, limit, batch),
        Shape::ContentLength | Shape::Stuffed(_) => {}
    }
}

/// Counts the complete frames at the start of `bytes` whose messages have at most `limit` bytes, up
/// to `most`; and their bytes. Only the native framing is worth a loop that finds no spans.
pub(crate) fn tally(step: &Step, bytes: &[u8], limit: u64, most: usize) -> (usize, usize) {
    if !step.is_native() {
        return (0, 0);
    }
    let mut frames = native::frames(bytes);
    let (mut count, mut end) = (0, 0);
    while count < most
        && let Some(Ok(frame)) = frames.next()
        && (frame.len() - native::HEADER) as u64 <= limit
    {
        (count, end) = (count + 1, frame.end);
    }
    (count, end)
}

#[expect(clippy::too_many_lines, reason = "a table: one line for each reader")]
fn scan_numbers(
    number: &Number,
    step: &Step,
    add: i64,
    at: usize,
    bytes: &[u8],
    limit: usize,
    batch: &mut Batch,
) {
    let bare = step.open.is_empty() && step.close.is_empty();
    let plain = bare && add == 0 && at == 0 && number.kept() == 0;
    let inside = at + number.kept();
    macro_rules! run {
        ($reader:expr) => {
            if plain {
                scan_with($reader, (&[], &[]), 0, (0, 0), bytes, limit, batch)
            } else {
                scan_with(
                    $reader,
                    (&step.open, &step.close),
                    add,
                    (at, inside),
                    bytes,
                    limit,
                    batch,
                )
            }
        };
    }
    match number {
        Number::Bits { bits: 8, .. } => run!(fixed(|b: &[u8; 1]| u64::from(b[0]))),
        Number::Bits {
            bits: 16,
            order: ByteOrder::Big,
        } => run!(fixed(|b| u16::from_be_bytes(*b).into())),
        Number::Bits {
            bits: 16,
            order: ByteOrder::Little,
        } => run!(fixed(|b| u16::from_le_bytes(*b).into())),
        Number::Bits {
            bits: 24,
            order: ByteOrder::Big,
        } => {
            run!(fixed(|b: &[u8; 3]| u32::from_be_bytes([
                0, b[0], b[1], b[2]
            ])
            .into()));
        }
        Number::Bits {
            bits: 24,
            order: ByteOrder::Little,
        } => {
            run!(fixed(|b: &[u8; 3]| u32::from_le_bytes([
                b[0], b[1], b[2], 0
            ])
            .into()));
        }
        Number::Bits {
            bits: 32,
            order: ByteOrder::Big,
        } => run!(fixed(|b| u32::from_be_bytes(*b).into())),
        Number::Bits {
            bits: 32,
            order: ByteOrder::Little,
        } => run!(fixed(|b| u32::from_le_bytes(*b).into())),
        Number::Bits {
            bits: 64,
            order: ByteOrder::Big,
        } => run!(fixed(|b| u64::from_be_bytes(*b))),
        Number::Bits {
            bits: 64,
            order: ByteOrder::Little,
        } => run!(fixed(|b| u64::from_le_bytes(*b))),
        Number::Bits { bits, order } => {
            let (size, mask) = (usize::from(bits.div_ceil(8)), u64::MAX >> (64 - bits));
            if *order == ByteOrder::Little {
                run!(|b: &[u8]| Some((fold(b.get(..size)?.iter().rev()) & mask, size)));
            } else {
                run!(|b: &[u8]| Some((fold(b.get(..size)?.iter()) & mask, size)));
            }
        }
        Number::Varint => run!(varint),
        Number::Ber => run!(ber),
        Number::Field {
            base: Base::Decimal,
            width: 10,
            pad: Pad::Space,
        } => {
            run!(remembered(padded_zero(), native::length));
        }
        Number::Field {
            base: Base::Decimal,
            width,
            pad: Pad::Space,
        } => {
            run!(remembered_field(usize::from(*width), padded_zero(), padded));
        }
        Number::Field {
            base,
            width,
            pad: Pad::Zero,
        } => {
            let radix = *base;
            match *width {
                4 => run!(remembered([b'0'; 4], |field| digits(radix, field))),
                8 => run!(remembered([b'0'; 8], |field| digits(radix, field))),
                width => {
                    let zero = [b'0'; MAX_WIDTH];
                    run!(remembered_field(width.into(), zero, |field| digits(
                        radix, field
                    )));
                }
            }
        }
        // Rare enough to be read byte by byte.
        Number::Field { .. } => {}
        Number::Ended { base, end } => {
            let radix = *base;
            run!(|b: &[u8]| ended(radix, end, b));
        }
    }
}

/// The loop of all length-prefixed shapes. `read` gives the number at the start of a slice and
/// its size, or nothing where it is not plainly right; `inside` is the bytes of the message before
/// the number, and those before its end.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "one copy per reader is the point of it"
)]
fn scan_with(
    mut read: impl FnMut(&[u8]) -> Option<(u64, usize)>,
    (open, close): (&[u8], &[u8]),
    add: i64,
    (at, inside): (usize, usize),
    bytes: &[u8],
    limit: usize,
    batch: &mut Batch,
) {
    let mut rest = bytes;
    for span in &mut batch.spans {
        let Some(number_on) = strip(rest, open).and_then(|rest| rest.get(at..)) else {
            break;
        };
        let Some((number, size)) = read(number_on) else {
            break;
        };
        let Some(follow) = number.checked_add_signed(add) else {
            break;
        };
        if follow > limit as u64 {
            break;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the limit, a usize"
        )]
        let follow = follow as usize;
        let body = &number_on[size..];
        if body.len() < follow || follow + inside > limit {
            break;
        }
        let Some(next) = strip(&body[follow..], close) else {
            break;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the slice was cut to 32 bits"
        )]
        {
            *span = (
                (bytes.len() - body.len() - inside) as u32,
                (follow + inside) as u32,
            );
        }
        batch.len += 1;
        rest = next;
    }
    batch.scanned = bytes.len() - rest.len();
}

fn scan_delim(delim: &[u8], bytes: &[u8], limit: usize, batch: &mut Batch) {
    let mut start = 0;
    let mut found = |at: usize, batch: &mut Batch| {
        let length = at - start;
        if length > limit {
            #[cfg(test)]
            {
                batch.in_vain = length;
            }
            return false;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the slice was cut to 32 bits"
        )]
        {
            batch.spans[batch.len] = (start as u32, length as u32);
        }
        batch.len += 1;
        start = at + delim.len();
        batch.scanned = start;
        batch.len < BATCH
    };
    if let [byte] = *delim {
        for at in memchr::memchr_iter(byte, bytes) {
            if !found(at, batch) {
                return;
            }
        }
    } else {
        for at in memchr::memmem::find_iter(bytes, delim) {
            if !found(at, batch) {
                return;
            }
        }
    }
    #[cfg(test)]
    {
        batch.in_vain = bytes.len() - batch.scanned;
    }
}

fn scan_fixed(size: u64, bytes: &[u8], limit: usize, batch: &mut Batch) {
    let Ok(size) = usize::try_from(size) else {
        return;
    };
    if size > limit {
        return;
    }
    for (n, message) in bytes.chunks_exact(size).take(BATCH).enumerate() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the slice was cut to 32 bits"
        )]
        {
            batch.spans[n] = ((n * size) as u32, message.len() as u32);
        }
        batch.len = n + 1;
        batch.scanned = (n + 1) * size;
    }
}
