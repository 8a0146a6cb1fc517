//! CBOR.

use ciborium::Value as Cbor;
use ciborium::de::Error;
use ciborium::value::Integer;

use crate::value::Value;
use crate::{MAX_DEPTH, MAX_VALUES, Problem};

/// The tags of integers of any size, and of those below -1.
const BIG: (u64, u64) = (2, 3);

pub(super) fn read(message: &[u8]) -> Result<Value, Problem> {
    if values(message) > MAX_VALUES {
        return Err(Problem::too_many());
    }
    let mut rest = message;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH);
    let value = value.map_err(|error| no_cbor(&error, message.len()))?;
    match rest.len() {
        0 => understood(value),
        rest => Err(Problem::after("CBOR", rest)),
    }
}

pub(super) fn write(value: &Value) -> Result<Vec<u8>, Problem> {
    let mut message = Vec::new();
    ciborium::into_writer(&made(value)?, &mut message)
        .map_err(|error| Problem::new(format!("cannot be written as CBOR: {error}")))?;
    Ok(message)
}

/// How many values a message has, up to where it is wrong. (RFC 8949, section 3.)
fn values(message: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = message;
    while let [first, after @ ..] = rest {
        count += 1;
        let (kind, info) = (first >> 5, first & 0x1f);
        let width = match info {
            24..=27 => 1 << (info - 24),
            _ => 0,
        };
        let Some((digits, after)) = after.split_at_checked(width) else {
            break;
        };
        // Of bytes and text what follows has no values; neither has it if its end is not told.
        let is_long = matches!(kind, 2 | 3) && info != 31;
        let length = match width {
            _ if !is_long => 0,
            0 => u64::from(info),
            _ => digits.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        rest = after.get(length..).unwrap_or_default();
    }
    count
}

fn no_cbor(error: &Error<std::io::Error>, length: usize) -> Problem {
    match error {
        Error::Io(_) => Problem::is_no(
            "CBOR",
            format_args!("it ends in the middle of a value, at byte {length}"),
        ),
        Error::Syntax(at) => Problem::is_no("CBOR", format_args!("byte {at} begins no value")),
        Error::Semantic(Some(at), words) => {
            Problem::is_no("CBOR", format_args!("{words}, at byte {at}"))
        }
        Error::Semantic(None, words) => Problem::is_no("CBOR", words),
        Error::RecursionLimitExceeded => Problem::too_deep(),
    }
}

fn understood(value: Cbor) -> Result<Value, Problem> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Integer(value) => Value::Int(value.into()),
        Cbor::Float(value) => Value::Float(value),
        Cbor::Text(text) => Value::Text(text),
        Cbor::Bytes(bytes) => Value::Bytes(bytes),
        Cbor::Array(items) => Value::List(
            items
                .into_iter()
                .map(understood)
                .collect::<Result<_, _>>()?,
        ),
        Cbor::Map(entries) => {
            let entry = |(key, value)| Ok((understood(key)?, understood(value)?));
            Value::Map(entries.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
        Cbor::Tag(tag, value) => match big(tag, &value) {
            Some(number) => Value::Int(number),
            None => Value::Tag(tag, Box::new(understood(*value)?)),
        },
        _ => return Err(Problem::new("has a CBOR value of a kind that is not known")),
    })
}

/// A large integer, if it is not too large to be shown as one.
fn big(tag: u64, value: &Cbor) -> Option<i128> {
    let bytes = value.as_bytes()?;
    let mut wide = [0; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?
        .copy_from_slice(bytes);
    let number = i128::from_be_bytes(wide);
    // A first byte without need would be lost.
    let is_minimal = bytes.first().is_some_and(|first| *first != 0);
    match tag {
        _ if number < 0 || !is_minimal || u64::try_from(number).is_ok() => None,
        tag if tag == BIG.0 => Some(number),
        tag if tag == BIG.1 => Some(-1 - number),
        _ => None,
    }
}

fn made(value: &Value) -> Result<Cbor, Problem> {
    Ok(match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Int(value) => match Integer::try_from(*value) {
            Ok(value) => Cbor::Integer(value),
            Err(_) => made_big(*value),
        },
        Value::Float(value) => Cbor::Float(*value),
        Value::Text(text) => Cbor::Text(text.clone()),
        Value::Bytes(bytes) => Cbor::Bytes(bytes.clone()),
        Value::List(items) => Cbor::Array(items.iter().map(made).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| Ok((made(key)?, made(value)?));
            Cbor::Map(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
        Value::Tag(tag, value) => Cbor::Tag(*tag, Box::new(made(value)?)),
        Value::Ext(..) => return Err(Problem::new("has $ext, which is of MessagePack")),
    })
}

fn made_big(value: i128) -> Cbor {
    let (tag, number) = if value < 0 {
        (BIG.1, -1 - value)
    } else {
        (BIG.0, value)
    };
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Cbor::Tag(tag, Box::new(Cbor::Bytes(bytes[zeros..].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let shown = |bytes: &[u8]| read(bytes).unwrap().to_json().unwrap();
        assert_eq!(
            shown(b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
            "18446744073709551615"
        );
        assert_eq!(shown(b"\xf9\x3c\x00"), "1.0");
        assert_eq!(shown(b"\xf9\x7c\x00"), r#"{"$float":"inf"}"#);
        assert_eq!(shown(b"\xf6"), "null");
        assert_eq!(
            shown(b"\xc1\x1a\x51\x4b\x67\xb0"),
            r#"{"$tag":[1,1363896240]}"#
        );
        assert_eq!(
            shown(b"\xbf\x63Fun\xf5\x63Amt\x21\xff"),
            r#"{"Fun":true,"Amt":-2}"#
        );
        assert_eq!(shown(b"\x9f\xff"), "[]");
        assert_eq!(
            shown(b"\x5f\x42\x01\x02\x43\x03\x04\x05\xff"),
            r#"{"$base64":"AQIDBAU="}"#
        );
        let big = b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(shown(big), r#"{"$int":"18446744073709551616"}"#);
    }

    #[test]
    fn values_are_counted_before_they_are_made() {
        assert_eq!(values(b""), 0);
        assert_eq!(values(b"\x83\x01\x18\x2a\x1b\0\0\0\0\0\0\0\x01"), 4);
        assert_eq!(values(b"\x82\x43\x01\x02\x03\x78\x02ab"), 3);
        assert_eq!(values(b"\xa1\x61a\xc1\xf9\x3c\0"), 4);
        assert_eq!(values(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1);
        let mut many = b"\x9a\0\x40\0\0".to_vec();
        many.resize(many.len() + MAX_VALUES, 0);
        assert!(read(&many).unwrap_err().to_string().contains("more than"));
        many.truncate(many.len() - 1);
        many[4] = 0xff;
        many[3] = 0xff;
        many[2] = 0x3f;
        assert!(read(&many).is_ok());
    }

    #[test]
    fn what_is_announced_and_not_there_takes_no_memory() {
        // Of each kind a length of 2^60, at each depth.
        for kind in [0x5b, 0x7b, 0x9b, 0xbb_u8] {
            let header = [kind, 0x10, 0, 0, 0, 0, 0, 0, 0];
            assert!(
                read(&header).unwrap_err().to_string().contains("middle"),
                "{kind:x}"
            );
            let nested = [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0].repeat(MAX_DEPTH - 2);
            assert!(read(&[&nested[..], &header].concat()).is_err());
        }
    }

    #[test]
    fn what_is_cut_or_wrong_says_where() {
        let problem = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert!(problem(b"\x82\x01").contains("at byte 2"));
        assert!(problem(b"\x82\x01\x1c").contains("byte 2"));
    }
}
