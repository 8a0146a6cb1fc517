//! `tenfold bench hub`: the numbers add up.

mod common;

use common::*;
use serde_json::Value;
use tempfile::TempDir;

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

fn hub_with_log(dir: &TempDir) -> (Tenfold, String) {
    let data = dir.path().join("data");
    hub_in(dir, &["--data", text(&data)])
}

#[test]
fn at_a_hub_with_a_log_somebody_has_to_agree_and_nothing_is_left() {
    let dir = TempDir::new().unwrap();
    let (_hub, address) = hub_with_log(&dir);
    let bench = ["bench", "hub", "--count", "100"];
    fails(&address, &bench, b"", 2, "--yes");
    assert_eq!(ask(&address, &["channels", "--json"], b""), "");
    let result = measured(&["--server", &address, "--yes", "--count", "100"]);
    assert_eq!(result["delivered"], 100);
    assert_eq!(ask(&address, &["channels", "--json"], b""), "");
}

#[test]
fn a_channel_of_others_on_disk_is_not_measured() {
    let dir = TempDir::new().unwrap();
    let (_hub, address) = hub_with_log(&dir);
    ask(&address, &["pub", "bench", "precious"], b"");
    let bench = ["bench", "hub", "--yes", "--count", "100"];
    fails(&address, &bench, b"", 1, "--channel");
    let kept = ask(
        &address,
        &["sub", "bench", "--from", "first", "--count", "1"],
        b"",
    );
    assert_eq!(kept, "precious\n");
}

#[test]
fn a_measurement_that_is_interrupted_leaves_nothing_on_disk() {
    let dir = TempDir::new().unwrap();
    let (_hub, address) = hub_with_log(&dir);
    for (signal, code) in [("-INT", 130), ("-TERM", 0)] {
        let arguments = [
            "bench",
            "hub",
            "--server",
            &address,
            "--yes",
            "--rate",
            "1000",
            "--duration",
            "10m",
        ];
        let bench = start(&arguments);
        wait_for("messages of the measurement", || {
            let channels = ask(&address, &["channels", "--json"], b"");
            let channel: Value = serde_json::from_str(channels.lines().next()?).ok()?;
            (channel["next"].as_u64()? > 10).then_some(())
        });
        bench.signal(signal);
        let ended = bench.end();
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert_eq!(ask(&address, &["channels", "--json"], b""), "");
    }
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
        "tenfold serve",
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
