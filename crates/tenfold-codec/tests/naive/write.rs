//! The frame of a message.

use super::model::{Shape, Step};
use super::{number, stuffing};

/// Why a message has no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLong,
    TooShort,
    WrongSize,
    /// The delimiter would be found here.
    Delimiter(usize),
    Empty,
    LengthBits,
    NotUtf8(usize),
    NotAMark,
}

/// The frame of a message, by this step.
pub(crate) fn frame(step: &Step, message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let inner = match &step.shape {
        Shape::Number { .. } => return counted(step, message),
        Shape::Delim(delim) => {
            let framed = [message, delim].concat();
            let found = framed.windows(delim.len()).position(|w| w == delim);
            match found {
                Some(at) if at < message.len() => return Err(Refusal::Delimiter(at)),
                _ => framed,
            }
        }
        Shape::Fixed(size) if *size != message.len() as u64 => return Err(Refusal::WrongSize),
        Shape::Fixed(_) => message.to_vec(),
        Shape::ContentLength => {
            let block = format!("Content-Length: {}\r\n\r\n", message.len());
            [block.as_bytes(), message].concat()
        }
        Shape::Cobs => stuffing::cobs(message),
        Shape::Slip | Shape::Hdlc if message.is_empty() => return Err(Refusal::Empty),
        Shape::Slip => stuffing::slip(message),
        Shape::Hdlc => stuffing::hdlc(message),
    };
    Ok([&step.open[..], &inner, &step.close].concat())
}

fn counted(step: &Step, message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let Shape::Number { number, add, at } = &step.shape else {
        unreachable!();
    };
    let length = if step.chars {
        let text = std::str::from_utf8(message);
        text.map_err(|error| Refusal::NotUtf8(error.valid_up_to()))?
            .chars()
            .count()
    } else {
        message.len()
    };
    let kept = number.kept();
    let follow = length.checked_sub(at + kept).ok_or(Refusal::TooShort)?;
    let x = follow as i128 - i128::from(*add);
    if x < 0 {
        return Err(Refusal::TooShort);
    }
    let x = u64::try_from(x).map_err(|_| Refusal::TooLong)?;
    let (before, after) = message.split_at(*at);
    let (flags, after) = after.split_at(kept);
    let mut written = number::write(number, x).ok_or(Refusal::TooLong)?;
    let mut bare = message.to_vec();
    super::clear_length(step, &mut bare);
    if bare != message {
        return Err(Refusal::LengthBits);
    }
    for (byte, flag) in written.iter_mut().zip(flags) {
        *byte |= flag;
    }
    Ok([&step.open[..], before, &written, after, &step.close].concat())
}

/// The bytes of a mark.
pub(crate) fn mark(step: &Step, value: u64) -> Result<Vec<u8>, Refusal> {
    match &step.shape {
        Shape::Number { number, add, .. } if step.marks && value < add.unsigned_abs() => {
            number::write(number, value).ok_or(Refusal::TooLong)
        }
        _ => Err(Refusal::NotAMark),
    }
}
