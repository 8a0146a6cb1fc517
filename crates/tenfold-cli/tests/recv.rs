//! `tenfold recv`: formats, origins, ends.

mod common;

use std::io::Write;
use std::os::unix::net::UnixStream;

use common::*;

#[test]
fn each_format_is_what_the_manual_says() {
    let joined = |end: &[u8]| {
        MESSAGES
            .join(end)
            .into_iter()
            .chain(end.iter().copied())
            .collect::<Vec<u8>>()
    };
    let hex = "68656c6c6f\n\n636166c3a920e282ac\n74776f0a6c696e6573\nfffe\n7461696c0d\n";
    let json = "{\"index\":0,\"text\":\"hello\"}\n{\"index\":1,\"text\":\"\"}\n\
                {\"index\":2,\"text\":\"caf\u{e9} \u{20ac}\"}\n{\"index\":3,\"text\":\"two\\nlines\"}\n\
                {\"index\":4,\"base64\":\"//4=\"}\n{\"index\":5,\"text\":\"tail\\r\"}\n";
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &frames(MESSAGES));
    for (out, expected) in [
        ("lines", joined(b"\n")),
        ("frames", frames(MESSAGES)),
        ("nul", joined(b"\0")),
        ("raw", MESSAGES.concat()),
        ("hex", hex.into()),
        ("json", json.into()),
    ] {
        let ended = run(&["recv", text(&path), "--out", out], b"");
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{out}");
        assert_eq!(ended.out, expected, "{out}");
    }
    assert_eq!(
        run(&["recv", text(&path), "--json"], b"").out,
        json.as_bytes()
    );
}

#[test]
fn a_file_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, &frames(&[b"a", b"b"]));
    let ended = run(&["recv", text(&path)], b"");
    assert_eq!((ended.code, ended.out), (Some(0), b"a\nb\n".to_vec()));
}

#[test]
fn a_message_is_printed_when_it_comes() {
    let (listener, address) = listener();
    let recv = start(&["recv", &address]);
    let mut peer = accept(&listener);
    for message in [&b"one"[..], b"two"] {
        peer.write_all(&frame(message)).unwrap();
        wait_for("the message", || {
            recv.out()
                .ends_with(&[message, b"\n"].concat())
                .then_some(())
        });
    }
    drop(peer);
    assert_eq!(recv.end().code, Some(0));
}

#[test]
fn a_large_message_goes_through_in_pieces_where_the_format_permits() {
    let large = vec![b'x'; 20 << 20];
    let stream = frames(&[b"before", &large, b"behind"]);
    let arguments = |out| ["recv", "-", "--max-message", "1GiB", "--out", out];
    for (out, expected) in [
        ("frames", stream.clone()),
        ("lines", [&b"before\n"[..], &large, b"\nbehind\n"].concat()),
        ("raw", [&b"before"[..], &large, b"behind"].concat()),
    ] {
        let ended = run(&arguments(out), &stream);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out == expected, "{out}");
    }
    // What is printed in pieces was printed when the stream breaks.
    let ended = run(&arguments("raw"), &stream[..stream.len() - 100]);
    assert_eq!(ended.code, Some(4));
    assert_eq!(
        ended.out.len(),
        6 + large.len() - if large.len() > 84 { 100 - 16 } else { 0 }
    );
}

#[test]
fn marks_are_not_messages_but_have_their_place_in_json_and_frames() {
    let stream = b"0009hello00000006hi0000";
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, stream);
    let out = |out| {
        run(
            &["recv", text(&path), "--framing", "git", "--out", out],
            b"",
        )
        .out
    };
    assert_eq!(out("lines"), b"hello\nhi\n");
    assert_eq!(out("frames"), stream);
    let json = "{\"index\":0,\"text\":\"hello\"}\n{\"mark\":0}\n{\"index\":1,\"text\":\"hi\"}\n{\"mark\":0}\n";
    assert_eq!(String::from_utf8(out("json")).unwrap(), json);
}

#[test]
fn a_bad_message_can_be_left_out_where_the_next_is_found() {
    let stream = frames(&[b"one", b"much too long", b"two"]);
    let ended = run(&["recv", "-", "--max-message", "5", "--skip-bad"], &stream);
    assert_eq!((ended.code, ended.out), (Some(0), b"one\ntwo\n".to_vec()));
    assert!(
        ended
            .err
            .contains("left out: message too large at offset 13"),
        "{}",
        ended.err
    );
}

#[test]
fn who_connects_reads_the_servers_bytes_and_who_listens_the_clients() {
    let framing = "u8 // u16be";
    let (listener, address) = listener();
    let recv = start(&["recv", &address, "--framing", framing]);
    accept(&listener).write_all(b"\0\x02hi").unwrap();
    assert_eq!(recv.end().out, b"hi\n");
    let recv = listen(&["recv", "--framing", framing]);
    connect(&recv.address()).write_all(b"\x02hi").unwrap();
    assert_eq!(recv.end().out, b"hi\n");
}

#[test]
fn a_file_with_two_sides_needs_to_be_told_which() {
    let arguments = ["recv", "-", "--framing", "u8 // u16be"];
    let ended = run(&arguments, b"\x02hi");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--side"), "{}", ended.err);
    for (side, stream) in [("client", &b"\x02hi"[..]), ("server", b"\0\x02hi")] {
        let arguments = [&arguments[..], &["--side", side]].concat();
        assert_eq!(run(&arguments, stream).out, b"hi\n");
    }
}

#[test]
fn many_senders_are_kept_apart_and_a_broken_one_harms_only_itself() {
    let recv = listen(&["recv", "--keep", "--count", "2000"]);
    let address = recv.address();
    let mut broken = connect(&address);
    broken.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let place = broken.local_addr().unwrap().to_string();
    wait_for("the report", || {
        recv.err()
            .contains(&format!("{place}: bad header"))
            .then_some(())
    });
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut stream = connect(&address);
                for number in 0..500 {
                    let message = format!("{sender} {number} {}", "x".repeat(number));
                    stream.write_all(&frame(message.as_bytes())).unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    let ended = recv.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let mut next = [0; 4];
    for line in String::from_utf8(ended.out).unwrap().lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (sender, number): (usize, usize) =
            (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        assert_eq!((number, fields[2].len()), (next[sender], number));
        next[sender] += 1;
    }
    assert_eq!(next, [500; 4]);
}

#[test]
fn a_unix_socket_is_an_address_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let recv = start(&["recv", "--listen", &format!("unix:{}", text(&path))]);
    let mut stream = wait_for("the socket", || UnixStream::connect(&path).ok());
    stream.write_all(&frame(b"hi")).unwrap();
    drop(stream);
    assert_eq!(recv.end().out, b"hi\n");
    assert!(!path.exists(), "the socket's file is removed");
}
