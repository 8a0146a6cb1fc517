//! `tenfold send`: sources, and a close that loses nothing.

mod common;

use std::io::{Read, Write};

use common::*;

/// What a receiver gets from `send` with these arguments behind the address, and this stdin.
fn sent(arguments: &[&str], stdin: &[u8]) -> (Vec<u8>, Ended) {
    let (listener, address) = listener();
    let mut send = start(&[&["send", &address], arguments].concat());
    let peer = accept(&listener);
    send.write(stdin);
    send.close_stdin();
    (read_to_end(peer), send.end())
}

#[test]
fn arguments_are_messages() {
    let (bytes, ended) = sent(&["one", "", "two words"], b"");
    assert_eq!(bytes, frames(&[b"one", b"", b"two words"]));
    assert_eq!(
        (ended.code, ended.out, ended.err.as_str()),
        (Some(0), vec![], "")
    );
}

#[test]
fn stdin_is_read_in_each_format() {
    for (format, stdin, messages) in [
        (
            "lines",
            &b"a\n\nb\r\nlast"[..],
            &[&b"a"[..], b"", b"b\r", b"last"][..],
        ),
        (
            "crlf",
            b"a\r\n\r\nb\nc\r\nlast",
            &[b"a", b"", b"b\nc", b"last"],
        ),
        ("nul", b"a\0\0b\nc\0last", &[b"a", b"", b"b\nc", b"last"]),
        ("whole", b"all\nof\0it", &[b"all\nof\0it"]),
        ("whole", b"", &[b""]),
        ("hex", b"00ff\n\n6162\n", &[b"\0\xff", b"", b"ab"]),
        (
            "json",
            b"{\"text\":\"a\\n\"}\n{\"base64\":\"//4=\"}",
            &[b"a\n", b"\xff\xfe"],
        ),
        ("frames", &frames(MESSAGES), MESSAGES),
    ] {
        let (bytes, ended) = sent(&["--in", format], stdin);
        assert_eq!(ended.code, Some(0), "{format}: {}", ended.err);
        assert_eq!(bytes, frames(messages), "{format}");
    }
}

#[test]
fn json_is_how_messages_are_written_and_not_the_report() {
    let (bytes, ended) = sent(&["--json"], b"{\"text\":\"a\"}\n");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(bytes, frame(b"a"));
    for arguments in [
        &["send", ":1", "--json", "message"][..],
        &["pub", "ticks", "--json", "message"],
        &["bridge", "-", ":1", "--json"],
        &["serve", "--json"],
    ] {
        let ended = run(arguments, b"");
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.err.contains("--report json"), "{}", ended.err);
    }
}

#[test]
fn a_large_file_is_one_message_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let large = vec![b'x'; 20 << 20];
    let path = file(&dir, &large);
    let recv = listen(&["recv", "--out", "frames", "--max-message", "1GiB"]);
    let send = std::process::Command::new(env!("CARGO_BIN_EXE_tenfold"))
        .args([
            "send",
            &recv.address(),
            "--in",
            "whole",
            "--max-message",
            "1GiB",
        ])
        .stdin(std::fs::File::open(path).unwrap())
        .status()
        .unwrap();
    assert!(send.success());
    let ended = recv.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out == frame(&large));
}

#[test]
fn recv_and_send_are_inverses() {
    for format in ["frames", "json", "hex"] {
        let recv = listen(&["recv", "--out", "frames"]);
        let printed = run(&["recv", "-", "--out", format], &frames(MESSAGES)).out;
        let ended = run(&["send", &recv.address(), "--in", format], &printed);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(recv.end().out, frames(MESSAGES), "{format}");
    }
}

#[test]
fn a_receiver_can_be_waited_for() {
    let send = listen(&["send", "hello"]);
    assert_eq!(read_to_end(connect(&send.address())), frame(b"hello"));
    assert_eq!(send.end().code, Some(0));
}

#[test]
fn a_receiver_that_talks_is_neither_a_deadlock_nor_a_reset() {
    // An echo server writes more than the socket's buffers hold before everything is read.
    let (listener, address) = listener();
    let mut send = start(&["send", &address, "--in", "whole", "--max-message", "64MiB"]);
    let mut peer = accept(&listener);
    let echo = std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut bytes = vec![0; 64 * 1024];
        while let n @ 1.. = peer.read(&mut bytes).unwrap() {
            peer.write_all(&bytes[..n]).unwrap();
            all.extend_from_slice(&bytes[..n]);
        }
        all
    });
    let message = vec![b'x'; 32 << 20];
    send.write(&message);
    send.close_stdin();
    assert_eq!(send.end().code, Some(0));
    assert!(echo.join().unwrap() == frame(&message));
}

#[test]
fn messages_before_bad_input_are_sent() {
    for (format, stdin) in [
        ("hex", &b"61\n0g\n"[..]),
        ("hex", b"61\nabc\n"),
        ("json", b"{\"text\":\"a\"}\n{\n"),
        ("frames", b"1         ax"),
    ] {
        let (bytes, ended) = sent(&["--in", format], stdin);
        assert_eq!(
            (ended.code, bytes),
            (Some(4), frame(b"a")),
            "{format}: {}",
            ended.err
        );
        assert!(ended.err.starts_with("tenfold: error: "), "{}", ended.err);
    }
}

#[test]
fn a_message_that_does_not_fit_the_framing_is_refused_by_its_number() {
    let (bytes, ended) = sent(&["--framing", "u8", "ok", &"x".repeat(256)], b"");
    assert_eq!((ended.code, bytes), (Some(4), b"\x02ok".to_vec()));
    assert!(
        ended.err.contains("cannot frame message 1: "),
        "{}",
        ended.err
    );
}

#[test]
fn every_period_a_message_until_the_count() {
    let (bytes, ended) = sent(&["--every", "5ms", "--count", "3", "a", "b"], b"");
    assert_eq!((ended.code, bytes), (Some(0), frames(&[b"a", b"b", b"a"])));
}

#[test]
fn the_summary_is_json_when_asked_for() {
    let (_, ended) = sent(&["--report", "json", "one", "two"], b"");
    assert_eq!(ended.err, "{\"bytes\":26,\"error\":null,\"messages\":2}\n");
}
