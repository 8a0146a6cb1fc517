//! What the doctor wants to know of a side.

use tenfold_codec::{Base, Number, Pad, Shape, Side, Step, Stuffing};

/// The first step, which tells the kind of a side: few have a second.
fn first(side: &Side) -> &Step {
    &side.steps()[0]
}

/// The number that begins each frame, of a step that has one.
pub(crate) fn number(step: &Step) -> Option<&Number> {
    match step.shape() {
        Shape::Number { number, .. } => Some(number),
        _ => None,
    }
}

/// Whether a length is written in decimal digits.
pub(crate) fn is_in_digits(side: &Side) -> bool {
    number(first(side)).is_some_and(|number| number.base() == Some(Base::Decimal))
}

/// Whether a length is a binary number.
pub(crate) fn is_binary(side: &Side) -> bool {
    number(first(side)).is_some_and(|number| number.base().is_none())
}

/// How many characters there are for a length in decimal digits, where that is fixed.
pub(crate) fn field(side: &Side) -> Option<usize> {
    match number(first(side))? {
        Number::Field {
            base: Base::Decimal,
            width,
            ..
        } => Some(usize::from(*width)),
        _ => None,
    }
}

/// The same, of a side that is nothing but such lengths and as many bytes.
pub(crate) fn plain_field(side: &Side) -> Option<usize> {
    let [step] = side.steps() else {
        return None;
    };
    let is_plain = is_bare(step)
        && matches!(
            step.shape(),
            Shape::Number {
                number: Number::Field {
                    base: Base::Decimal,
                    pad: Pad::Space | Pad::Zero,
                    ..
                },
                add: 0,
                at: 0,
                ..
            }
        );
    is_plain.then(|| field(side))?
}

/// Whether a length is written in decimal digits up to these bytes.
pub(crate) fn ends_digits(side: &Side, end: &[u8]) -> bool {
    is_in_digits(side) && number(first(side)).is_some_and(|number| number.end() == end)
}

/// How long a message is whose number is 0, where a number says how long each is.
pub(crate) fn shortest(side: &Side) -> Option<u64> {
    let [step] = side.steps() else {
        return None;
    };
    match step.shape() {
        Shape::Number { add, at, .. } => Some((*at as u64).saturating_add_signed((*add).max(0))),
        _ => None,
    }
}

/// Whether more bytes follow each number than it says.
pub(crate) fn has_more(side: &Side) -> bool {
    let has_more = |step: &Step| matches!(step.shape(), Shape::Number { add: 1.., .. });
    side.steps().iter().any(has_more)
}

/// The bytes around every frame, where a number says how long it is.
pub(crate) fn constants(side: &Side) -> Option<Vec<u8>> {
    let [step] = side.steps() else {
        return None;
    };
    number(step)?;
    Some([step.open(), step.close()].concat())
}

/// Whether any bytes are frames but for the last: each number is so small that it never leads far.
pub(crate) fn is_small(side: &Side) -> bool {
    let is_small = |step: &Step| {
        matches!(
            number(step),
            Some(Number::Bits { bits: ..=16, .. } | Number::Varint | Number::Ber)
        )
    };
    side.steps()
        .iter()
        .all(|step| is_bare(step) && is_small(step))
}

/// Whether a length is one byte, or as many as it takes.
pub(crate) fn is_byte(side: &Side) -> bool {
    side.steps().iter().all(|step| {
        matches!(
            number(step),
            Some(Number::Bits { bits: ..=8, .. } | Number::Varint)
        )
    })
}

/// Whether messages end at a delimiter.
pub(crate) fn is_delimited(side: &Side) -> bool {
    matches!(first(side).shape(), Shape::Delim(_))
}

/// Whether messages are lines, of either kind.
pub(crate) fn is_lines(side: &Side) -> bool {
    let is_newline = |step: &Step| matches!(step.shape(), Shape::Delim(end) if matches!(**end, [b'\n'] | [b'\r', b'\n']));
    side.steps()
        .iter()
        .all(|step| is_newline(step) && step.open().is_empty())
}

/// How many bytes end each message, where a delimiter does.
pub(crate) fn delimiter(side: &Side) -> usize {
    match first(side).shape() {
        Shape::Delim(end) => end.len(),
        _ => 0,
    }
}

/// Whether messages have a block of headers.
pub(crate) fn has_blocks(side: &Side) -> bool {
    let has_block = |step: &Step| matches!(step.shape(), Shape::ContentLength);
    side.steps().iter().any(has_block)
}

/// Whether any bytes are frames, as long as the last byte is the right one.
pub(crate) fn ends_anywhere(side: &Side) -> bool {
    side.steps().iter().all(|step| match step.shape() {
        Shape::Delim(_) => step.open().is_empty(),
        Shape::Stuffed(stuffing) => matches!(stuffing, Stuffing::Slip | Stuffing::Hdlc),
        _ => false,
    })
}

/// Whether a step has no option but those of its number.
pub(crate) fn is_bare(step: &Step) -> bool {
    step.open().is_empty() && step.close().is_empty() && !step.has_marks() && !step.counts_chars()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::Framing;

    fn side(line: &str) -> Side {
        line.parse::<Framing>().unwrap().client().clone()
    }

    #[test]
    fn a_plain_field_has_no_options() {
        assert_eq!(plain_field(&side("decimal:10")), Some(10));
        assert_eq!(plain_field(&side("decimal:08")), Some(8));
        for line in [
            "decimal:10,lax",
            "decimal:10,chars",
            "decimal:10-10",
            r"decimal:4,close=\n",
            "hex:4",
            "netstring",
            "u32be",
        ] {
            assert_eq!(plain_field(&side(line)), None, "{line}");
        }
        assert_eq!(field(&side("decimal:10-10")), Some(10));
    }

    #[test]
    fn what_ends_anywhere_needs_no_beginning() {
        assert!(ends_anywhere(&side("line")) && ends_anywhere(&side("hdlc")));
        assert!(!ends_anywhere(&side("cobs")) && !ends_anywhere(&side("mllp")));
    }

    #[test]
    fn digits_and_bits_are_told_apart() {
        assert!(is_in_digits(&side("netstring")) && ends_digits(&side("netstring"), b":"));
        assert!(
            is_small(&side("varint@1")) && is_small(&side("u16be")) && !is_small(&side("u32be"))
        );
        assert!(!is_small(&side(r"u8,close=\n")) && !is_in_digits(&side("hex:4")));
    }
}
