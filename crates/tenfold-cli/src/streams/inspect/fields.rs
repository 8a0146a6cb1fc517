//! `--columns`: numbers at fixed places of each message, shown beside it.

use std::fmt::Write as _;
use std::str::FromStr;

/// A number: where it is in a message, and how it is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// As it was given: `2:u16be`.
    name: String,
    at: usize,
    size: usize,
    kind: Kind,
    is_little: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const KINDS: &str = "u8, i8, and u16be to u64le, i16be to i64le, f32be to f64le";
        let (at, number) = text
            .split_once(':')
            .ok_or_else(|| format!("\"{text}\" is not an offset and a type, as in 2:u16be"))?;
        let at = at
            .parse()
            .map_err(|_| format!("\"{at}\" is not an offset in a message"))?;
        let wrong = || format!("\"{number}\" is not a type: there are {KINDS}");
        let kind = match number.as_bytes().first() {
            Some(b'u') => Kind::Unsigned,
            Some(b'i') => Kind::Signed,
            Some(b'f') => Kind::Float,
            _ => return Err(wrong()),
        };
        let rest = &number[1..];
        let (bits, order) = rest.split_at(rest.trim_end_matches(['b', 'l', 'e']).len());
        let is_little = order == "le";
        let size = match (kind, bits) {
            (Kind::Unsigned | Kind::Signed, "8") if order.is_empty() => 1,
            (Kind::Unsigned | Kind::Signed, "16") => 2,
            (_, "32") => 4,
            (_, "64") => 8,
            _ => return Err(wrong()),
        };
        if size > 1 && order.is_empty() {
            return Err(format!(
                "\"{number}\" has two orders: {number}be or {number}le"
            ));
        }
        if !matches!(order, "" | "be" | "le") {
            return Err(wrong());
        }
        Ok(Self {
            name: text.to_owned(),
            at,
            size,
            kind,
            is_little,
        })
    }
}

impl Field {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Characters of its column.
    pub(crate) fn width(&self) -> usize {
        let digits = match (self.kind, self.size) {
            (Kind::Float, _) => 12,
            (_, 1) => 4,
            (_, 2) => 6,
            (_, 4) => 11,
            _ => 20,
        };
        digits.max(self.name.len())
    }

    /// The number in this message, in words of JSON; nothing if the message is too short.
    pub(crate) fn value(&self, message: &[u8]) -> Option<String> {
        let bytes = message.get(self.at..)?.get(..self.size)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let number = if self.is_little {
            bytes.iter().rev().fold(0, join)
        } else {
            bytes.iter().fold(0, join)
        };
        Some(match (self.kind, self.size) {
            (Kind::Unsigned, _) => number.to_string(),
            (Kind::Signed, size) => {
                // The sign is moved to the front, and back with what it fills.
                let unused = 64 - 8 * size;
                (number.cast_signed() << unused >> unused).to_string()
            }
            (Kind::Float, 4) => {
                let bits = u32::try_from(number).unwrap_or(0);
                float(
                    f64::from(f32::from_bits(bits)),
                    f32::from_bits(bits).to_string(),
                )
            }
            (Kind::Float, _) => float(f64::from_bits(number), f64::from_bits(number).to_string()),
        })
    }
}

/// JSON has no word for what is not a number.
fn float(number: f64, text: String) -> String {
    if number.is_finite() {
        text
    } else {
        "null".to_owned()
    }
}

/// The titles of these columns.
pub(crate) fn titles(fields: &[Field]) -> String {
    let mut text = String::new();
    for field in fields {
        // Writing to a string cannot fail.
        let _ = write!(text, "  {:>1$}", field.name(), field.width());
    }
    text
}

/// The numbers of a message, under the titles.
pub(crate) fn line(fields: &[Field], message: Option<&[u8]>) -> String {
    let mut text = String::new();
    for field in fields {
        let value = message.and_then(|message| field.value(message));
        let _ = write!(
            text,
            "  {:>1$}",
            value.as_deref().unwrap_or("-"),
            field.width()
        );
    }
    text
}

/// The same as a member of a JSON object.
pub(crate) fn member(fields: &[Field], message: &[u8]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|field| {
            let value = field.value(message);
            format!(
                "\"{}\":{}",
                field.name(),
                value.as_deref().unwrap_or("null")
            )
        })
        .collect();
    format!(",\"fields\":{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_type_are_read_where_they_are() {
        let message = [1, 0xff, 0xfe, 0, 0, 0x80, 0x3f, 0xc0];
        for (field, value) in [
            ("0:u8", Some("1")),
            ("1:i8", Some("-1")),
            ("1:u16be", Some("65534")),
            ("1:u16le", Some("65279")),
            ("1:i16be", Some("-2")),
            ("3:f32le", Some("1")),
            ("7:u16be", None),
            ("99999:u8", None),
        ] {
            let field: Field = field.parse().unwrap();
            assert_eq!(field.value(&message).as_deref(), value, "{field:?}");
        }
    }

    #[test]
    fn what_is_not_a_column_is_refused_with_what_would_be_one() {
        for (text, words) in [
            ("u8", "as in 2:u16be"),
            ("x:u8", "not an offset"),
            ("0:u24be", "there are u8"),
            ("0:u16", "u16be or u16le"),
            ("0:u8le", "there are u8"),
            ("0:", "there are u8"),
        ] {
            let refused = text.parse::<Field>().unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
