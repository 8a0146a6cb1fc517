//! `tenfold sub`: a channel's messages, each once, over outages and several runs.

mod common;

use std::io::Read;

use common::*;

#[test]
fn it_prints_from_where_it_is_told() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "ticks", "a", "b", "c"], b"");
    let all = |from: &str| ask(&hub, &["sub", "ticks", "--from", from, "--until-end"], b"");
    assert_eq!(all("first"), "a\nb\nc\n");
    assert_eq!(all("last"), "c\n");
    assert_eq!(all("-2"), "b\nc\n");
    assert_eq!(all("1"), "b\nc\n");
    assert_eq!(all("@0"), "a\nb\nc\n");
    assert_eq!(all("next"), "");
    let sub = ["sub", "ticks", "--until-end", "--from"];
    fails(&hub, &[&sub[..], &["9"]].concat(), b"", 1, "FUTURE next=3");
    fails(
        &hub,
        &[&sub[..], &["-0"]].concat(),
        b"",
        2,
        "@ and unix seconds",
    );
}

#[test]
fn it_prints_in_every_format_and_pub_reads_it_again() {
    let hub = hub(&[]);
    let hub = hub.address();
    let stream = frames(MESSAGES);
    ask(&hub, &["pub", "one", "--in", "frames"], &stream);
    for format in ["frames", "nul", "hex", "json"] {
        let sub = [
            "sub",
            "one",
            "--from",
            "first",
            "--until-end",
            "--server",
            &hub,
            "--out",
            format,
        ];
        let printed = run(&sub, b"").out;
        ask(&hub, &["pub", format, "--in", format], &printed);
        let sub = [
            "sub",
            format,
            "--from",
            "first",
            "--until-end",
            "--server",
            &hub,
            "--out",
            "frames",
        ];
        assert_eq!(run(&sub, b"").out, stream, "{format}");
    }
}

#[test]
fn a_message_is_seen_at_once() {
    let hub = hub(&[]);
    let hub = hub.address();
    let sub = start(&["sub", "ticks", "-v", "--server", &hub]);
    wait_for("the connection", || {
        sub.err().contains("comes next").then_some(())
    });
    for seen in ["one\n", "one\ntwo\n"] {
        ask(&hub, &["pub", "ticks", seen.lines().last().unwrap()], b"");
        wait_for("the message", || {
            (sub.out() == seen.as_bytes()).then_some(())
        });
    }
    sub.signal("-TERM");
    assert_eq!(sub.end().code, Some(0));
}

#[test]
fn a_count_that_is_not_reached_is_a_failure() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "ticks", "a", "b", "c"], b"");
    let sub = ["sub", "ticks", "--from", "first", "--until-end", "--count"];
    assert_eq!(ask(&hub, &[&sub[..], &["2"]].concat(), b""), "a\nb\n");
    fails(
        &hub,
        &[&sub[..], &["4"]].concat(),
        b"",
        1,
        "after 3 of the 4",
    );
}

#[test]
fn silence_is_5_and_nobody_is_3() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, address) = hub_in(&dir, &[]);
    fails(
        &address,
        &["sub", "ticks", "--timeout", "50ms"],
        b"",
        5,
        "--timeout",
    );
    drop(hub);
    fails(&address, &["sub", "ticks"], b"", 3, "--retry");
    fails(
        &address,
        &["sub", "ticks", "--retry=50ms"],
        b"",
        3,
        "gave up",
    );
}

#[test]
fn a_state_goes_on_where_the_last_run_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let hub = hub(&[]);
    let hub = hub.address();
    let sub = [
        "sub",
        "ticks",
        "--from",
        "first",
        "--until-end",
        "--state",
        text(&state),
    ];
    ask(&hub, &["pub", "ticks", "a", "b", "c"], b"");
    assert_eq!(
        ask(&hub, &[&sub[..], &["--count", "2"]].concat(), b""),
        "a\nb\n"
    );
    assert_eq!(ask(&hub, &sub, b""), "c\n");
    assert_eq!(ask(&hub, &sub, b""), "");
    ask(&hub, &["pub", "ticks", "d"], b"");
    assert_eq!(ask(&hub, &sub, b""), "d\n");
    fails(
        &hub,
        &["sub", "other", "--state", text(&state)],
        b"",
        1,
        "state of channel ticks",
    );
    std::fs::write(&state, "{}").unwrap();
    fails(&hub, &sub, b"", 1, "remove it");
}

#[test]
fn a_signal_keeps_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let hub = hub(&[]);
    let hub = hub.address();
    let sub = [
        "sub",
        "ticks",
        "--from",
        "first",
        "--state",
        text(&state),
        "--server",
        &hub,
    ];
    for (signal, code, message) in [("-TERM", 0, "a"), ("-INT", 130, "b")] {
        let running = start(&sub);
        ask(&hub, &["pub", "ticks", message], b"");
        wait_for("the message", || {
            (running.out() == format!("{message}\n").as_bytes()).then_some(())
        });
        running.signal(signal);
        assert_eq!(running.end().code, Some(code));
    }
    assert!(
        std::fs::read_to_string(&state)
            .unwrap()
            .contains("\"next\":2")
    );
}

/// Passes on what two connections say: of the first only so many bytes, of the second everything.
fn unsteady(hub: String, bytes: u64) -> String {
    let (listener, address) = listener();
    std::thread::spawn(move || {
        for limit in [bytes, u64::MAX] {
            let (mut client, mut hub) = (accept(&listener), connect(&hub));
            let (mut request, mut to_hub) = (client.try_clone().unwrap(), hub.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut request, &mut to_hub));
            let _ = std::io::copy(&mut (&mut hub).take(limit), &mut client);
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    });
    address
}

#[test]
fn a_connection_that_is_cut_anywhere_costs_nothing() {
    let hub = hub(&[]);
    let hub = hub.address();
    let numbers: Vec<String> = (0..20).map(|number: u8| number.to_string()).collect();
    let lines = numbers.join("\n") + "\n";
    ask(&hub, &["pub", "ticks"], lines.as_bytes());
    let sub = ["sub", "ticks", "--from", "first", "--count", "20"];
    for bytes in [0, 5, 70, 75, 90, 150] {
        let unsteady = unsteady(hub.clone(), bytes);
        let ended = run(
            &[&sub[..], &["--retry", "--server", &unsteady]].concat(),
            b"",
        );
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(
            String::from_utf8(ended.out).unwrap(),
            lines,
            "cut after {bytes} bytes"
        );
        assert_eq!(
            ended.err.matches("; trying again").count(),
            1,
            "{}",
            ended.err
        );
    }
}

#[test]
fn another_history_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    for (policy, code, printed) in [("stop", 1, &b"old\n"[..]), ("continue", 0, b"old\nnew\n")] {
        let (hub, address) = hub_in(&dir, &[]);
        let sub = start(&[
            "sub", "ticks", "--from", "first", "--count", "2", "--on-gap", policy, "--server",
            &address,
        ]);
        // Which may come before the hub's first message.
        ask(&address, &["pub", "ticks", "old"], b"");
        wait_for("the message", || (sub.out() == b"old\n").then_some(()));
        hub.signal("-KILL");
        hub.end();
        wait_for("the outage", || sub.err().contains("lost").then_some(()));
        let (_hub, _) = hub_in(&dir, &[]);
        if policy == "continue" {
            wait_for("the gap", || {
                sub.err().contains("another history").then_some(())
            });
            ask(&address, &["pub", "ticks", "new"], b"");
        }
        let ended = sub.end();
        assert_eq!(
            (ended.code, &ended.out[..]),
            (Some(code), printed),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("another history"), "{}", ended.err);
        assert_eq!(
            ended.err.contains("error"),
            policy == "stop",
            "{}",
            ended.err
        );
        assert_eq!(
            ended.err.matches("; trying again").count(),
            1,
            "{}",
            ended.err
        );
    }
}

#[test]
fn what_is_no_longer_kept_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let hub = hub(&["--channel-memory", "64KiB"]);
    let hub = hub.address();
    ask(&hub, &["pub", "ticks", "a"], b"");
    let sub = [
        "sub",
        "ticks",
        "--from",
        "first",
        "--until-end",
        "--state",
        text(&state),
    ];
    assert_eq!(ask(&hub, &sub, b""), "a\n");
    let line = [&[b'x'; 1000][..], b"\n"].concat();
    ask(&hub, &["pub", "ticks"], &line.repeat(1000));
    fails(&hub, &sub, b"", 1, "messages 1 to ");
    fails(&hub, &sub, b"", 1, "--on-gap continue");
    let printed = ask(&hub, &[&sub[..], &["--on-gap", "continue"]].concat(), b"");
    assert!(!printed.is_empty());
    assert_eq!(ask(&hub, &sub, b""), "");
}
