//! Broken streams, each with the cause that must come first.

use super::*;
use crate::walker::Found;
use tenfold_codec::Framing;

/// The findings about a stream that must break.
fn of(line: &str, stream: &[u8]) -> Vec<Finding> {
    with_limit(line, 16 << 20, stream)
}

fn with_limit(line: &str, limit: u64, stream: &[u8]) -> Vec<Finding> {
    let framing: Framing = line.parse().unwrap();
    let mut walker = Walker::new(framing.client(), limit);
    let mut nothing = |_: &Excerpt, _: Found<'_>| {};
    let broken = walker
        .take(stream, &mut nothing)
        .and_then(|()| walker.end(&mut nothing))
        .expect_err("the stream is broken");
    walker.look_further(b"", true);
    diagnose(Scene::of(&walker, &broken))
}

/// The same, where the stream goes on after what was read.
fn of_a_beginning(line: &str, stream: &[u8]) -> Vec<Finding> {
    let framing: Framing = line.parse().unwrap();
    let mut walker = Walker::new(framing.client(), 16 << 20);
    let broken = walker
        .take(stream, &mut |_: &Excerpt, _: Found<'_>| {})
        .expect_err("the stream is broken");
    diagnose(Scene::of(&walker, &broken))
}

#[track_caller]
fn check(line: &str, stream: &[u8], kind: &str, works: Option<&str>) {
    let findings = of(line, stream);
    assert_eq!(findings[0].kind, kind, "{findings:#?}");
    let offered = findings.iter().find_map(|finding| finding.works.as_ref());
    assert_eq!(
        offered.map(|works| works.side.to_string()).as_deref(),
        works,
        "{findings:#?}"
    );
}

fn native(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{:<10}", message.len()).into_bytes();
    frame.extend_from_slice(message);
    frame
}

fn binary(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

const WORDS: &[&[u8]] = &[
    b"hello",
    b"the second message",
    b"",
    b"and one more",
    b"end",
];

fn all(frame: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    WORDS.iter().flat_map(|word| frame(word)).collect()
}

#[test]
fn other_protocols_are_named() {
    check(
        "decimal:10",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "http",
        None,
    );
    check("u32be", b"HTTP/1.1 400 Bad Request\r\n\r\n", "http", None);
    check("u16be", b"HTTP/1.1 400 Bad Request\r\n\r\n", "http", None);
    check(
        "decimal:10",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03abcdefghij",
        "tls",
        None,
    );
    check(
        "decimal:10",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03abcdef",
        "gzip",
        None,
    );
    check(
        "decimal:10",
        b"{\"a\":1}\n{\"a\":2}\n",
        "json",
        Some(r"delim:\n"),
    );
}

#[test]
fn an_error_page_in_the_middle_is_named() {
    let mut stream = native(b"hello");
    stream.extend_from_slice(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    check("decimal:10", &stream, "http", None);
}

#[test]
fn other_framings_are_named_and_work() {
    check("decimal:10", &all(binary), "other-framing", Some("u32be"));
    check("u32be", &all(native), "other-framing", Some("decimal:10"));
    let netstring = |m: &[u8]| [m.len().to_string().as_bytes(), b":", m, b","].concat();
    check(
        "decimal:10",
        &all(netstring),
        "other-framing",
        Some(r"decimal,end=:,close=\x2c"),
    );
}

#[test]
fn a_frame_of_another_framing_in_the_middle_is_named() {
    check(
        "decimal:10",
        &[native(b"hello"), binary(b"the second")].concat(),
        "other-framing",
        None,
    );
    let stream = [
        native(b"hello"),
        binary(b"the second"),
        native(b"and one more"),
        native(b"end"),
    ]
    .concat();
    check("decimal:10", &stream, "other-framing", None);
}

#[test]
fn mistakes_with_the_number_are_named() {
    let swapped = |m: &[u8]| [&u32::try_from(m.len()).unwrap().to_le_bytes(), m].concat();
    check("u32be", &all(swapped), "byte-order", Some("u32le"));
    let short = |m: &[u8]| [&u16::try_from(m.len()).unwrap().to_le_bytes(), m].concat();
    check("u16be", &all(short), "byte-order", Some("u16le"));
    let counted = |m: &[u8]| [&u32::try_from(m.len() + 4).unwrap().to_be_bytes(), m].concat();
    check("u32be", &all(counted), "header-counted", Some("u32be-4"));
    let counted = |m: &[u8]| [format!("{:<10}", m.len() + 10).as_bytes(), m].concat();
    check(
        "decimal:10",
        &all(counted),
        "header-counted",
        Some("decimal:10-10"),
    );
    check(
        "decimal:10",
        b"15        hello",
        "header-counted",
        Some("decimal:10-10"),
    );
    let right = |m: &[u8]| [format!("{:>10}", m.len()).as_bytes(), m].concat();
    check(
        "decimal:10",
        &all(right),
        "right-aligned",
        Some("decimal:10,lax"),
    );
    let zeros = |m: &[u8]| [format!("{:010}", m.len()).as_bytes(), m].concat();
    check(
        "decimal:10",
        &all(zeros),
        "zero-padded",
        Some("decimal:010"),
    );
    let eight = |m: &[u8]| [format!("{:<8}", m.len()).as_bytes(), m].concat();
    check("decimal:10", &all(eight), "other-width", Some("decimal:8"));
    let bare = |m: &[u8]| [format!("{}", m.len()).as_bytes(), m].concat();
    check("decimal:10", &all(bare), "unpadded", None);
    let newline = |m: &[u8]| [format!("{:<10}", m.len()).as_bytes(), m, b"\n"].concat();
    check(
        "decimal:10",
        &all(newline),
        "trailing-bytes",
        Some(r"decimal:10,close=\n"),
    );
}

#[test]
fn characters_that_were_counted_are_named() {
    let characters = |text: &str| format!("{:<10}{text}", text.chars().count()).into_bytes();
    let stream = [
        characters("caf\u{e9} \u{20ac}"),
        characters("ok"),
        characters("na\u{ef}ve"),
    ]
    .concat();
    check(
        "decimal:10",
        &stream,
        "characters",
        Some("decimal:10,chars"),
    );
    let binary = |text: &str| {
        let length = u32::try_from(text.chars().count()).unwrap();
        [&length.to_be_bytes(), text.as_bytes()].concat()
    };
    let stream = [
        binary("hello"),
        binary("caf\u{e9} \u{20ac}"),
        binary("all is well"),
        binary("again"),
    ]
    .concat();
    check("u32be", &stream, "characters", None);
    let wide = |text: &str| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [format!("{:<10}", text.len()).as_bytes(), &bytes].concat()
    };
    let stream = [wide("hello"), wide("the second one"), wide("the third")].concat();
    assert!(matches!(of("decimal:10", &stream)[0].kind, "utf-16-units"));
    let all_wide: Vec<u8> = "5         hello"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check("decimal:10", &all_wide, "utf-16", None);
}

#[test]
fn frames_that_are_damaged_are_found() {
    let both = b"5         18        hellothe second message3         abc4         last";
    check("decimal:10", both, "run-together", None);
    let inside = b"11        hello 3         abcworld3         end4         last";
    check("decimal:10", inside, "run-together", None);
    let no_header = [
        native(b"hello"),
        b"the second message".to_vec(),
        native(b"and one more"),
        native(b"end"),
    ]
    .concat();
    check("decimal:10", &no_header, "extra-bytes", None);
    let no_payload = [
        native(b"hello"),
        b"18        ".to_vec(),
        native(b"and one more"),
        native(b"end"),
    ]
    .concat();
    check("decimal:10", &no_payload, "missing-payload", None);
    let mut lost = all(native);
    lost.drain(30..35);
    check("decimal:10", &lost, "missing-bytes", None);
    let late = all(native)[7..].to_vec();
    check("decimal:10", &late, "begins-inside", None);
    let cut = all(native);
    check("decimal:10", &cut[..cut.len() - 1], "cut", None);
    check("decimal:10", b"12        ", "cut", None);
}

#[test]
fn one_frame_that_is_swapped_is_found_far_from_the_beginning() {
    let mut stream: Vec<u8> = (0..6000)
        .flat_map(|_| binary(b"an ordinary message"))
        .collect();
    stream.extend_from_slice(&[&5_u32.to_le_bytes()[..], b"hello"].concat());
    for _ in 0..10 {
        stream.extend(binary(b"and it goes on"));
    }
    check("u32be", &stream, "byte-order", None);
}

#[test]
fn postgres_with_an_encryption_request_is_explained() {
    let ready = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x16application_name\0\0Z\0\0\0\x05I";
    check(
        "u32be-4@1",
        &[b"N", &ready[..]].concat(),
        "encryption-request",
        Some("fixed:1/u32be-4@1"),
    );
}

#[test]
fn nothing_is_made_up_about_noise() {
    let mut state = 7_u32;
    let noise: Vec<u8> = (0..3000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let findings = of("decimal:10", &noise);
    assert!(
        findings.iter().all(|finding| finding.works.is_none()),
        "{findings:#?}"
    );
}

#[test]
fn a_message_over_the_limit_is_not_a_mistake_of_the_sender() {
    let stream = [native(b"ok"), native(&[b'x'; 1001]), native(b"ok")].concat();
    let findings = with_limit("decimal:10", 1000, &stream);
    assert_eq!(findings[0].kind, "too-large", "{findings:#?}");
    assert!(findings[0].says.contains("--max-message 1001"));
    // Four bytes that are not a length are not said to be one.
    let findings = of("u32be", &all(native));
    assert_ne!(findings[0].kind, "too-large", "{findings:#?}");
}

#[test]
fn a_short_number_is_not_taken_for_a_shorter_one() {
    let short = |message: &[u8]| {
        let length = u16::try_from(message.len()).unwrap();
        [&length.to_be_bytes(), message].concat()
    };
    check("u32be", &all(short), "other-width", Some("u16be"));
}

#[test]
fn what_stands_before_or_within_a_header_is_named() {
    check(
        "decimal:10",
        &[b"\xef\xbb\xbf", &all(native)[..]].concat(),
        "byte-order-mark",
        None,
    );
    let padded = |message: &[u8]| {
        let mut frame = message.len().to_string().into_bytes();
        frame.resize(10, 0);
        frame.extend_from_slice(message);
        frame
    };
    check("decimal:10", &all(padded), "padding", None);
    check("decimal:10", &[0; 1000], "zeros", None);
    let stream = [all(native), vec![0; 4096]].concat();
    check("decimal:10", &stream, "zeros", None);
}

#[test]
fn a_frame_that_is_not_closed_before_the_next_one_has_run_into_it() {
    let stream = b"5:hello,6:second5:third,6:fourth,4:last,";
    let findings = of("netstring", stream);
    assert_eq!(findings[0].kind, "run-together", "{findings:#?}");
    assert!(findings[0].says.contains("message 1"), "{findings:#?}");
}

#[test]
fn a_large_message_is_not_taken_for_short_ones_of_another_framing() {
    // In bytes that are nearly all the same, every other byte is rare, and proves nothing.
    let mut stream = [native(b"ok"), native(b"fine")].concat();
    stream.extend_from_slice(b"20971520  ");
    stream.resize(200_000, b'x');
    let findings = of_a_beginning("decimal:10", &stream);
    assert_eq!(findings[0].kind, "too-large", "{findings:#?}");
    assert!(findings[0].works.is_none(), "{findings:#?}");
}

#[test]
fn a_long_text_that_begins_with_a_number_is_not_a_long_message() {
    for number in ["20261125 ", "1764099999 ", "99999999 "] {
        let stream = [
            number.as_bytes(),
            &b"and all the words behind it\n".repeat(4000),
        ]
        .concat();
        let findings = of_a_beginning("decimal:10", &stream);
        let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
        assert!(
            !kinds.contains(&"too-large") && !kinds.contains(&"other-width"),
            "{findings:#?}"
        );
    }
}

#[test]
fn lengths_that_are_off_by_one_are_named() {
    let less = |m: &[u8]| [format!("{:<10}", m.len()).as_bytes(), m, b"?"].concat();
    let stream: Vec<u8> = [&b"one"[..], b"second", b"the third", b"and last"]
        .iter()
        .flat_map(|m| less(m))
        .collect();
    let findings = of("decimal:10", &stream);
    assert_eq!(findings[0].kind, "off-by", "{findings:#?}");
    let more = |m: &[u8]| [format!("{:<10}", m.len() + 1).as_bytes(), m].concat();
    check("decimal:10", &all(more), "off-by", Some("decimal:10-1"));
}

#[test]
fn a_netstring_is_not_said_to_look_like_one() {
    let open = |m: &[u8]| [m.len().to_string().as_bytes(), b":", m].concat();
    check("netstring", &all(open), "not-closed", Some("decimal,end=:"));
    let characters = |text: &str| format!("{}:{text},", text.chars().count()).into_bytes();
    let stream = ["café", "ok", "naïve"].map(characters).concat();
    check(
        "netstring",
        &stream,
        "characters",
        Some(r"decimal,end=:,close=\x2c,chars"),
    );
}

#[test]
fn a_header_block_is_not_a_line() {
    let block = |end: &str| {
        ["1", "22", "333"]
            .map(|text| format!("Content-Length: {}{end}{end}{text}", text.len()))
            .concat()
    };
    check("lsp", block("\n").as_bytes(), "line-ends", None);
    let characters = ["é", "ok", "no\n"]
        .map(|text| format!("Content-Length: {}\r\n\r\n{text}", text.chars().count()));
    check("lsp", characters.concat().as_bytes(), "characters", None);
}

#[test]
fn a_length_that_is_not_in_plain_digits_is_named() {
    for (header, words) in [
        ("0x44      ", "hexadecimal"),
        ("68.0      ", "fraction"),
        ("6,800     ", "separators"),
    ] {
        let stream = format!("{header}{}", "x".repeat(68));
        let findings = of("decimal:10", stream.as_bytes());
        assert_eq!(findings[0].kind, "number", "{findings:#?}");
        assert!(findings[0].says.contains(words), "{findings:#?}");
    }
}

#[test]
fn what_was_sent_without_a_frame_is_named_by_its_beginning() {
    for (kind, bytes) in [
        (
            "compressed",
            &b"\x78\x9c\x75\x98\x7d\x96\xda\x30\x0c\xc4"[..],
        ),
        ("compressed", b"\x28\xb5\x2f\xfd\x04\x58\x29\0\0abc"),
        ("file", b"PK\x03\x04\x14\0\0\0\x08\0abc"),
        ("file", b"%PDF-1.7\nabcdefgh"),
        ("pickle", b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94\x8c\x01a"),
        ("repr", b"b'5         hello'"),
        ("protocol", b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23"),
    ] {
        check("decimal:10", bytes, kind, None);
    }
}

#[test]
fn a_pack_of_git_is_neither_a_frame_nor_another_framing() {
    let pkt = |text: &[u8]| [format!("{:04x}", text.len() + 4).as_bytes(), text].concat();
    let mut stream = [
        pkt(b"git-receive-pack /a.git\0host=example.test\0"),
        pkt(b"0000 e64e refs/heads/main\0 report-status side-band-64k\n"),
        b"0000PACK\0\0\0\x02\0\0\0\x03".to_vec(),
    ]
    .concat();
    let pack = stream.len();
    // Bytes of any sort, as those of a compressed file.
    let mut state = 1_u32;
    stream.extend((0..10_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }));
    check("hex:4-4,marks", &stream, "pack", None);
    // Nor are they strings that end with NUL, also if the last byte is one and no word says what they are.
    stream.push(0);
    stream[pack - 12..pack - 8].copy_from_slice(b"????");
    let findings = of("hex:4-4,marks", &stream);
    assert!(
        findings.iter().all(|finding| finding.works.is_none()),
        "{findings:#?}"
    );
}
