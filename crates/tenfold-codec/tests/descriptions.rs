//! What an error says of the bytes that are not a frame: a help for people, the same however little
//! of it had come when the verdict fell.

use tenfold_codec::{DecodeError, Decoder, ErrorKind, Framing, LooksLike};

/// What programs send to the wrong port, and what the native framing takes it for.
fn strangers() -> Vec<(&'static [u8], LooksLike)> {
    vec![
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            LooksLike::Http,
        ),
        (b"POST /messages HTTP/1.1\r\n", LooksLike::Http),
        (b"HTTP/1.1 400 Bad Request\r\n", LooksLike::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", LooksLike::Http2),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            LooksLike::Tls,
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", LooksLike::Ssh),
        (
            b"Content-Length: 52\r\n\r\n{\"jsonrpc\"",
            LooksLike::ContentLength,
        ),
        (b"{\"id\": 1}\n", LooksLike::Json),
        (b"[{\"id\": 1}]", LooksLike::Json),
        (b"<?xml version=\"1.0\"?>", LooksLike::Xml),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", LooksLike::Gzip),
        (b"5:hello,3:abc,", LooksLike::Netstring),
        (
            b"61 <13>1 2026-01-01T00:00:00Z host app - - - hi",
            LooksLike::OctetCounted,
        ),
        (b"*1\r\n$4\r\nPING\r\n", LooksLike::Resp),
        (b"INFO {\"server_id\":\"x\"}\r\n", LooksLike::Nats),
        (
            b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n",
            LooksLike::Nats,
        ),
        (
            b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc",
            LooksLike::Mqtt,
        ),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", LooksLike::Proxy),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", LooksLike::Proxy),
        (b"\0\0\0\x05hello\0\0\0\x03abc", LooksLike::BigEndian4(5)),
        (b"\x05\0\0\0hello\x03\0\0\0abc", LooksLike::LittleEndian4(5)),
        (b"         5hello", LooksLike::RightAligned),
        (b"0000000005hello", LooksLike::ZeroPadded),
        (b"+5        hello", LooksLike::Signed),
        (b"-1        ", LooksLike::Signed),
        (b"5hello5world", LooksLike::Unpadded),
        (b"12{\"temp\": 21}2ok", LooksLike::Unpadded),
        (
            b"300a message that is longer than what came",
            LooksLike::Unpadded,
        ),
        (b"\xff\xfeh\0e\0l\0l\0o\0", LooksLike::Utf16),
        (b"one\ntwo\nthree\n", LooksLike::Lines),
    ]
}

fn native() -> Decoder {
    Decoder::new(Framing::default().client())
}

fn failure(decoder: &mut Decoder) -> DecodeError {
    decoder.next_event().map(|_| ()).unwrap_err()
}

#[test]
fn strangers_are_recognised_in_the_bytes_that_came_with_the_verdict() {
    for (bytes, guess) in strangers() {
        let mut decoder = native();
        decoder.feed(bytes);
        let error = failure(&mut decoder);
        assert_eq!(error.looks_like(), Some(guess), "{}", bytes.escape_ascii());
        assert!(error.to_string().ends_with(&guess.to_string()), "{error}");
        assert_eq!(error.header(), &bytes[..bytes.len().min(10)]);
    }
}

#[test]
fn strangers_are_recognised_in_the_bytes_that_come_after_the_verdict() {
    for (bytes, guess) in strangers() {
        let mut decoder = native();
        let mut fed = 0;
        let first = loop {
            decoder.feed(&bytes[fed..=fed]);
            fed += 1;
            if let Err(error) = decoder.next_event() {
                break error;
            }
        };
        let wanted = first.wants_evidence();
        assert_eq!(wanted, 64 - fed);
        let rest = &bytes[fed..];
        let described = first.clone().with_evidence(rest);
        assert_eq!(described.looks_like(), Some(guess));
        assert_eq!(described.kind(), first.kind());
        assert_eq!(described.offset(), first.offset());
        // The owner of the decoder may also just go on feeding it.
        decoder.feed(rest);
        assert_eq!(failure(&mut decoder), described);
    }
}

#[test]
fn the_end_of_a_line_after_a_message_is_recognised_and_other_newlines_are_not() {
    let guess = |bytes: &[u8]| {
        let mut decoder = native();
        decoder.feed(bytes);
        while let Ok(Some(_)) = decoder.next_event() {}
        failure(&mut decoder).looks_like()
    };
    for bytes in [
        &b"5         hello\r\n5         world\r\n"[..],
        b"5         hello\n5         world\n",
        b"5         hello\r\n",
        b"5         hello\n",
    ] {
        let shown = bytes.escape_ascii();
        assert_eq!(guess(bytes), Some(LooksLike::NewlineAfter), "{shown}");
    }
    // Before the first message it is something else, and so is a line of text.
    for bytes in [
        &b"\r\n5         hello"[..],
        b"5         hello\nan error message\n",
    ] {
        let shown = bytes.escape_ascii();
        assert_ne!(guess(bytes), Some(LooksLike::NewlineAfter), "{shown}");
    }
    // A date, a time and a fraction are not taken for numbers without padding.
    for bytes in [&b"2026-11-26 sensor up"[..], b"21.5 degrees", b"10/11/2026"] {
        let shown = bytes.escape_ascii();
        assert_ne!(guess(bytes), Some(LooksLike::Unpadded), "{shown}");
    }
}

#[test]
fn the_rest_of_a_message_whose_length_was_too_small_is_recognised() {
    let mut decoder = native();
    decoder.feed("5         café!2         ok".as_bytes());
    assert!(decoder.next_event().unwrap().is_some());
    let guess = failure(&mut decoder).looks_like();
    assert_eq!(guess, Some(LooksLike::TooSmall(1)));
}

#[test]
fn an_error_names_the_place_the_header_and_both_lengths() {
    let mut decoder = native();
    decoder.feed(b"3         abc99999999  and more");
    assert!(decoder.next_event().unwrap().is_some());
    let error = failure(&mut decoder);
    assert_eq!((error.offset(), error.index()), (13, 1));
    assert_eq!(error.header(), b"99999999  ");
    assert_eq!(
        *error.kind(),
        ErrorKind::TooLarge {
            declared: Some(99_999_999),
            limit: tenfold_codec::DEFAULT_LIMIT
        }
    );
    let text = error.to_string();
    for part in ["13", "99999999", "16777216"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_end_inside_a_frame_says_what_was_there_and_what_was_missing() {
    let mut decoder = native();
    decoder.feed(b"12        hello");
    decoder.finish();
    let error = failure(&mut decoder);
    assert!(error.is_truncated());
    assert_eq!(error.looks_like(), None);
    let text = error.to_string();
    assert!(text.contains("5 bytes were there"), "{text}");
    assert!(text.contains("7 bytes were missing"), "{text}");
}

#[test]
fn a_framing_is_not_recommended_to_itself() {
    for (framing, stream) in [
        (r"decimal,end=\x20", &b"99999999999999999999999 abc"[..]),
        ("decimal:08", b"0000000x"),
        ("u32be-4", b"\0\0\0\x02ab"),
        ("content-length", b"Content-Length : 2\r\n\r\n{}"),
    ] {
        let framing: Framing = framing.parse().unwrap();
        let mut decoder = Decoder::new(framing.client());
        decoder.feed(stream);
        assert_eq!(failure(&mut decoder).looks_like(), None, "{framing}");
    }
    let mut decoder = Decoder::new("u32be".parse::<Framing>().unwrap().client());
    decoder.feed(b"GET / HTTP/1.1\r\n");
    assert_eq!(failure(&mut decoder).looks_like(), Some(LooksLike::Http));
}
