//! JSON, passed on as it is.

use serde::de::IgnoredAny;

use crate::Problem;

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
}
