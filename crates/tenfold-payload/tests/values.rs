//! Values of all formats, there and back.
#![cfg(all(
    feature = "json",
    feature = "cbor",
    feature = "msgpack",
    feature = "pickle"
))]

use tenfold_payload::{ValueFormat, WritableFormat, from_json, to_json};

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

fn there_and_back(format: ValueFormat, writable: WritableFormat, line: &str) {
    let message = from_json(writable, line.as_bytes()).unwrap();
    assert_eq!(to_json(format, &message).as_deref(), Ok(line));
}

#[test]
fn what_is_shown_can_be_written_again() {
    for line in LINES {
        there_and_back(ValueFormat::Cbor, WritableFormat::Cbor, line);
        there_and_back(ValueFormat::Msgpack, WritableFormat::Msgpack, line);
    }
    there_and_back(
        ValueFormat::Cbor,
        WritableFormat::Cbor,
        r#"{"$tag":[1,1700000000]}"#,
    );
    for int in ["18446744073709551616", "-9223372036854775809"] {
        let line = format!(r#"{{"$int":"{int}"}}"#);
        there_and_back(ValueFormat::Cbor, WritableFormat::Cbor, &line);
    }
    let line = r#"{"$ext":[-1,"AP8="]}"#;
    there_and_back(ValueFormat::Msgpack, WritableFormat::Msgpack, line);
}

#[test]
fn what_a_format_has_no_place_for_is_refused() {
    for line in [r#"{"$tag":[1,2]}"#, r#"{"$int":"18446744073709551616"}"#] {
        assert!(from_json(WritableFormat::Msgpack, line.as_bytes()).is_err());
    }
    let line = br#"{"$ext":[1,""]}"#;
    assert!(from_json(WritableFormat::Cbor, line).is_err());
}

#[test]
fn a_message_is_one_value_and_nothing_behind_it() {
    let problem = |format, bytes: &[u8]| to_json(format, bytes).unwrap_err().to_string();
    for format in [ValueFormat::Cbor, ValueFormat::Msgpack] {
        assert!(problem(format, &[1, 2, 3]).contains("2 bytes after"));
        assert!(problem(format, b"").contains("is not"));
    }
    assert!(problem(ValueFormat::Json, b"1 2").contains("is not JSON"));
    assert!(problem(ValueFormat::Pickle, b"N.N").contains("1 byte after"));
}

#[test]
fn deep_nesting_is_refused_and_does_not_end_the_program() {
    let many = 100_000;
    assert!(to_json(ValueFormat::Cbor, &vec![0x81; many]).is_err());
    assert!(to_json(ValueFormat::Msgpack, &vec![0x91; many]).is_err());
    assert!(to_json(ValueFormat::Json, &vec![b'['; many]).is_err());
    let pickle = [vec![b']'; many], vec![b'a'; many - 1], vec![b'.']].concat();
    let problem = to_json(ValueFormat::Pickle, &pickle).unwrap_err();
    assert!(problem.to_string().contains("nested deeper"));
}

#[test]
fn json_keeps_its_numbers_and_its_order() {
    let text = b"{ \"b\" : 1.50,\n\t\"a\" : [ 123456789012345678901234567890, \" x\\\" \" ] }";
    let line = r#"{"b":1.50,"a":[123456789012345678901234567890," x\" "]}"#;
    assert_eq!(to_json(ValueFormat::Json, text).as_deref(), Ok(line));
}
