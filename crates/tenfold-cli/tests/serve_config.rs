//! The settings of `tenfold serve`: where they come from, and what is wrong with them.

mod common;

use std::process::Command;

use common::*;

/// Runs `tenfold serve` with this file and environment. The exit code, stdout and stderr.
fn serve(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[&str],
) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hub.toml"), file).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_tenfold"))
        .current_dir(dir.path())
        .args([&["serve", "--config", "hub.toml"], flags].concat())
        .env("NO_COLOR", "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

fn printed(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let (code, out, err) = serve(file, environment, &[flags, &["--print-config"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

/// The value of a setting and its origin.
fn setting(printed: &str, key: &str) -> (String, String) {
    let line = printed
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")))
        .unwrap();
    let (value, origin) = line[key.len() + 3..].split_once(" # ").unwrap();
    (value.trim().to_owned(), origin.to_owned())
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = "\n\nmax-message = \"3MiB\"\n";
    let environment = [("TENFOLD_MAX_MESSAGE", "2MiB")];
    let origin = |file, environment: &[_], flags: &[_]| {
        setting(&printed(file, environment, flags), "max-message")
    };
    let is = |value: &str, origin: &str| (format!("\"{value}\""), origin.to_owned());
    assert_eq!(origin("", &[], &[]), is("16MiB", "default"));
    assert_eq!(origin(file, &[], &[]), is("3MiB", "file hub.toml:3"));
    assert_eq!(
        origin(file, &environment, &[]),
        is("2MiB", "environment TENFOLD_MAX_MESSAGE")
    );
    assert_eq!(
        origin(file, &environment, &["--max-message", "1MiB"]),
        is("1MiB", "flag --max-message")
    );
}

#[test]
fn lists_have_commas_in_the_environment() {
    let both = "[\"127.0.0.1:1\", \"127.0.0.1:2\"]";
    let text = printed("", &[("TENFOLD_LISTEN", "127.0.0.1:1,127.0.0.1:2")], &[]);
    assert_eq!(setting(&text, "listen").0, both);
    let text = printed(&format!("listen = {both}"), &[], &[]);
    assert_eq!(setting(&text, "listen").0, both);
    let text = printed(&format!("listen = {both}"), &[], &["--listen", ":3"]);
    assert_eq!(setting(&text, "listen").0, "[\":3\"]");
}

#[test]
fn what_is_printed_is_a_file_again() {
    let file = r#"
plain = ["127.0.0.1:0=ticks:both"]
welcome = "say \"hi\"\nand\tmore"
max-connections = 7
insecure-listen = true
when-slow = ["log.*:close", "wait=5s"]
"#;
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(" # ").unwrap().0.to_owned())
            .collect()
    };
    let once = printed(file, &[], &[]);
    assert_eq!(values(&printed(&once, &[], &[])), values(&once));
    assert_eq!(setting(&once, "max-connections").0, "7");
}

#[test]
fn a_mistake_is_named_with_its_line_and_a_remedy() {
    for (file, words) in [
        (
            "\nmax-mesage = 1\n",
            &["hub.toml:2:", "max-mesage", "max-message"][..],
        ),
        ("colour = 1", &["hub.toml:1:", "colour", "--help"]),
        ("[limits]\nx = 1", &["hub.toml:1:", "limits"]),
        (
            "\n\ndrain = true",
            &["hub.toml:3: drain", "\"true\"", "1.5s"],
        ),
        ("drain = 1.5", &["hub.toml:1: drain", "quotes"]),
        (
            "max-message = \"much\"",
            &["hub.toml:1: max-message", "\"much\"", "64KiB"],
        ),
        (
            "max-connections = 0",
            &["hub.toml:1: max-connections", "never \"unlimited\""],
        ),
        (
            "max-channels = \"many\"",
            &["hub.toml:1: max-channels", "number"],
        ),
        ("drain = [\"1s\"]", &["hub.toml:1: drain", "one value"]),
        ("log = \"yaml\"", &["hub.toml:1: log", "text, json"]),
        (
            "listen = [\":1\",\n\"nowhere\"]",
            &["hub.toml:1: listen", "nowhere", "no port"],
        ),
        ("plain = [\":1=Ticks\"]", &["hub.toml:1: plain", "a-z"]),
        (
            "drain = \"1s\"\ndrain = \"2s\"",
            &["hub.toml:2:", "not TOML"],
        ),
        ("drain = ", &["hub.toml:1:", "not TOML"]),
        ("config = \"x\"", &["hub.toml:1:", "config"]),
    ] {
        let (code, out, err) = serve(file, &[], &["--check"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{file}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{file}: {err}");
    }
    let (code, _, err) = serve("", &[("TENFOLD_DRAIN", "soon")], &["--check"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("TENFOLD_DRAIN: bad value \"soon\""), "{err}");
    let (code, _, err) = serve("", &[], &["--check", "--config", "nowhere.toml"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn a_check_listens_to_nothing() {
    let (_listener, address) = listener();
    let (code, out, err) = serve(&format!("listen = \"{address}\""), &[], &["--check"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
}

#[test]
fn other_machines_are_let_in_only_if_that_is_said() {
    for flags in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "[::]:0"],
        &["--plain", "0.0.0.0:0=ticks"],
    ] {
        let (code, _, err) = serve("", &[], &[flags, &["--check"]].concat());
        assert_eq!(code, Some(2), "{flags:?}");
        assert!(err.contains("--insecure-listen"), "{err}");
        let said = [flags, &["--check", "--insecure-listen"]].concat();
        assert_eq!(serve("", &[], &said).0, Some(0), "{flags:?}");
        assert_eq!(
            serve(
                "",
                &[("TENFOLD_INSECURE_LISTEN", "1")],
                &[flags, &["--check"]].concat()
            )
            .0,
            Some(0)
        );
    }
}

#[test]
fn a_welcome_needs_a_port_that_sends() {
    for (file, name) in [
        ("welcome = \"hi\"", "hub.toml:1: welcome"),
        ("replay = 3", "hub.toml:1: replay"),
    ] {
        let (code, _, err) = serve(file, &[], &["--check"]);
        assert_eq!(code, Some(2));
        assert!(err.contains(name), "{err}");
        let (code, ..) = serve(file, &[], &["--check", "--plain", ":0=ticks:in"]);
        assert_eq!(code, Some(2));
        let (code, ..) = serve(file, &[], &["--check", "--plain", ":0=ticks"]);
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_hub_drains_and_says_what_it_did() {
    for (signal, code) in [("-TERM", 0), ("-INT", 130)] {
        let hub = hub(&["--report", "json"]);
        let address = hub.address();
        let sub = start(&[
            "sub", "ticks", "--from", "first", "--count", "1", "--server", &address,
        ]);
        ask(&address, &["pub", "ticks", "a"], b"");
        assert_eq!(sub.end().out, b"a\n");
        hub.signal(signal);
        let ended = hub.end();
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(
            ended
                .err
                .contains(&format!("listening {address} (this machine only;")),
            "{}",
            ended.err
        );
        let last: serde_json::Value =
            serde_json::from_str(ended.err.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["connections"], &last["messages"]),
            (&2.into(), &1.into())
        );
    }
}

#[test]
fn a_log_in_json_is_json_to_the_last_line() {
    let hub = hub(&["--log", "json", "--plain", "127.0.0.1:0=ticks"]);
    ask(&hub.address(), &["pub", "ticks", "a"], b"");
    hub.signal("-TERM");
    let err = hub.end().err;
    let lines: Vec<serde_json::Value> = err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let has = |member: &str, value: &str| lines.iter().any(|line| line[member] == value);
    assert!(has("plain", "channel ticks, out"), "{err}");
    assert!(has("message", "publisher disconnected"), "{err}");
}

#[test]
fn quiet_is_quiet() {
    let hub = hub(&["-q"]);
    ask(&hub.address(), &["pub", "ticks", "a"], b"");
    hub.signal("-TERM");
    assert_eq!(hub.end().err, "");
}

#[test]
fn channels_on_disk_can_be_set_in_the_file_and_in_the_environment() {
    let file = "data = \"/tmp/nowhere\"\nretain = [\"log.*:max-age=7d\", \"max-bytes=1MiB,max-messages=5\"]\n";
    let rules = setting(&printed(file, &[], &[]), "retain");
    assert!(rules.0.contains("log.*:max-age=7d") && rules.0.contains("max-messages=5"));
    let environment = [("TENFOLD_RETAIN", "a:max-age=1h;max-bytes=1MiB,max-age=2h")];
    let rules = setting(&printed(file, &environment, &[]), "retain");
    assert_eq!(rules.1, "environment TENFOLD_RETAIN");
    let (code, _, err) = serve("retain = \"max-bytes=1\"\n", &[], &["--check"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("hub.toml:1: retain is for channels on disk"),
        "{err}"
    );
    let (code, _, err) = serve("data = \"x\"\nretain = \"most=1\"\n", &[], &["--check"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("hub.toml:2: retain: ") && err.contains("max-bytes=SIZE"),
        "{err}"
    );
}
