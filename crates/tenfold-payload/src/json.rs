//! JSON, passed on as it is.

use serde::de::IgnoredAny;

use crate::Problem;

/// The numbers that JSON lacks, as Python and JavaScript write them, and what stands for them here. A longer
/// one comes before one that it ends with.
const BEYOND: [(&str, &str); 3] = [
    ("NaN", r#"{"$float":"nan"}"#),
    ("-Infinity", r#"{"$float":"-inf"}"#),
    ("Infinity", r#"{"$float":"inf"}"#),
];

/// The same JSON on one line, as [`compact`] gives it. `NaN`, `Infinity` and `-Infinity`, which many programs write
/// though JSON has no such numbers, are what they are in other formats.
pub(super) fn show(text: &[u8]) -> Result<String, Problem> {
    // The problem of the text itself has the right places.
    compact(text).or_else(|problem| {
        let text = str::from_utf8(text).map_err(|_| problem.clone())?;
        match standard(text) {
            Some(standard) => compact(standard.as_bytes()).map_err(|_| problem),
            None => Err(problem),
        }
    })
}

/// The same text with an object in the place of each number that JSON lacks; nothing if it has none.
fn standard(text: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let (mut rest, mut inside, mut found) = (text, false, false);
    while let Some(first) = rest.chars().next() {
        let beyond = BEYOND.iter().find(|(name, _)| rest.starts_with(name));
        let mut length = first.len_utf8();
        if let Some((name, object)) = beyond.filter(|_| !inside) {
            changed.push_str(object);
            length = name.len();
            found = true;
        } else if inside && first == '\\' {
            // The next character does not end the string.
            length += rest[1..].chars().next().map_or(0, char::len_utf8);
            changed.push_str(&rest[..length]);
        } else {
            inside ^= first == '"';
            changed.push(first);
        }
        rest = &rest[length..];
    }
    found.then_some(changed)
}

/// The same JSON on one line: without the spaces between its parts, and otherwise untouched.
pub(super) fn compact(text: &[u8]) -> Result<String, Problem> {
    serde_json::from_slice::<IgnoredAny>(text).map_err(|error| Problem::no_json(&error))?;
    let text = std::str::from_utf8(text).map_err(|error| Problem::is_no("JSON", error))?;
    let mut inside = false;
    let mut escaped = false;
    let keep = |char: &char| {
        let is_kept = inside || !matches!(char, ' ' | '\t' | '\n' | '\r');
        match char {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && *char == '\\' && !escaped;
        is_kept
    };
    Ok(text.chars().filter(keep).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_and_the_rest_stays() {
        let line = |text: &str| compact(text.as_bytes()).unwrap();
        assert_eq!(line("[ 1 ,\r\n\t2 ]"), "[1,2]");
        assert_eq!(line(r#" "a \\" "#), r#""a \\""#);
        assert_eq!(line(r#"{ "a\" b" : "\\\" " }"#), r#"{"a\" b":"\\\" "}"#);
        assert!(compact(b"\"\xff\"").is_err());
    }

    #[test]
    fn numbers_that_json_lacks_are_shown_and_nothing_else_is_forgiven() {
        let line = |text: &str| show(text.as_bytes()).unwrap();
        assert_eq!(
            line(r#"{"a": NaN, "NaN": [-Infinity, "Infinity\" NaN", Infinity]}"#),
            r#"{"a":{"$float":"nan"},"NaN":[{"$float":"-inf"},"Infinity\" NaN",{"$float":"inf"}]}"#
        );
        for wrong in [
            "NaNNaN",
            "{NaN: 1}",
            "[NaN,]",
            "1NaN",
            "\"NaN",
            "nan",
            "--Infinity",
        ] {
            assert!(show(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let problem = show(b"[NaN, oops]").unwrap_err();
        assert_eq!(problem, compact(b"[NaN, oops]").unwrap_err());
        assert!(compact(b"NaN").is_err(), "it is not written");
    }
}
