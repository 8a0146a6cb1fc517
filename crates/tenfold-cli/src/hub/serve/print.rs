//! `--print-config`: what is in force, and why.

use std::fmt::Write as _;

use super::settings::{Origin, Setting, Settings};
use crate::failure::Failure;
use crate::flow::output::Stdout;

/// Prints all settings as TOML, which `--config` reads again; where each comes from is a comment.
pub(super) fn print(settings: &Settings) -> Result<(), Failure> {
    let mut text = String::new();
    for setting in settings.iter() {
        line(setting, &mut text);
    }
    Stdout::open()?.write(text.as_bytes())
}

/// The comments stand in one column, if the values are not too long.
const WIDTH: usize = 40;

fn line(setting: &Setting, text: &mut String) {
    let origin = match &setting.origin {
        Origin::Flag => format!("flag --{}", setting.key),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::File(path, line) => {
            format!("file {}:{line}", path.display().to_string().escape_debug())
        }
        Origin::Default => "default".to_owned(),
    };
    let assignment = match (value(setting), setting.is_list) {
        (Some(value), _) => format!("{} = {value}", setting.key),
        (None, true) => format!("{} = []", setting.key),
        (None, false) => format!("# {} is not set", setting.key),
    };
    let comment = if assignment.starts_with('#') {
        ""
    } else {
        "# "
    };
    let origin = if assignment.starts_with('#') {
        String::new()
    } else {
        origin
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}",
        format!("{assignment:WIDTH$} {comment}{origin}").trim_end()
    );
}

fn value(setting: &Setting) -> Option<String> {
    let values = setting.values.as_ref()?;
    if setting.is_list {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        return Some(format!("[{}]", values.join(", ")));
    }
    values.first().map(|value| bare_or_quoted(value))
}

/// Truths and numbers stand as they are, if they read the same again.
fn bare_or_quoted(value: &str) -> String {
    let is_number = value
        .parse::<i64>()
        .is_ok_and(|number| number.to_string() == value);
    if is_number || matches!(value, "true" | "false") {
        value.to_owned()
    } else {
        quoted(value)
    }
}

/// A basic string of TOML.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            char if char.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_was() {
        for text in [
            "",
            "a\"b\\c",
            "two\nlines\r\t",
            "\u{7f}\u{1b}",
            "caf\u{e9}",
            "'",
        ] {
            let line = format!("x = {}", quoted(text));
            let table = toml::de::DeTable::parse(&line).unwrap();
            assert_eq!(
                table.get_ref()["x"].get_ref().as_str(),
                Some(text),
                "{line}"
            );
        }
    }
}
