//! `tenfold bench hub`: the numbers add up.

mod common;

use common::*;
use serde_json::Value;

fn measured(arguments: &[&str]) -> Value {
    let ended = run(&[&["bench", "hub", "--json"], arguments].concat(), b"");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    serde_json::from_slice(&ended.out).unwrap()
}

#[test]
fn it_measures_a_hub_of_its_own() {
    let result = measured(&["--count", "1001", "--publishers", "2", "--subscribers", "3"]);
    assert_eq!(
        (&result["published"], &result["delivered"]),
        (&1001.into(), &3003.into())
    );
    for fault in ["lost", "duplicated", "out_of_order"] {
        assert_eq!(result[fault], 0);
    }
    assert!(result["latency_seconds"]["max"].as_f64().unwrap() > 0.0);
}

#[test]
fn it_keeps_a_rate_and_a_duration() {
    let result = measured(&["--rate", "1000/s", "--duration", "100ms"]);
    assert_eq!(
        (&result["published"], &result["flat_out"]),
        (&100.into(), &false.into())
    );
}

#[test]
fn it_measures_another_hub_beside_other_publishers() {
    let hub = hub(&[]);
    let hub = hub.address();
    let mut other = start(&["pub", "bench", "--server", &hub]);
    other.write(b"not of the bench\n");
    let result = measured(&["--server", &hub, "--count", "100", "--size", "28"]);
    assert_eq!(result["delivered"], 100);
}

#[test]
fn it_says_what_is_wrong() {
    let (listener, address) = listener();
    drop(listener);
    fails(
        &address,
        &["bench", "hub", "--subscribers", "3"],
        b"",
        3,
        "--retry",
    );
    fails(&address, &["bench", "hub", "--size", "27"], b"", 2, "28");
    fails(
        &address,
        &["bench", "hub", "--count", "1", "--duration", "1s"],
        b"",
        2,
        "--duration",
    );
}
