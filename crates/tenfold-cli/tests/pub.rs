//! `tenfold pub`: each message once, and known to have arrived.

mod common;

use common::*;

fn all(hub: &str, channel: &str) -> String {
    ask(
        hub,
        &["sub", channel, "--from", "first", "--until-end"],
        b"",
    )
}

#[test]
fn arguments_and_lines_are_messages() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "ticks", "hello, world", ""], b"");
    ask(&hub, &["pub", "ticks"], b"line\nlast");
    ask(&hub, &["pub", "ticks", "-"], b"");
    assert_eq!(all(&hub, "ticks"), "hello, world\n\nline\nlast\n");
    ask(
        &hub,
        &["pub", "timed", "--every", "1ms", "--count", "2", "a", "b"],
        b"",
    );
    assert_eq!(all(&hub, "timed"), "a\nb\n");
    let pub_of = ["pub", "ticks"];
    fails(
        &hub,
        &[&pub_of[..], &["--count", "2"]].concat(),
        b"x\n",
        1,
        "1 of the 2",
    );
    fails(
        &hub,
        &[&pub_of[..], &["--every", "1s"]].concat(),
        b"",
        2,
        "--every",
    );
    fails(
        &hub,
        &[&pub_of[..], &["--append", "x"]].concat(),
        b"",
        2,
        "--producer",
    );
    fails(&hub, &["pub", "Ticks", "x"], b"", 2, "a-z");
}

#[test]
fn a_line_is_published_before_the_next_is_read() {
    let hub = hub(&[]);
    let hub = hub.address();
    let mut publisher = start(&["pub", "ticks", "--server", &hub]);
    publisher.write(b"one\n");
    wait_for("the message", || {
        (all(&hub, "ticks") == "one\n").then_some(())
    });
    publisher.write(b"two\n");
    wait_for("the message", || {
        (all(&hub, "ticks") == "one\ntwo\n").then_some(())
    });
    publisher.signal("-INT");
    let ended = publisher.end();
    assert_eq!(ended.code, Some(130));
    assert!(
        ended.err.contains("2 messages sent, 2 acknowledged"),
        "{}",
        ended.err
    );
}

#[test]
fn each_run_of_a_producer_appends() {
    let hub = hub(&[]);
    let hub = hub.address();
    let publish = ["pub", "ticks", "--producer", "meter7"];
    for value in ["17.1", "17.2", "17.2"] {
        ask(&hub, &[&publish[..], &[value]].concat(), b"");
    }
    ask(&hub, &publish, b"day 1\n");
    ask(&hub, &publish, b"day 2\nmore\n");
    ask(&hub, &[&publish[..], &["--append", "z"]].concat(), b"");
    assert_eq!(
        all(&hub, "ticks"),
        "17.1\n17.2\n17.2\nday 1\nday 2\nmore\nz\n"
    );
}

#[test]
fn a_history_that_is_given_again_is_compared_and_goes_on() {
    let hub = hub(&[]);
    let hub = hub.address();
    let publish = ["pub", "ticks", "--producer", "meter7", "--history"];
    ask(&hub, &publish, b"a\nb\n");
    let ended = run(
        &[&publish[..], &["--server", &hub, "--report", "json"]].concat(),
        b"a\nb\nc\n",
    );
    assert!(
        ended.err.contains("2 messages of producer meter7"),
        "{}",
        ended.err
    );
    let last = ended.err.lines().last().unwrap();
    let numbers: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (
            &numbers["skipped"],
            &numbers["sent"],
            &numbers["acknowledged"]
        ),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(all(&hub, "ticks"), "a\nb\nc\n");
    fails(&hub, &publish, b"a\n", 1, "without --history");
    fails(
        &hub,
        &publish,
        b"a\nB\nc\nd\n",
        1,
        "message 1 of the input is not what producer meter7 has published",
    );
    assert_eq!(all(&hub, "ticks"), "a\nb\nc\n");
}

#[test]
fn a_history_is_found_among_the_messages_of_others() {
    let hub = hub(&[]);
    let hub = hub.address();
    let publish = ["pub", "ticks", "--producer", "meter7", "--history"];
    ask(&hub, &["pub", "ticks", "before"], b"");
    ask(&hub, &publish, b"a\n");
    ask(&hub, &["pub", "ticks", "between"], b"");
    ask(&hub, &publish, b"a\nb\n");
    fails(&hub, &publish, b"b\na\nc\n", 1, "message 1 of the input");
    ask(&hub, &publish, b"a\nb\nc\n");
    assert_eq!(all(&hub, "ticks"), "before\na\nbetween\nb\nc\n");
}

#[test]
fn what_the_hub_no_longer_keeps_of_a_history_is_not_compared_and_that_is_said() {
    let hub = hub(&["--channel-memory", "256KiB"]);
    let hub = hub.address();
    let publish = ["pub", "ticks", "--producer", "meter7", "--history"];
    let lines = |count: usize| -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{n:01000}\n").into_bytes())
            .collect()
    };
    ask(&hub, &publish, &lines(1000));
    let ended = run(&[&publish[..], &["--server", &hub]].concat(), &lines(1001));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("no longer keeps"), "{}", ended.err);
    let mut other = lines(1001);
    let at = other.len() - 1;
    other[at - 1] = b'x';
    fails(&hub, &publish, &other, 1, "message 1,000 of the input");
    // Message 0 is not kept any more.
    let mut other = lines(1001);
    other[0] = b'x';
    let ended = run(&[&publish[..], &["--server", &hub]].concat(), &other);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn who_is_fenced_ends() {
    let hub = hub(&[]);
    let hub = hub.address();
    let mut first = start(&["pub", "ticks", "--producer", "me", "--server", &hub]);
    first.write(b"one\n");
    wait_for("the message", || {
        (all(&hub, "ticks") == "one\n").then_some(())
    });
    ask(&hub, &["pub", "ticks", "--producer", "me", "two"], b"");
    first.close_stdin();
    let ended = first.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("FENCED"), "{}", ended.err);
    assert!(
        ended.err.contains("1 message sent, 1 acknowledged"),
        "{}",
        ended.err
    );
}

#[test]
fn what_the_hub_refuses_is_said_in_its_words() {
    let hub = hub(&["--max-message", "1KiB"]);
    let hub = hub.address();
    fails(
        &hub,
        &["pub", "ticks", "--acks", "durable", "x"],
        b"",
        6,
        "DENIED",
    );
    let large = "x".repeat(2000);
    fails(
        &hub,
        &["pub", "ticks", "small", &large],
        b"",
        1,
        "TOO_LARGE",
    );
    assert_eq!(all(&hub, "ticks"), "small\n");
    ask(&hub, &["pub", "ticks", "--acks", "none", "x"], b"");
    assert_eq!(all(&hub, "ticks"), "small\nx\n");
}

#[test]
fn what_comes_before_a_mistake_in_the_input_arrives() {
    let hub = hub(&[]);
    let hub = hub.address();
    fails(
        &hub,
        &["pub", "ticks", "--in", "hex"],
        b"6161\n6g\n",
        4,
        "line 2",
    );
    assert_eq!(all(&hub, "ticks"), "aa\n");
}

#[test]
fn a_hub_that_has_lost_its_history_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, address) = hub_in(&dir, &[]);
    let mut publisher = start(&["pub", "ticks", "--producer", "me", "--server", &address]);
    publisher.write(b"one\n");
    wait_for("the message", || {
        (all(&address, "ticks") == "one\n").then_some(())
    });
    hub.signal("-KILL");
    hub.end();
    wait_for("the outage", || {
        publisher.err().contains("lost").then_some(())
    });
    let (_hub, _) = hub_in(&dir, &[]);
    let ended = publisher.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("has lost its history"), "{}", ended.err);
}

#[test]
fn a_hub_that_comes_later_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, address) = hub_in(&dir, &[]);
    drop(hub);
    let publisher = start(&["pub", "ticks", "--retry", "--server", &address, "at last"]);
    wait_for("the first attempt", || {
        publisher.err().contains("trying again").then_some(())
    });
    let (_hub, _) = hub_in(&dir, &[]);
    assert_eq!(publisher.end().code, Some(0));
    assert_eq!(all(&address, "ticks"), "at last\n");
}
