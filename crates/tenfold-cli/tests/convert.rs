//! `tenfold convert`.

mod common;

use common::*;

#[test]
fn any_notation_becomes_any_other() {
    let messages: &[&[u8]] = &[b"hello", b"", b"\xff"];
    let native = frames(messages);
    let notations: &[(&str, &[u8])] = &[
        ("decimal:10", &native),
        ("u32be", b"\0\0\0\x05hello\0\0\0\0\0\0\0\x01\xff"),
        ("netstring", b"5:hello,0:,1:\xff,"),
        ("cobs", b"\x06hello\0\x01\0\x02\xff\0"),
        ("line", b"hello\n\n\xff\n"),
        (
            "json",
            b"{\"text\":\"hello\"}\n{\"text\":\"\"}\n{\"base64\":\"/w==\"}\n",
        ),
        ("hex", b"68656c6c6f\n\nff\n"),
    ];
    for (from, input) in notations {
        for (to, output) in notations {
            let ended = run(&["convert", from, to], input);
            assert_eq!(
                (ended.code, ended.err.as_str()),
                (Some(0), ""),
                "{from} {to}"
            );
            assert_eq!(ended.out, *output, "{from} {to}");
        }
    }
}

#[test]
fn what_the_target_cannot_carry_is_refused_with_message_and_reason() {
    for (to, reason) in [
        (
            "line",
            "cannot frame message 1: the message holds the delimiter",
        ),
        (
            "fixed:2",
            "cannot frame message 1: a message of 3 bytes does not fit",
        ),
    ] {
        let ended = run(&["convert", "decimal:10", to], &frames(&[b"ok", b"a\nb"]));
        assert_eq!((ended.code, &ended.out[..2]), (Some(4), &b"ok"[..]));
        assert!(ended.err.contains(reason), "{}", ended.err);
    }
}

#[test]
fn marks_go_where_they_can() {
    let stream = b"0006hi0000";
    assert_eq!(
        run(&["convert", "git", "json"], stream).out,
        b"{\"text\":\"hi\"}\n{\"mark\":0}\n"
    );
    assert_eq!(
        run(
            &["convert", "json", "git"],
            b"{\"text\":\"hi\"}\n{\"mark\":0}\n"
        )
        .out,
        stream
    );
    for to in ["u8", "hex"] {
        let ended = run(&["convert", "git", to], stream);
        assert_eq!(ended.code, Some(4), "{to}");
        assert!(
            !ended.out.is_empty() && ended.err.contains("mark"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_large_message_needs_no_memory_where_both_sides_announce_its_length() {
    let large = vec![b'x'; 40 << 20];
    let stream = frames(&[&large, b"behind"]);
    let ended = run(
        &["convert", "decimal:10", "u32be", "--max-message", "1GiB"],
        &stream,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.len(), 4 + large.len() + 4 + 6);
    let ended = run(&["convert", "decimal:10", "u32be"], &stream);
    assert_eq!((ended.code, ended.out.len()), (Some(4), 0));
}

#[test]
fn a_file_can_be_the_source_and_a_side_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, b"\0\x02hi");
    let arguments = ["convert", "u8 // u16be", "line", text(&path)];
    assert_eq!(run(&arguments, b"").code, Some(2));
    let ended = run(&[&arguments[..], &["--side", "server"]].concat(), b"");
    assert_eq!(ended.out, b"hi\n");
}
