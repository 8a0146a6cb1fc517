//! Numbers, texts and bytes as JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn put_int(value: i128, out: &mut String) {
    let fits = i64::try_from(value).is_ok() || u64::try_from(value).is_ok();
    // Writing to a string cannot fail.
    let _ = if fits {
        write!(out, "{value}")
    } else {
        write!(out, r#"{{"$int":"{value}"}}"#)
    };
}

pub(super) fn put_float(value: f64, out: &mut String) {
    match serde_json::Number::from_f64(value) {
        Some(number) => out.push_str(&number.to_string()),
        None if value.is_nan() => out.push_str(r#"{"$float":"nan"}"#),
        None if value > 0.0 => out.push_str(r#"{"$float":"inf"}"#),
        None => out.push_str(r#"{"$float":"-inf"}"#),
    }
}

pub(super) fn put_text(text: &str, out: &mut String) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut String) {
    out.push_str(r#"{"$base64":""#);
    STANDARD.encode_string(bytes, out);
    out.push_str(r#""}"#);
}
