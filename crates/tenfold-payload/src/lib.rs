//! `--payload`: what is in a message, as one line of JSON, and back.
//!
//! What JSON cannot say has an object with a key that begins with `$`:
//!
//! | in the message | as JSON |
//! |---|---|
//! | bytes; text that is no UTF-8 | `{"$base64": "AP8="}` |
//! | a number that is none, or infinite | `{"$float": "nan"}`, `"inf"`, `"-inf"` |
//! | an integer of more than 64 bits | `{"$int": "18446744073709551616"}` |
//! | a map with keys that are no text, come twice, or begin with `$` | `{"$map": [[1, "one"]]}` |
//! | a tag of CBOR | `{"$tag": [1, 1700000000]}` |
//! | an extension of `MessagePack` | `{"$ext": [5, "AP8="]}` |
//!
//! These can be read back, all others of pickle only be shown (see [`pickle`]).

mod cbor;
mod json;
mod msgpack;
mod pickle;
mod value;

use std::fmt;

use clap::ValueEnum;

/// How values stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// JSON, of any number of lines
    Json,
    /// CBOR (RFC 8949)
    Cbor,
    #[value(help = "MessagePack")]
    Msgpack,
    /// Python's pickle; nothing of it is executed
    Pickle,
}

/// Those that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Written {
    /// JSON, without needless spaces
    Json,
    /// CBOR (RFC 8949)
    Cbor,
    #[value(help = "MessagePack")]
    Msgpack,
}

/// Why a message is not what it should be. The words follow `message 3`, or `line 3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem(String);

/// Values are nested no deeper: they are read by functions that call themselves.
const MAX_DEPTH: usize = 128;

/// The one value in a message, as JSON on one line, without the newline.
pub(crate) fn to_json(payload: Payload, message: &[u8]) -> Result<String, Problem> {
    match payload {
        Payload::Json => json::compact(message),
        Payload::Cbor => cbor::read(message)?.to_json(),
        Payload::Msgpack => msgpack::read(message)?.to_json(),
        Payload::Pickle => pickle::show(message),
    }
}

/// The message for a value that is given as JSON.
pub(crate) fn from_json(payload: Written, text: &[u8]) -> Result<Vec<u8>, Problem> {
    match payload {
        Written::Json => json::compact(text).map(String::into_bytes),
        Written::Cbor => cbor::write(&json::read(text)?),
        Written::Msgpack => msgpack::write(&json::read(text)?),
    }
}

impl Problem {
    fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    fn is_no(kind: &str, why: impl fmt::Display) -> Self {
        Self(format!("is no {kind}: {why}"))
    }

    fn behind(kind: &str, rest: usize) -> Self {
        let bytes = if rest == 1 { "byte" } else { "bytes" };
        Self(format!("has {rest} {bytes} behind its {kind} value"))
    }

    fn too_deep() -> Self {
        Self(format!("is nested deeper than {MAX_DEPTH} levels"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[&str] = &[
        "null",
        "true",
        "[]",
        "{}",
        "-9223372036854775808",
        "18446744073709551615",
        "0.1",
        "1.0",
        "1e+300",
        r#""é\n\u0000""#,
        r#"{"b":1,"a":{"c":[1,2,[3]]}}"#,
        r#"{"$base64":"AP8="}"#,
        r#"{"$float":"inf"}"#,
        r#"{"$float":"-inf"}"#,
        r#"{"$float":"nan"}"#,
        r#"{"$map":[[1,"one"],[[2],null]]}"#,
        r#"{"$map":[["$base64",1]]}"#,
        r#"{"$map":[["twice",1],["twice",2]]}"#,
    ];

    fn there_and_back(payload: Payload, written: Written, line: &str) {
        let message = from_json(written, line.as_bytes()).unwrap();
        assert_eq!(to_json(payload, &message).as_deref(), Ok(line));
    }

    #[test]
    fn what_is_shown_can_be_written_again() {
        for line in LINES {
            there_and_back(Payload::Cbor, Written::Cbor, line);
            there_and_back(Payload::Msgpack, Written::Msgpack, line);
        }
        there_and_back(Payload::Cbor, Written::Cbor, r#"{"$tag":[1,1700000000]}"#);
        for int in ["18446744073709551616", "-9223372036854775809"] {
            let line = format!(r#"{{"$int":"{int}"}}"#);
            there_and_back(Payload::Cbor, Written::Cbor, &line);
        }
        let line = r#"{"$ext":[-1,"AP8="]}"#;
        there_and_back(Payload::Msgpack, Written::Msgpack, line);
    }

    #[test]
    fn what_a_format_has_no_place_for_is_refused() {
        for line in [r#"{"$tag":[1,2]}"#, r#"{"$int":"18446744073709551616"}"#] {
            assert!(from_json(Written::Msgpack, line.as_bytes()).is_err());
        }
        let line = br#"{"$ext":[1,""]}"#;
        assert!(from_json(Written::Cbor, line).is_err());
    }

    #[test]
    fn a_message_is_one_value_and_nothing_behind_it() {
        let problem = |payload, bytes: &[u8]| to_json(payload, bytes).unwrap_err().to_string();
        for payload in [Payload::Cbor, Payload::Msgpack] {
            assert!(problem(payload, &[1, 2, 3]).contains("2 bytes behind"));
            assert!(problem(payload, b"").contains("is no"));
        }
        assert!(problem(Payload::Json, b"1 2").contains("is no JSON"));
        assert!(problem(Payload::Pickle, b"N.N").contains("1 byte behind"));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_end_the_program() {
        let many = 100_000;
        assert!(to_json(Payload::Cbor, &vec![0x81; many]).is_err());
        assert!(to_json(Payload::Msgpack, &vec![0x91; many]).is_err());
        assert!(to_json(Payload::Json, &vec![b'['; many]).is_err());
        let pickle = [vec![b']'; many], vec![b'a'; many - 1], vec![b'.']].concat();
        let problem = to_json(Payload::Pickle, &pickle).unwrap_err();
        assert!(problem.to_string().contains("nested deeper"));
    }

    #[test]
    fn json_keeps_its_numbers_and_its_order() {
        let text = b"{ \"b\" : 1.50,\n\t\"a\" : [ 123456789012345678901234567890, \" x\\\" \" ] }";
        let line = r#"{"b":1.50,"a":[123456789012345678901234567890," x\" "]}"#;
        assert_eq!(to_json(Payload::Json, text).as_deref(), Ok(line));
    }
}
