//! `MessagePack`.

use rmpv::decode::{self, Error};
use rmpv::{Integer, Value as Packed};

use crate::value::Value;
use crate::{MAX_DEPTH, MAX_VALUES, Problem};

pub(super) fn read(message: &[u8]) -> Result<Value, Problem> {
    let headers = Headers::of(message);
    if headers.count > MAX_VALUES {
        return Err(Problem::too_many());
    }
    let mut rest = message;
    let value = decode::read_value_with_max_depth(&mut rest, MAX_DEPTH);
    let at = message.len() - rest.len();
    let value = value.map_err(|error| match error {
        Error::DepthLimitExceeded => Problem::too_deep(),
        error if error.kind() == std::io::ErrorKind::UnexpectedEof => Problem::is_no(
            "MessagePack",
            format_args!(
                "it ends in the middle of a value, at byte {}",
                message.len()
            ),
        ),
        error => Problem::is_no("MessagePack", format_args!("{error}, at byte {at}")),
    })?;
    match (rest.len(), headers.never_used) {
        (0, None) => understood(value),
        (0, Some(at)) => Err(Problem::is_no(
            "MessagePack",
            format_args!("the byte 0xc1, at byte {at}, is never used"),
        )),
        (rest, _) => Err(Problem::after("MessagePack", rest)),
    }
}

/// What the headers of a message say, up to where it is wrong.
struct Headers {
    /// How many values there are.
    count: usize,
    /// Where the one byte is that begins no value, if the message is right otherwise. The crate takes it for
    /// nil. (The format's specification, "Overview" and "Formats".)
    never_used: Option<usize>,
}

impl Headers {
    fn of(message: &[u8]) -> Self {
        let (mut at, mut count) = (0_usize, 0);
        while let Some(first) = message.get(at) {
            let number = |bytes: usize| {
                let digits = message.iter().skip(at + 1).take(bytes);
                digits.fold(0_usize, |n, byte| n << 8 | usize::from(*byte))
            };
            let length = match first {
                0xc1 => {
                    return Self {
                        count,
                        never_used: Some(at),
                    };
                }
                0xa0..=0xbf => 1 + usize::from(first & 31),
                0xc4 | 0xd9 => 2 + number(1),
                0xc5 | 0xda => 3 + number(2),
                0xc6 | 0xdb => 5 + number(4),
                0xc7 => 3 + number(1),
                0xc8 => 4 + number(2),
                0xc9 => 6 + number(4),
                0xcc | 0xd0 => 2,
                0xcd | 0xd1 | 0xd4 | 0xdc | 0xde => 3,
                0xd5 => 4,
                0xca | 0xce | 0xd2 | 0xdd | 0xdf => 5,
                0xd6 => 6,
                0xcb | 0xcf | 0xd3 => 9,
                0xd7 => 10,
                0xd8 => 18,
                _ => 1,
            };
            at = at.saturating_add(length);
            count += 1;
        }
        Self {
            count,
            never_used: None,
        }
    }
}

pub(super) fn write(value: &Value) -> Result<Vec<u8>, Problem> {
    let mut message = Vec::new();
    rmpv::encode::write_value(&mut message, &made(value)?)
        .map_err(|error| Problem::new(format!("cannot be written as MessagePack: {error}")))?;
    Ok(message)
}

fn understood(value: Packed) -> Result<Value, Problem> {
    Ok(match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(value) => Value::Bool(value),
        Packed::Integer(value) => Value::Int(wide(value)),
        Packed::F32(value) => Value::Float(value.into()),
        Packed::F64(value) => Value::Float(value),
        Packed::String(text) => match String::from_utf8(text.into_bytes()) {
            Ok(text) => Value::Text(text),
            // Old programs have bytes there.
            Err(error) => Value::Bytes(error.into_bytes()),
        },
        Packed::Binary(bytes) => Value::Bytes(bytes),
        Packed::Array(items) => Value::List(
            items
                .into_iter()
                .map(understood)
                .collect::<Result<_, _>>()?,
        ),
        Packed::Map(entries) => {
            let entry = |(key, value)| Ok((understood(key)?, understood(value)?));
            Value::Map(entries.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
        Packed::Ext(kind, bytes) => Value::Ext(kind, bytes),
    })
}

fn wide(value: Integer) -> i128 {
    value
        .as_i64()
        .map_or_else(|| value.as_u64().unwrap_or_default().into(), i128::from)
}

fn made(value: &Value) -> Result<Packed, Problem> {
    Ok(match value {
        Value::Null => Packed::Nil,
        Value::Bool(value) => Packed::Boolean(*value),
        Value::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => Packed::from(value),
            (_, Ok(value)) => Packed::from(value),
            _ => {
                return Err(Problem::new(format!(
                    "has the integer {value}, and MessagePack has none of more than 64 bits"
                )));
            }
        },
        Value::Float(value) => Packed::F64(*value),
        Value::Text(text) => Packed::from(text.as_str()),
        Value::Bytes(bytes) => Packed::Binary(bytes.clone()),
        Value::List(items) => Packed::Array(items.iter().map(made).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| Ok((made(key)?, made(value)?));
            Packed::Map(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
        Value::Tag(..) => return Err(Problem::new("has $tag, which is of CBOR")),
        Value::Ext(kind, bytes) => Packed::Ext(*kind, bytes.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_shown() {
        let shown = |bytes: &[u8]| read(bytes).unwrap().to_json().unwrap();
        assert_eq!(shown(b"\xc0"), "null");
        assert_eq!(shown(b"\xff"), "-1");
        assert_eq!(
            shown(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
            "18446744073709551615"
        );
        assert_eq!(shown(b"\xca\x3f\x00\x00\x00"), "0.5");
        assert_eq!(shown(b"\xa2\xff\x00"), r#"{"$base64":"/wA="}"#);
        assert_eq!(shown(b"\xd4\x05\xff"), r#"{"$ext":[5,"/w=="]}"#);
        assert_eq!(
            shown(b"\x82\xa1a\x01\x02\xc3"),
            r#"{"$map":[["a",1],[2,true]]}"#
        );
    }

    #[test]
    fn values_are_counted_before_they_are_made() {
        assert_eq!(Headers::of(b"\x93\x01\xa2ab\x81\xc0\xcd\0\x01").count, 6);
        let mut many = b"\xdd\0\x40\0\0".to_vec();
        many.resize(many.len() + MAX_VALUES, 0);
        assert!(read(&many).unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn what_is_announced_and_not_there_takes_no_memory() {
        for kind in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf_u8] {
            let header = [kind, 0xff, 0xff, 0xff, 0xff];
            assert!(read(&header).is_err(), "{kind:x}");
            let nested = [0xdd, 0xff, 0xff, 0xff, 0xff].repeat(MAX_DEPTH - 2);
            assert!(read(&[&nested[..], &header].concat()).is_err());
        }
    }

    #[test]
    fn what_is_cut_or_wrong_says_where() {
        let problem = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert!(problem(b"\x92\x01").contains("at byte 2"));
        assert!(problem(b"\xdd\xff\xff\xff\xff").contains("middle of a value"));
    }

    #[test]
    fn the_byte_that_is_never_used_is_refused_after_every_kind_and_allowed_inside() {
        let filled = |header: &[u8], bytes: usize| [header, &vec![0xc1; bytes]].concat();
        let kinds = [
            vec![0x01],
            vec![0xff],
            vec![0xc0],
            vec![0xc3],
            vec![0x90],
            vec![0x80],
            filled(&[0xa3], 3),
            filled(&[0xc4, 3], 3),
            filled(&[0xc5, 1, 0], 256),
            filled(&[0xc6, 0, 1, 0, 0], 65536),
            filled(&[0xc7, 3, 5], 3),
            filled(&[0xc8, 1, 0, 5], 256),
            filled(&[0xc9, 0, 1, 0, 0, 5], 65536),
            filled(&[0xca], 4),
            filled(&[0xcb], 8),
            filled(&[0xcc], 1),
            filled(&[0xcd], 2),
            filled(&[0xce], 4),
            filled(&[0xcf], 8),
            filled(&[0xd0], 1),
            filled(&[0xd1], 2),
            filled(&[0xd2], 4),
            filled(&[0xd3], 8),
            filled(&[0xd4, 5], 1),
            filled(&[0xd5, 5], 2),
            filled(&[0xd6, 5], 4),
            filled(&[0xd7, 5], 8),
            filled(&[0xd8, 5], 16),
            filled(&[0xd9, 3], 3),
            filled(&[0xda, 1, 0], 256),
            filled(&[0xdb, 0, 1, 0, 0], 65536),
            vec![0xdc, 0, 0],
            vec![0xdd, 0, 0, 0, 0],
            vec![0xde, 0, 0],
            vec![0xdf, 0, 0, 0, 0],
        ];
        for kind in kinds {
            let pair = |last: u8| [&[0x92], kind.as_slice(), &[last]].concat();
            assert!(read(&pair(0xc0)).is_ok(), "{:02x}", kind[0]);
            assert_eq!(Headers::of(&pair(0xc1)).never_used, Some(kind.len() + 1));
            assert!(read(&pair(0xc1)).unwrap_err().to_string().contains("0xc1"));
        }
    }
}
