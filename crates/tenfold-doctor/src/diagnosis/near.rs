//! Framings that differ from another one by a mistake that people make.

use tenfold_codec::{Base, ByteOrder, FramingError, Number, Pad, Shape, Side, Step};

use crate::sides;

pub(super) const CHARACTERS: &str = "the header counted characters where bytes are counted: the sender takes the length of the \
     text and encodes it afterwards (encode first, then take the length)";

/// A framing with a mistake in it, and what the mistake is.
#[derive(Clone, Debug)]
pub(super) struct Near {
    pub(super) side: Side,
    pub(super) kind: &'static str,
    /// What the sender does, as a clause: "the sender ...".
    pub(super) says: String,
}

/// All framings that are near to this step, the likeliest mistake first.
pub(super) fn near(step: &Step) -> Vec<Near> {
    let mut mistakes = Mistakes {
        of: step,
        found: Vec::new(),
    };
    match sides::number(step) {
        Some(Number::Field {
            base: Base::Decimal,
            width,
            pad,
            ..
        }) => mistakes.decimal(*width, *pad),
        Some(Number::Field { width, .. }) if mistakes.is_plain() => {
            mistakes.header_counted((*width).into());
            mistakes.too_much();
        }
        Some(Number::Bits { bits, order, .. }) => mistakes.binary(*bits, *order),
        Some(Number::Ended {
            base: Base::Decimal,
            ..
        }) if mistakes.sum() == (0, 0) => mistakes.ended(),
        _ => {}
    }
    if let Shape::Delim(end) = step.shape() {
        mistakes.delimited(end);
    } else if mistakes.is_plain() {
        mistakes.trailing();
        mistakes.too_little();
    }
    mistakes.found
}

/// The mistakes that lead to a framing near another one.
struct Mistakes<'a> {
    of: &'a Step,
    found: Vec<Near>,
}

impl Mistakes<'_> {
    /// Adds a framing, unless it is impossible or the same again.
    fn add(
        &mut self,
        kind: &'static str,
        step: Result<Step, FramingError>,
        says: impl Into<String>,
    ) {
        if let Ok(step) = step
            && step != *self.of
        {
            self.found.push(Near {
                side: step.into(),
                kind,
                says: says.into(),
            });
        }
    }

    /// The step at hand, to be changed.
    fn step(&self) -> Step {
        self.of.clone()
    }

    /// Whether the step has no option, not even one that belongs to its number.
    fn is_plain(&self) -> bool {
        let has_end = sides::number(self.of).is_some_and(|number| !number.end().is_empty());
        sides::is_bare(self.of) && !self.of.is_lax() && !has_end
    }

    /// What is added to the number, and how many bytes stand before it.
    fn sum(&self) -> (i64, usize) {
        match self.of.shape() {
            Shape::Number { add, at, .. } => (*add, *at),
            _ => (0, 0),
        }
    }

    fn decimal(&mut self, width: u8, pad: Pad) {
        if self.is_plain() {
            self.add("characters", self.step().with_chars(), CHARACTERS);
            self.add(
                "zero-padded",
                Number::zero_padded_decimal(width).map(Step::number),
                "the sender pads the length with zeros",
            );
            self.add(
                "right-aligned",
                Number::decimal(width).and_then(|number| Step::number(number).with_lax()),
                "the sender pads the length on the left (in a format string, `<` is missing)",
            );
            self.header_counted(width.into());
            self.too_much();
        }
        let field = match pad {
            Pad::Zero | Pad::LaxZero => Number::zero_padded_decimal,
            _ => Number::decimal,
        };
        for other in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 20, 32, 64] {
            self.add(
                "other-width",
                field(other).map(Step::number),
                format!("the sender's header has {other} characters, and not {width}"),
            );
        }
        for (end, name) in [
            ("\n", "a newline"),
            ("\r\n", "a carriage return and a newline"),
            (" ", "one space"),
            (":", "a colon"),
        ] {
            self.add(
                "unpadded",
                Number::decimal_ended_by(end).map(Step::number),
                format!("the sender does not pad the length, but ends it with {name}"),
            );
        }
    }

    fn binary(&mut self, bits: u8, order: ByteOrder) {
        let (add, at) = self.sum();
        let (swapped, is_written, is_read) = match order {
            ByteOrder::Big => (ByteOrder::Little, LEAST_FIRST, MOST_FIRST),
            ByteOrder::Little => (ByteOrder::Big, MOST_FIRST, LEAST_FIRST),
        };
        if bits > 8 {
            let step = Number::bits(bits, swapped)
                .and_then(|number| Step::number(number).with_add(add)?.with_at(at));
            self.add(
                "byte-order",
                step,
                format!(
                    "the bytes of the length are swapped: the sender writes it {is_written} (and it is read {is_read})"
                ),
            );
        }
        if (add, at) == (0, 0) {
            self.header_counted(bits.div_ceil(8).into());
            self.too_much();
        } else if at == 0 {
            self.add(
                "header-counted",
                Number::bits(bits, order).map(Step::number),
                "the length that the sender writes is that of the message alone",
            );
        }
        if bits == 16 && (add, at) == (0, 0) {
            self.add(
                "other-width",
                Number::zero_padded_decimal(4).map(Step::number),
                "the sender writes each length in four decimal digits, as with ISO 8583, and not as a binary number",
            );
        }
        // The longest first: with half of a number as a number, each message has an empty one before it.
        for bits in [64, 32, 24, 16] {
            for (order, name) in [
                (ByteOrder::Big, MOST_FIRST),
                (ByteOrder::Little, LEAST_FIRST),
            ] {
                let bytes = bits / 8;
                self.add(
                    "other-width",
                    Number::bits(bits, order).map(Step::number),
                    format!("the sender's length has {bytes} bytes, {name}"),
                );
            }
        }
        let says = "the sender's length has 1 byte";
        self.add("other-width", Ok(Step::number(Number::U8)), says);
    }

    /// A number that ends at a byte, as that of a netstring.
    fn ended(&mut self) {
        self.add("characters", self.step().with_chars(), CHARACTERS);
        let close = self.of.close();
        if close.is_empty() {
            self.trailing();
        } else {
            let number = sides::number(self.of).cloned();
            let step = number.map_or_else(|| self.step(), Step::number);
            let step = match self.of.open() {
                [] => Ok(step),
                open => step.with_open(open),
            };
            let name = close.escape_ascii();
            self.add(
                "trailing-bytes",
                step.clone()
                    .and_then(|step| step.with_close([close, b"\n"].concat())),
                format!(
                    "the sender writes a newline after the \"{name}\" that closes each message"
                ),
            );
            let says = format!("the sender leaves out the \"{name}\" after each message");
            self.add("not-closed", step, says);
        }
    }

    /// What is wrong with what ends each message, or begins it. The longest end first: a shorter one fits, too.
    fn delimited(&mut self, end: &[u8]) {
        let open = self.of.open().to_vec();
        let with = |end: &[u8], open: &[u8]| {
            let step = Step::delimited(end)?;
            match open {
                [] => Ok(step),
                _ => step.with_open(open),
            }
        };
        let name = end.escape_ascii().to_string();
        let added: &[&[u8]] = match end {
            [b'\n' | b'\r' | 0] | [b'\r', b'\n'] => &[],
            _ => &[b"\r\n", b"\n", b"\r"],
        };
        for more in added {
            let says = format!(
                "the sender writes \"{}\" after \"{name}\", which ends each message",
                more.escape_ascii()
            );
            self.add("trailing-bytes", with(&[end, more].concat(), &open), says);
        }
        if !open.is_empty() {
            let says = format!(
                "the sender leaves out the \"{}\" before each message",
                open.escape_ascii()
            );
            self.add("not-opened", with(end, &[]), says);
        }
        let mut others: Vec<Vec<u8>> = Vec::new();
        if let [first, .., last] = end {
            if end == b"\r\n" {
                others.push(b"\n\r".to_vec());
            }
            if *last == b'\r' {
                others.push([&end[..end.len() - 1], b"\n"].concat());
            }
            others.push(vec![*first]);
            others.push(vec![*last]);
        }
        others.extend([b"\r\n".to_vec(), b"\n".to_vec(), b"\0".to_vec()]);
        for other in others
            .into_iter()
            .filter(|other| !end.ends_with(other) || end.len() > other.len())
        {
            let says = format!(
                "the sender ends each message with \"{}\", and not with \"{name}\"",
                other.escape_ascii()
            );
            self.add("other-end", with(&other, &open), says);
        }
    }

    /// Bytes that follow each message, and that no length counts.
    fn trailing(&mut self) {
        for (bytes, name) in [
            ("\n", "a newline"),
            ("\r\n", "a carriage return and a newline"),
            ("\0", "a NUL"),
        ] {
            self.add(
                "trailing-bytes",
                self.step().with_close(bytes),
                format!("the sender writes {name} after each message, which no length counts"),
            );
        }
    }

    /// The number alone with this added to it, if nothing is added yet.
    fn with_add(&self, add: i64) -> Option<Step> {
        let number = sides::number(self.of)?.clone();
        let step = Step::number(number).with_add(add).ok()?;
        (self.sum() == (0, 0)).then_some(step)
    }

    /// A length that is a little more than what there is.
    fn too_much(&mut self) {
        for off in [1, 2] {
            let Some(step) = self.with_add(-off) else {
                continue;
            };
            self.add(
                "off-by",
                Ok(step),
                format!(
                    "each length is {off} more than the message has: the sender counts what it does not write (the \
                     NUL of a string, a newline)"
                ),
            );
        }
    }

    /// The other way round.
    fn too_little(&mut self) {
        for off in [1, 2] {
            let Some(step) = self.with_add(off) else {
                continue;
            };
            self.add(
                "off-by",
                Ok(step),
                format!(
                    "each length is {off} less than the message has: the sender writes something with it that it \
                     does not count"
                ),
            );
        }
    }

    /// A length that counts its own header of this size, or that lacks it.
    fn header_counted(&mut self, size: i64) {
        for (add, says) in [
            (
                -size,
                format!("the length counts its own header: it is off by {size}, the header's size"),
            ),
            (
                size,
                format!(
                    "the length is off by {size}, the header's own size: the sender takes it away once too often"
                ),
            ),
        ] {
            if let Some(step) = self.with_add(add) {
                self.add("header-counted", Ok(step), says);
            }
        }
    }
}

const MOST_FIRST: &str = "most significant byte first";
const LEAST_FIRST: &str = "least significant byte first";

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::Framing;

    fn lines(line: &str) -> Vec<String> {
        let framing: Framing = line.parse().unwrap();
        let near = near(&framing.client().steps()[0]);
        near.iter().map(|near| near.side.to_string()).collect()
    }

    #[test]
    fn a_near_framing_is_another_one_and_possible() {
        for line in [
            "decimal:10",
            "decimal:08",
            "u32be",
            "u16le-2",
            "u24le+1",
            "varint",
            r"delim:\n",
            "u8",
        ] {
            let lines = lines(line);
            assert!(!lines.contains(&line.to_owned()), "{line}: {lines:?}");
        }
        let near_u32 = lines("u32be");
        for line in ["u32le", "u32be-4", "u32be+4", "u16be", r"u32be,close=\n"] {
            assert!(
                near_u32.contains(&line.to_owned()),
                "{line} in {near_u32:?}"
            );
        }
    }
}
