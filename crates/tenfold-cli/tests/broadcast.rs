//! `tenfold broadcast`: sources, ends, listeners.

mod common;

use std::fs::OpenOptions;
use std::io::{Read, Write};

use common::*;

#[test]
fn every_client_gets_every_line() {
    let mut server = listen(&["broadcast", "--wait-clients", "3", "--welcome", "hi"]);
    server.write(b"one\n\nlast");
    server.close_stdin();
    let address = server.address();
    let clients: Vec<_> = (0..3).map(|_| connect(&address)).collect();
    for client in clients {
        assert_eq!(read_to_end(client), frames(&[b"hi", b"one", b"", b"last"]));
    }
    let ended = server.end();
    assert_eq!((ended.code, ended.out), (Some(0), vec![]));
    assert!(
        ended.err.starts_with(&format!("listening {address} (")),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

#[test]
fn frames_are_passed_on_as_they_are() {
    let large = vec![7; 3 << 20];
    let stream = frames(&[b"a", &large, b"", b"b"]);
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &stream);
    let server = listen(&[
        "broadcast",
        "--in",
        "frames",
        "--wait-clients",
        "1",
        text(&path),
    ]);
    assert!(read_to_end(connect(&server.address())) == stream);
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_non_minimal_frame_is_passed_on_and_not_repaired() {
    let mut server = listen(&[
        "broadcast",
        "--in",
        "frames",
        "--framing",
        "varint",
        "--wait-clients",
        "1",
    ]);
    server.write(b"\x82\x00hi");
    server.close_stdin();
    assert_eq!(read_to_end(connect(&server.address())), b"\x82\x00hi");
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn messages_before_a_bad_frame_are_sent() {
    let mut server = listen(&["broadcast", "--in", "frames", "--wait-clients", "1"]);
    server.write(&frames(&[b"one", b"two"]));
    server.write(b"three");
    let client = connect(&server.address());
    assert_eq!(read_to_end(client), frames(&[b"one", b"two"]));
    let ended = server.end();
    assert_eq!(ended.code, Some(4));
    assert!(
        ended
            .err
            .contains("bad header at offset 26 (message 2): \"three\""),
        "{}",
        ended.err
    );
}

#[test]
fn a_cut_source_is_a_framing_error() {
    let mut server = listen(&["broadcast", "--in", "frames", "--wait-clients", "1"]);
    server.write(&frame(b"one"));
    server.write(b"5         he");
    server.close_stdin();
    assert_eq!(read_to_end(connect(&server.address())), frame(b"one"));
    assert_eq!(server.end().code, Some(4));
}

#[test]
fn the_count_ends_it_between_two_frames() {
    for format in ["lines", "frames"] {
        let mut server = listen(&[
            "broadcast",
            "--in",
            format,
            "--wait-clients",
            "1",
            "--count",
            "2",
        ]);
        match format {
            "frames" => server.write(&frames(&[b"1", b"2", b"3"])),
            _ => server.write(b"1\n2\n3\n"),
        }
        assert_eq!(
            read_to_end(connect(&server.address())),
            frames(&[b"1", b"2"])
        );
        assert_eq!(server.end().code, Some(0));
    }
}

#[test]
fn a_file_is_followed_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, b"one\n");
    let server = listen(&["broadcast", "--follow", "--wait-clients", "1", text(&path)]);
    let mut client = connect(&server.address());
    let mut read = |message: &[u8]| {
        let mut bytes = vec![0; message.len() + 10];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, frame(message));
    };
    read(b"one");
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(b"two\nthree\n").unwrap();
    read(b"two");
    read(b"three");
    server.signal("-TERM");
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_signal_ends_it_between_two_frames() {
    for (signal, code) in [("-INT", 130), ("-TERM", 0)] {
        let server = listen(&["broadcast", "--every", "1ms", "--message", "tick {time}"]);
        let mut client = connect(&server.address());
        let mut bytes = vec![0; 100];
        client.read_exact(&mut bytes).unwrap();
        server.signal(signal);
        client.read_to_end(&mut bytes).unwrap();
        let frame = "30        tick 2026-01-01T00:00:00+00:00".len();
        assert_eq!(
            bytes.len() % frame,
            0,
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        assert_eq!(server.end().code, Some(code));
    }
}

#[test]
fn messages_that_are_given_come_in_turn() {
    for given in [&["one", "two"][..], &["one", "--message", "two"]] {
        let every = [
            "broadcast",
            "--every",
            "1ms",
            "--count",
            "3",
            "--wait-clients",
            "1",
        ];
        let server = listen(&[&every[..], given].concat());
        assert_eq!(
            read_to_end(connect(&server.address())),
            frames(&[b"one", b"two", b"one"])
        );
        assert_eq!(server.end().code, Some(0));
    }
    for wrong in [
        &["broadcast", "--every", "1ms"][..],
        &["broadcast", "one", "two"],
    ] {
        let ended = run(wrong, b"");
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.err);
        assert!(ended.err.contains("--every"), "{}", ended.err);
    }
}

#[test]
fn several_listeners_are_in_the_port_file_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", text(&dir.path().join("socket")));
    let mut server = listen(&["broadcast", "--listen", &socket, "--wait-clients", "2"]);
    let addresses = server.addresses();
    assert_eq!((addresses.len(), &addresses[0]), (2, &socket));
    let clients: Vec<_> = addresses
        .iter()
        .map(|address| start(&["recv", address]))
        .collect();
    server.write(b"hello\n");
    server.close_stdin();
    for client in clients {
        assert_eq!(client.end().out, b"hello\n");
    }
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_framing_whose_first_message_differs_cannot_be_broadcast() {
    let ended = run(&["broadcast", "--framing", "fixed:4/line"], b"");
    assert_eq!(ended.code, Some(2));
}

#[test]
fn the_summary_is_json_when_asked_for() {
    let mut server = listen(&["broadcast", "--wait-clients", "1", "--report", "json"]);
    server.write(b"hello\n");
    server.close_stdin();
    read_to_end(connect(&server.address()));
    let err = server.end().err;
    let summary = err.lines().last().unwrap();
    assert!(
        summary.contains("\"messages\":1,") && summary.contains("\"sent\":1,"),
        "{err}"
    );
}
