//! Each exit code, provoked from outside.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use common::*;

#[test]
fn stdout_that_is_closed_is_a_success() {
    let (listener, address) = listener();
    let mut recv = Command::new(env!("CARGO_BIN_EXE_tenfold"))
        .args(["recv", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peer = accept(&listener);
    peer.write_all(&frame(b"one")).unwrap();
    let mut stdout = recv.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 4]).unwrap();
    drop(stdout);
    peer.write_all(&frame(b"two")).unwrap();
    assert_eq!(
        wait_for("the end", || recv.try_wait().unwrap()).code(),
        Some(0)
    );
}

#[test]
fn a_count_that_is_not_reached_is_a_failure() {
    let ended = run(&["recv", "-", "--count", "3"], &frames(&[b"a", b"b"]));
    assert_eq!((ended.code, ended.out), (Some(1), b"a\nb\n".to_vec()));
    assert!(
        ended.err.contains("after 2 of the 3 messages"),
        "{}",
        ended.err
    );
    assert_eq!(
        run(&["recv", "-", "--count", "2"], &frames(&[b"a", b"b", b"c"])).code,
        Some(0)
    );
    assert_eq!(run(&["recv", "/nonexistent/file"], b"").code, Some(1));
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["recv"][..],
        &["recv", "-", "--framing", "websocket"],
        &["recv", "-", "--timeout", "soon"],
        &["recv", "-", "--max-message", "0"],
        &["recv", "-", "--keep"],
        &["recv", "-", "--listen", ":0"],
        &["recv", "--listen", ":0", "--retry"],
        &["send"],
        &["send", "nowhere"],
        &["send", "127.0.0.1:1", "--in", "hex", "message"],
        &["broadcast", "--every", "1s"],
        &["broadcast", "--follow"],
        &["broadcast", "one", "two"],
        &["convert", "json"],
        &["nonsense"],
    ] {
        let ended = run(arguments, b"");
        assert_eq!((ended.code, ended.out.len()), (Some(2), 0), "{arguments:?}");
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn a_bad_framing_is_pointed_at() {
    let err = run(&["recv", "-", "--framing", "u32be,bogus"], b"").err;
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines[0].starts_with("tenfold: error: bad framing"), "{err}");
    assert_eq!(&lines[1..3], ["  u32be,bogus", "        ^"]);
}

#[test]
fn nobody_at_the_address_is_3() {
    let (listener, address) = listener();
    drop(listener);
    for arguments in [["recv", &address, "--retry=10ms"], ["send", &address, "x"]] {
        let ended = run(&arguments, b"");
        assert_eq!(ended.code, Some(3));
        assert!(ended.err.contains(&address), "{}", ended.err);
    }
}

#[test]
fn a_server_that_comes_later_is_waited_for() {
    let (listener, address) = listener();
    drop(listener);
    let recv = start(&["recv", &address, "--retry"]);
    wait_for("the first attempt", || {
        recv.err().contains("trying again").then_some(())
    });
    let listener = std::net::TcpListener::bind(&address).unwrap();
    accept(&listener).write_all(&frame(b"at last")).unwrap();
    let ended = recv.end();
    assert_eq!((ended.code, ended.out), (Some(0), b"at last\n".to_vec()));
}

#[test]
fn a_stream_that_is_cut_or_no_stream_of_frames_is_4() {
    let stream = frames(&[b"abc", b"de"]);
    for cut in 0..=stream.len() {
        let ended = run(&["recv", "-"], &stream[..cut]);
        let clean = [0, 13, 25].contains(&cut);
        assert_eq!(ended.code, Some(if clean { 0 } else { 4 }), "cut at {cut}");
        assert_eq!(ended.err.is_empty(), clean);
    }
    let ended = run(
        &["recv", "-"],
        &[&frame(b"abc")[..], b"HTTP/1.1 200 OK\r\n"].concat(),
    );
    assert_eq!((ended.code, ended.out), (Some(4), b"abc\n".to_vec()));
    assert_eq!(
        ended.err,
        "tenfold: error: bad header at offset 13 (message 1): \"HTTP/1.1 2\" is not a length; this looks like HTTP\n"
    );
}

#[test]
fn the_first_bad_byte_decides_and_the_next_ones_describe() {
    let (listener, address) = listener();
    let recv = start(&["recv", &address]);
    let mut peer = accept(&listener);
    peer.write_all(b"G").unwrap();
    let ended = recv.end();
    assert_eq!(ended.code, Some(4));
    assert!(ended.err.contains("offset 0"), "{}", ended.err);
}

#[test]
fn silence_is_5() {
    let (listener, address) = listener();
    let recv = start(&["recv", &address, "--timeout", "50ms"]);
    let mut peer = accept(&listener);
    peer.write_all(&[&frame(b"one")[..], b"5"].concat())
        .unwrap();
    let ended = recv.end();
    assert_eq!((ended.code, ended.out), (Some(5), b"one\n".to_vec()));
    for arguments in [
        &["recv", "-"][..],
        &["recv", "--listen", "127.0.0.1:0"],
        &["send", "--listen", "127.0.0.1:0", "x"],
    ] {
        let tenfold = start(&[arguments, &["--timeout", "50ms"]].concat());
        assert_eq!(tenfold.end().code, Some(5), "{arguments:?}");
    }
}

#[test]
fn an_interrupt_is_130_and_a_termination_without_loss_is_0() {
    for (signal, code) in [("-INT", 130), ("-TERM", 0)] {
        let (listener, address) = listener();
        let recv = start(&["recv", &address]);
        let mut peer = accept(&listener);
        peer.write_all(&frame(b"one")).unwrap();
        wait_for("the message", || (recv.out() == b"one\n").then_some(()));
        recv.signal(signal);
        assert_eq!(recv.end().code, Some(code));
    }
}
