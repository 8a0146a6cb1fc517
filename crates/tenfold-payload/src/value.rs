//! A value of any format but pickle, and its JSON.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::write::{put_bytes, put_float, put_int, put_text};
use crate::{MAX_DEPTH, Problem};

/// What messages are made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    /// In the order of the message; a key may come twice.
    Map(Vec<(Self, Self)>),
    /// Of CBOR.
    Tag(u64, Box<Self>),
    /// Of `MessagePack`.
    Ext(i8, Vec<u8>),
}

impl Value {
    /// One line of JSON.
    pub(super) fn to_json(&self) -> Result<String, Problem> {
        let mut out = String::new();
        self.put(&mut out, MAX_DEPTH)?;
        Ok(out)
    }

    fn put(&self, out: &mut String, depth: usize) -> Result<(), Problem> {
        let depth = depth.checked_sub(1).ok_or_else(Problem::too_deep)?;
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => put_int(*value, out),
            Self::Float(value) => put_float(*value, out),
            Self::Text(text) => put_text(text, out),
            Self::Bytes(bytes) => put_bytes(bytes, out),
            Self::List(items) => put_list(items, out, depth)?,
            Self::Map(entries) if is_plain(entries) => put_object(entries, out, depth)?,
            Self::Map(entries) => {
                out.push_str(r#"{"$map":["#);
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at == 0 { "[" } else { ",[" });
                    key.put(out, depth)?;
                    out.push(',');
                    value.put(out, depth)?;
                    out.push(']');
                }
                out.push_str("]}");
            }
            Self::Tag(tag, value) => {
                // Writing to a string cannot fail.
                let _ = write!(out, r#"{{"$tag":[{tag},"#);
                value.put(out, depth)?;
                out.push_str("]}");
            }
            Self::Ext(kind, bytes) => {
                let _ = write!(out, r#"{{"$ext":[{kind},"{}"]}}"#, STANDARD.encode(bytes));
            }
        }
        Ok(())
    }
}

fn put_list(items: &[Value], out: &mut String, depth: usize) -> Result<(), Problem> {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item.put(out, depth)?;
    }
    out.push(']');
    Ok(())
}

fn put_object(entries: &[(Value, Value)], out: &mut String, depth: usize) -> Result<(), Problem> {
    out.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        key.put(out, depth)?;
        out.push(':');
        value.put(out, depth)?;
    }
    out.push('}');
    Ok(())
}

/// Whether a map is an object of JSON, and no other map looks like it.
fn is_plain(entries: &[(Value, Value)]) -> bool {
    let mut seen = HashSet::new();
    entries.iter().all(|(key, _)| match key {
        Value::Text(key) => !key.starts_with('$') && seen.insert(key),
        _ => false,
    })
}
