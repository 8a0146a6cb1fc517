//! `tenfold sub` of many channels: each message once, with its channel, over outages and several runs.

mod common;

use std::collections::BTreeSet;

use common::*;

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

#[test]
fn lines_begin_with_the_channel_where_there_are_several() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "quotes.a", "1", "2"], b"");
    ask(&hub, &["pub", "quotes.b", "3"], b"");
    ask(&hub, &["pub", "ticks", "4"], b"");
    ask(&hub, &["pub", "other", "5"], b"");
    let all = |channels: &[&str]| {
        let from = ["--from", "first", "--until-end"];
        ask(&hub, &[&["sub"][..], channels, &from].concat(), b"")
    };
    assert_eq!(
        lines(&all(&["quotes.*", "ticks"])),
        lines("quotes.a\t1\nquotes.a\t2\nquotes.b\t3\nticks\t4\n")
    );
    assert_eq!(all(&["tick*"]), "ticks\t4\n");
    assert_eq!(all(&["ticks"]), "4\n");
    assert_eq!(all(&["nothing.*"]), "");
}

/// A line of JSON without its time, which is not the same twice.
fn without_time(line: &str) -> String {
    let (before, rest) = line.split_once("\"time\":\"").expect("a time");
    let (time, after) = rest.split_once("\",").unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    format!("{before}{after}")
}

#[test]
fn every_format_says_the_channel_or_leaves_the_message_as_it_is() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "a", "hi"], b"");
    ask(&hub, &["pub", "b", "--in", "hex"], b"ff\n");
    let out = |how: &[&str], channel: &str| {
        let sub = ["sub", channel, "none*", "--from", "first", "--until-end"];
        let run = run(&[&sub[..], &["--server", &hub], how].concat(), b"");
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.out
    };
    assert_eq!(out(&["--out", "hex"], "b"), b"b\tff\n");
    assert_eq!(out(&["--out", "nul"], "a"), b"a\thi\0");
    assert_eq!(out(&["--out", "raw"], "a"), b"hi");
    assert_eq!(out(&["--out", "frames"], "a"), frame(b"hi"));
    let text = String::from_utf8(out(&["--json"], "a")).unwrap();
    assert_eq!(
        without_time(&text),
        "{\"seq\":0,\"channel\":\"a\",\"text\":\"hi\"}\n"
    );
    let binary = out(&["--out", "json"], "b");
    assert_eq!(
        without_time(std::str::from_utf8(&binary).unwrap()),
        "{\"seq\":0,\"channel\":\"b\",\"base64\":\"/w==\"}\n"
    );
    let printed = "echo $TENFOLD_CHANNEL $TENFOLD_SEQ $(cat)";
    assert_eq!(out(&["--exec", printed], "a"), b"a 0 hi\n");
    // What was printed can be published.
    ask(&hub, &["pub", "copy", "--in", "json"], &binary);
    assert_eq!(
        ask(
            &hub,
            &[
                "sub",
                "copy",
                "--from",
                "first",
                "--until-end",
                "--out",
                "hex"
            ],
            b""
        ),
        "ff\n"
    );
    ask(&hub, &["pub", "numbers", "--payload", "cbor"], b"[1, 2]\n");
    assert_eq!(out(&["--payload", "cbor"], "numbers"), b"numbers\t[1,2]\n");
}

#[test]
fn a_message_that_does_not_fit_is_told_with_its_channel() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "a", "good"], b"");
    let sub = ["sub", "a", "b", "--from", "first", "--until-end"];
    fails(
        &hub,
        &[&sub[..], &["--payload", "cbor"]].concat(),
        b"",
        4,
        "channel a: message 0 ",
    );
    fails(
        &hub,
        &[&sub[..], &["--exec", "exit 3"]].concat(),
        b"",
        1,
        "exited with 3 at message 0 of a",
    );
}

#[test]
fn channels_that_appear_later_are_printed_from_their_first_message() {
    let hub = hub(&[]);
    let address = hub.address();
    ask(&address, &["pub", "quotes.a", "before"], b"");
    let sub = start(&[
        "sub", "quotes.*", "--count", "3", "-v", "--server", &address,
    ]);
    wait_for("the places", || {
        sub.err().contains("1 channel to follow").then_some(())
    });
    ask(&address, &["pub", "quotes.b", "one", "two"], b"");
    ask(&address, &["pub", "quotes.a", "three"], b"");
    let ended = sub.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let out = String::from_utf8(ended.out).unwrap();
    assert_eq!(
        lines(&out),
        lines("quotes.b\tone\nquotes.b\ttwo\nquotes.a\tthree\n")
    );
}

#[test]
fn the_state_has_the_place_in_each_channel() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let state = text(&state);
    let data = dir.path().join("data");
    let with_log = ["--data", text(&data)];
    let running = hub(&with_log);
    let address = running.address();
    ask(&address, &["pub", "a", "1"], b"");
    ask(&address, &["pub", "b", "2"], b"");
    let sub = [
        "sub",
        "a",
        "b*",
        "--from",
        "first",
        "--until-end",
        "--state",
        state,
    ];
    assert_eq!(lines(&ask(&address, &sub, b"")), lines("a\t1\nb\t2\n"));
    running.signal("-TERM");
    assert_eq!(running.end().code, Some(0));
    // The hub was started again, and there are a new message and a new channel.
    let running = hub(&with_log);
    let address = running.address();
    ask(&address, &["pub", "b", "3"], b"");
    ask(&address, &["pub", "b.new", "4"], b"");
    assert_eq!(lines(&ask(&address, &sub, b"")), lines("b\t3\nb.new\t4\n"));
    assert_eq!(ask(&address, &sub, b""), "");
    let other = ["sub", "a", "--state", state];
    fails(
        &address,
        &other,
        b"",
        1,
        "is the state of a b*, not of a: give the same channels",
    );
}

#[test]
fn what_patterns_are_for_is_said_where_there_are_none() {
    let words = "a pattern, which is the start of names and *, is for following many channels";
    for command in [
        &["pub", "ticks.*", "x"][..],
        &["serve", "--plain", "127.0.0.1:0=ticks.*"],
        &["bench", "hub", "--channel", "ticks.*"],
        &["log", "delete", "data", "ticks.*"],
    ] {
        let ended = run(command, b"");
        assert_eq!(ended.code, Some(2), "{command:?}: {}", ended.err);
        assert!(ended.err.contains(words), "{command:?}: {}", ended.err);
    }
    let ended = run(&["sub", "*.quotes"], b"");
    assert!(
        ended.code == Some(2) && ended.err.contains("the start of one and *"),
        "{}",
        ended.err
    );
    let ended = run(&["sub", "a", "b", "--from", "7"], b"");
    assert!(
        ended.code == Some(2) && ended.err.contains("have no seq in common"),
        "{}",
        ended.err
    );
}
