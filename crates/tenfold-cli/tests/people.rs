//! What is for people: the demo, the manual, completions, the list of framings.

mod common;

use common::*;

fn printed(arguments: &[&str]) -> String {
    let ended = run(arguments, b"");
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    String::from_utf8(ended.out).unwrap()
}

#[test]
fn the_demo_shows_both_sides_and_ends_by_itself() {
    let text = printed(&["demo", "--count", "6", "--every", "1ms"]);
    assert!(text.contains("37        "), "{text}");
    for receiver in [
        "receiver A < \"three\"",
        "receiver B < \"three\"",
        "receiver B < \"two\\nlines\"",
    ] {
        assert!(text.contains(receiver), "{text}");
    }
    assert!(!text.contains('\x1b'), "no colour in a pipe");
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 80 && !line.ends_with(' ')),
        "{text}"
    );
    assert!(
        printed(&[
            "demo", "--count", "1", "--every", "1ms", "--color", "always"
        ])
        .contains('\x1b')
    );
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    assert!(printed(&["man"]).contains("broadcast"));
    let dir = tempfile::tempdir().unwrap();
    printed(&["man", "--dir", text(dir.path())]);
    for command in [
        "demo",
        "broadcast",
        "recv",
        "send",
        "serve",
        "sub",
        "pub",
        "channels",
        "bench",
        "bench-hub",
        "convert",
        "talk",
        "top",
        "chat",
        "check-client",
        "check-server",
        "framings",
    ] {
        let page =
            std::fs::read_to_string(dir.path().join(format!("tenfold-{command}.1"))).unwrap();
        assert!(page.contains(".TH"), "{command}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            printed(&["completions", shell]).contains("broadcast"),
            "{shell}"
        );
    }
}

#[test]
fn every_preset_is_listed() {
    let (table, json) = (printed(&["framings"]), printed(&["framings", "--json"]));
    for preset in tenfold::PRESETS {
        assert!(table.contains(preset.name) && table.contains(preset.line));
    }
    assert_eq!(json.lines().count(), tenfold::PRESETS.len());
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn help_goes_to_stdout() {
    for command in [
        "demo",
        "broadcast",
        "recv",
        "send",
        "serve",
        "sub",
        "pub",
        "channels",
        "bench",
        "convert",
        "framings",
        "completions",
        "man",
    ] {
        assert!(
            printed(&[command, "--help"]).contains("Usage: tenfold"),
            "{command}"
        );
    }
}
