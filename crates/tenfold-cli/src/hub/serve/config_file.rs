//! `--config`: settings in a TOML file.

use std::fs;
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{is_list, problem, setting};
use crate::failure::Failure;

/// A setting of the file, whose values are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) values: Vec<String>,
    pub(super) line: usize,
}

/// Reads a file, and finds what is wrong with it.
pub(super) fn read(path: &Path, serve: &Command) -> Result<Vec<Entry>, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read the settings in {name}: {error}")))?;
    let entries = parse(&text, serve);
    entries.map_err(|(line, words)| Failure::Usage(format!("{name}:{line}: {words}")))
}

/// Where something is wrong, and what.
type Problem = (usize, String);

fn parse(text: &str, serve: &Command) -> Result<Vec<Entry>, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        (line(text, &at), format!("not TOML: {}", error.message()))
    })?;
    let entries = table.get_ref().iter().map(|(key, value)| {
        let line = line(text, &key.span());
        entry(key.get_ref(), value, line, serve).map_err(|words| (line, words))
    });
    // The table is in another order than the file; the first mistake is the one to be told.
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Ok(entry) => right.push(entry),
            Err(problem) => wrong.push(problem),
        }
    }
    wrong.into_iter().min().map_or(Ok(right), Err)
}

/// Lines count from 1.
fn line(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    1 + before.matches('\n').count()
}

fn entry(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    line: usize,
    serve: &Command,
) -> Result<Entry, String> {
    let arg = serve.get_arguments().find(|arg| setting(arg) == Some(key));
    let Some(arg) = arg else {
        return Err(unknown(key, serve));
    };
    let values = values(value.get_ref(), arg).map_err(|words| format!("{key}: {words}"))?;
    check(key, &values, serve)?;
    Ok(Entry {
        key: key.to_owned(),
        values,
        line,
    })
}

fn values(value: &DeValue<'_>, arg: &Arg) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(values) if is_list(arg) => {
            let values = values.iter().map(|value| text(value.get_ref()));
            values.collect()
        }
        DeValue::Array(_) => Err("it has one value, not several".to_owned()),
        value => text(value).map(|value| vec![value]),
    }
}

/// A value as it would be written on the command line.
fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        other => Err(format!(
            "a {} is not a value for it; write text in quotes (\"1.5s\", \"64MiB\"), a whole number, or true or false",
            other.type_str()
        )),
    }
}

/// Has clap look at the values, as if they had been given on the command line.
fn check(key: &str, values: &[String], serve: &Command) -> Result<(), String> {
    let flags = values.iter().map(|value| format!("--{key}={value}"));
    let arguments = std::iter::once("serve".to_owned()).chain(flags);
    let checked = serve.clone().try_get_matches_from(arguments);
    checked
        .map(drop)
        .map_err(|error| format!("{key}: {}", problem(&error)))
}

fn unknown(key: &str, serve: &Command) -> String {
    let shown = key.escape_debug();
    let asked = serve
        .clone()
        .try_get_matches_from(["serve", &format!("--{key}")]);
    let near = match asked
        .as_ref()
        .err()
        .and_then(|error| error.get(ContextKind::SuggestedArg))
    {
        Some(ContextValue::String(near)) => near.trim_start_matches('-').to_owned(),
        _ => return format!("there is no setting \"{shown}\"; `tenfold serve --help` lists them"),
    };
    format!("there is no setting \"{shown}\"; did you mean {near}?")
}
