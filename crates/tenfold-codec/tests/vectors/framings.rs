//! Lines, and the framings that they are or are not.

use tenfold_codec::Framing;

use super::read_json;
use crate::properties::line;

#[test]
fn lines_are_the_framings_that_the_vectors_say() {
    let vectors = read_json("framings.json");
    for case in vectors["cases"].as_array().unwrap() {
        let framing: Framing = case["line"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(framing.to_string(), case["canonical"], "{case}");
        line::is_canonical(&framing);
    }
}

#[test]
fn impossible_lines_are_refused_at_the_character_that_makes_them_so() {
    let vectors = read_json("framings.json");
    for case in vectors["refused"].as_array().unwrap() {
        let text = case["line"].as_str().unwrap();
        let error = text.parse::<Framing>().expect_err(text);
        assert_eq!(error.at() as u64, case["at"], "{case}: {error}");
        line::parses_or_is_refused(text);
    }
}

#[test]
fn every_preset_is_the_canonical_spelling_of_a_framing() {
    for preset in tenfold_codec::PRESETS {
        let framing: Framing = preset.name.parse().unwrap();
        assert_eq!(framing.to_string(), preset.line, "{}", preset.name);
        line::is_canonical(&framing);
    }
}
