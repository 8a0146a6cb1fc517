//! Framings that differ from another one by a mistake that people make.

use tenfold_codec::{Framing, Side};

const CHARACTERS: &str = "the header counted characters where bytes are counted: the sender takes the length of the \
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
pub(super) fn near(step: &str) -> Vec<Near> {
    let (number, options) = step
        .split_once(',')
        .map_or((step, ""), |(number, options)| (number, options));
    let mut found = Vec::new();
    let mut add = |kind, line: String, says: String| {
        // Lines that are impossible (`u8be`) or the same again are no other framings.
        if let Ok(framing) = line.parse::<Framing>()
            && framing.client().to_string() != step
        {
            found.push(Near {
                side: framing.client().clone(),
                kind,
                says,
            });
        }
    };
    if let Some(width) = number.strip_prefix("decimal:") {
        decimal(width, options, &mut add);
    } else if number.starts_with('u') {
        binary(number, &mut add);
    } else if number == "decimal" {
        ended(options, &mut add);
    }
    if options.is_empty() && !number.starts_with("delim") {
        for (bytes, name) in [
            (r"\n", "a newline"),
            (r"\r\n", "a carriage return and a newline"),
            (r"\0", "a NUL"),
        ] {
            add(
                "trailing-bytes",
                format!("{number},close={bytes}"),
                format!("the sender writes {name} behind each message, which no length counts"),
            );
        }
        too_little(number, &mut add);
    }
    found
}

fn decimal(width: &str, options: &str, add: &mut impl FnMut(&'static str, String, String)) {
    let (zero, digits) = match width.strip_prefix('0') {
        Some(rest) => ("0", rest),
        None => ("", width),
    };
    let size: u32 = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    if options.is_empty() {
        add(
            "characters",
            format!("decimal:{width},chars"),
            CHARACTERS.into(),
        );
        add(
            "zero-padded",
            format!("decimal:0{size}"),
            "the sender pads the length with zeros".into(),
        );
        add(
            "right-aligned",
            format!("decimal:{size},lax"),
            "the sender pads the length on the left (in a format string, `<` is missing)".into(),
        );
        for sign in ['-', '+'] {
            let (kind, says) = header_counted(sign, size);
            add(kind, format!("decimal:{width}{sign}{size}"), says);
        }
        too_much(&format!("decimal:{width}"), add);
    }
    for other in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 20, 32, 64] {
        add(
            "other-width",
            format!("decimal:{zero}{other}"),
            format!("the sender's header has {other} characters, and not {size}"),
        );
    }
    for (end, name) in [
        (r"\n", "a newline"),
        (r"\r\n", "a carriage return and a newline"),
        (r"\x20", "one space"),
        (":", "a colon"),
    ] {
        add(
            "unpadded",
            format!("decimal,end={end}"),
            format!("the sender does not pad the length, but ends it with {name}"),
        );
    }
}

fn binary(number: &str, add: &mut impl FnMut(&'static str, String, String)) {
    let digits: String = number[1..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let Ok(bits) = digits.parse::<u32>() else {
        return;
    };
    let rest = &number[1 + digits.len()..];
    let (order, rest) = match (rest.strip_prefix("be"), rest.strip_prefix("le")) {
        (Some(rest), _) => ("be", rest),
        (_, Some(rest)) => ("le", rest),
        _ => ("", rest),
    };
    let swapped = if order == "be" { "le" } else { "be" };
    let name = |order| match order {
        "be" => "most significant byte first",
        _ => "least significant byte first",
    };
    if !order.is_empty() {
        add(
            "byte-order",
            format!("u{bits}{swapped}{rest}"),
            format!(
                "the bytes of the length are swapped: the sender writes it {} (and it is read {})",
                name(swapped),
                name(order)
            ),
        );
    }
    let size = bits / 8;
    if rest.is_empty() {
        for sign in ['-', '+'] {
            let (kind, says) = header_counted(sign, size);
            add(kind, format!("u{bits}{order}{sign}{size}"), says);
        }
        too_much(&format!("u{bits}{order}"), add);
    } else if rest.starts_with(['-', '+']) && !rest.contains('@') {
        add(
            "header-counted",
            format!("u{bits}{order}"),
            "the length that the sender writes is that of the message alone".into(),
        );
    }
    // The longest first: with half of a number as a number, each message has an empty one before it.
    for other in [64, 32, 24, 16, 8] {
        for order in ["be", "le"] {
            let line = if other == 8 {
                "u8".into()
            } else {
                format!("u{other}{order}")
            };
            let says = match other / 8 {
                1 => "the sender's length has 1 byte".to_owned(),
                bytes => format!("the sender's length has {bytes} bytes, {}", name(order)),
            };
            add("other-width", line, says);
        }
    }
}

/// A number that ends at a byte, as that of a netstring.
fn ended(options: &str, add: &mut impl FnMut(&'static str, String, String)) {
    add(
        "characters",
        format!("decimal,{options},chars"),
        CHARACTERS.into(),
    );
    if let Some((before, close)) = options.split_once(",close=") {
        let close = close
            .split(',')
            .next()
            .unwrap_or(close)
            .replace(r"\x2c", ",");
        add(
            "not-closed",
            format!("decimal,{before}"),
            format!("the sender leaves out the \"{close}\" behind each message"),
        );
    }
}

/// A length that is a little more than what there is.
fn too_much(number: &str, add: &mut impl FnMut(&'static str, String, String)) {
    for off in [1, 2] {
        add(
            "off-by",
            format!("{number}-{off}"),
            format!(
                "each length is {off} more than the message has: the sender counts what it does not write (the NUL of \
                 a string, a newline)"
            ),
        );
    }
}

/// The other way round.
fn too_little(number: &str, add: &mut impl FnMut(&'static str, String, String)) {
    for off in [1, 2] {
        add(
            "off-by",
            format!("{number}+{off}"),
            format!(
                "each length is {off} less than the message has: the sender writes something with it that it does not \
                 count"
            ),
        );
    }
}

fn header_counted(sign: char, size: u32) -> (&'static str, String) {
    let says = if sign == '-' {
        format!("the length counts its own header: it is off by {size}, the header's size")
    } else {
        format!(
            "the length is off by {size}, the header's own size: the sender takes it away once too often"
        )
    };
    ("header-counted", says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_framing_is_another_one_and_possible() {
        for step in [
            "decimal:10",
            "decimal:08",
            "u32be",
            "u16le-2",
            "u24le+1",
            "varint",
            r"delim:\n",
            "u8",
        ] {
            let lines: Vec<_> = near(step)
                .iter()
                .map(|near| near.side.to_string())
                .collect();
            assert!(!lines.contains(&step.to_owned()), "{step}: {lines:?}");
        }
        let lines: Vec<_> = near("u32be")
            .iter()
            .map(|near| near.side.to_string())
            .collect();
        for line in ["u32le", "u32be-4", "u32be+4", "u16be", r"u32be,close=\n"] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
    }
}
