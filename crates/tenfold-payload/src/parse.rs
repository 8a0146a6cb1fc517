//! A value from its JSON.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::Problem;
use crate::value::Value;

/// The value that a JSON text stands for.
pub(super) fn read(text: &[u8]) -> Result<Value, Problem> {
    check_integers(text)?;
    serde_json::from_slice(text).map_err(|error| Problem::no_json(&error))
}

/// An integer that does not fit 64 bits would become a number near it.
fn check_integers(text: &[u8]) -> Result<(), Problem> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at += string_length(&text[at..]),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = text[at..].iter().take_while(is_part).count();
                check_integer(&text[at..at + length])?;
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

fn check_integer(digits: &[u8]) -> Result<(), Problem> {
    let digits = String::from_utf8_lossy(digits);
    let is_integer = !digits.contains(['.', 'e', 'E']);
    if is_integer && digits.parse::<i64>().is_err() && digits.parse::<u64>().is_err() {
        return Err(Problem::new(format!(
            r#"has an integer of more than 64 bits: write {{"$int": "{digits}"}}, or {digits}.0"#
        )));
    }
    Ok(())
}

/// How many bytes the string has that begins here, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map: Vec<(String, Value)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} comes twice"
                )));
            }
            map.push((key, value));
        }
        understood(map).map_err(A::Error::custom)
    }
}

/// An object, or what stands for something that JSON has not.
fn understood(mut map: Vec<(String, Value)>) -> Result<Value, String> {
    let Some(special) = map.iter().find(|(key, _)| key.starts_with('$')) else {
        let entry = |(key, value)| (Value::Text(key), value);
        return Ok(Value::Map(map.into_iter().map(entry).collect()));
    };
    let key = special.0.clone();
    let wrong = || {
        format!(
            "{key:?} has no meaning here: keys that begin with $ stand alone in their object, and are \
             $base64, $float, $int, $map, $tag, $ext (a map that has such a key is {{\"$map\": [[key, value]]}})"
        )
    };
    let (Some((_, value)), true) = (map.pop(), map.is_empty()) else {
        return Err(wrong());
    };
    special_value(&key, value)?.ok_or_else(wrong)
}

/// What `{key: value}` stands for; none if it is nothing.
fn special_value(key: &str, value: Value) -> Result<Option<Value>, String> {
    Ok(match (key, value) {
        ("$base64", Value::Text(text)) => Some(Value::Bytes(bytes(&text)?)),
        ("$float", Value::Text(text)) => match text.as_str() {
            "nan" => Some(Value::Float(f64::NAN)),
            "inf" => Some(Value::Float(f64::INFINITY)),
            "-inf" => Some(Value::Float(f64::NEG_INFINITY)),
            _ => None,
        },
        ("$int", Value::Text(text)) => {
            let number = text.parse().map_err(|error| format!("\"$int\": {error}"))?;
            Some(Value::Int(number))
        }
        ("$map", Value::List(entries)) => {
            let entries: Option<Vec<_>> = entries.into_iter().map(pair).collect();
            entries.map(Value::Map)
        }
        ("$tag", tag @ Value::List(_)) => match pair(tag) {
            Some((Value::Int(tag), value)) => {
                let tag = u64::try_from(tag).ok();
                tag.map(|tag| Value::Tag(tag, Box::new(value)))
            }
            _ => None,
        },
        ("$ext", ext @ Value::List(_)) => match pair(ext) {
            Some((Value::Int(kind), Value::Text(text))) => match i8::try_from(kind) {
                Ok(kind) => Some(Value::Ext(kind, bytes(&text)?)),
                Err(_) => None,
            },
            _ => None,
        },
        _ => None,
    })
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let Value::List(items) = value else {
        return None;
    };
    <[Value; 2]>::try_from(items).ok().map(Into::into)
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text)
        .map_err(|error| format!("bad base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_that_would_be_rounded_is_refused() {
        let problem = |text: &[u8]| read(text).unwrap_err().to_string();
        assert!(problem(b"[1, 18446744073709551616]").contains("$int"));
        assert!(problem(b"-9223372036854775809").contains("$int"));
        let text = br#"{"18446744073709551616": "a\\\"18446744073709551616", "b": 1e30}"#;
        assert!(read(text).is_ok());
    }

    #[test]
    fn keys_with_a_dollar_mean_something_or_are_refused() {
        for wrong in [
            r#"{"$base64": 1}"#,
            r#"{"$base64": "*"}"#,
            r#"{"$float": "1"}"#,
            r#"{"$int": "one"}"#,
            r#"{"$map": [[1]]}"#,
            r#"{"$tag": [-1, 2]}"#,
            r#"{"$ext": [128, ""]}"#,
            r#"{"$call": "os.system"}"#,
            r#"{"$base64": "", "a": 1}"#,
            r#"{"a": 1, "$base64": ""}"#,
            r#"{"a": 1, "a": 2}"#,
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
