//! `tenfold channels`: what a hub holds.

mod common;

use common::*;

#[test]
fn it_lists_the_channels() {
    let hub = hub(&[]);
    let hub = hub.address();
    assert_eq!(ask(&hub, &["channels", "--json"], b""), "");
    ask(&hub, &["pub", "ticks", "a", "b"], b"");
    ask(&hub, &["pub", "alarms", "c"], b"");
    let table = ask(&hub, &["channels"], b"");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[0][..4], ["CHANNEL", "FIRST", "NEXT", "KEPT"]);
    assert_eq!(rows[1][..4], ["alarms", "0", "1", "1"]);
    assert_eq!(rows[2][..4], ["ticks", "0", "2", "2"]);
    let json = ask(&hub, &["channels", "--json"], b"");
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["channel"], &first["next"]),
        (&"alarms".into(), &1.into())
    );
    assert!(ask(&hub, &["channels", "--health"], b"").starts_with("status=ok "));
}

#[test]
fn it_watches_until_it_is_told_to_end() {
    let hub = hub(&[]);
    let hub = hub.address();
    ask(&hub, &["pub", "ticks", "a"], b"");
    let watch = start(&["channels", "--watch=1ms", "--server", &hub]);
    let tables = || {
        String::from_utf8(watch.out())
            .unwrap()
            .matches("MESSAGES/S")
            .count()
    };
    wait_for("the third table", || (tables() >= 3).then_some(()));
    watch.signal("-TERM");
    assert_eq!(watch.end().code, Some(0));
}

#[test]
fn nobody_at_the_address_is_3() {
    let (listener, address) = listener();
    drop(listener);
    fails(&address, &["channels"], b"", 3, "tenfold serve");
}

#[test]
fn silence_is_5() {
    let (_listener, address) = listener();
    fails(
        &address,
        &["channels", "--timeout", "50ms"],
        b"",
        5,
        "--timeout",
    );
}
