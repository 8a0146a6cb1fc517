//! Where the settings of a hub come from.
//!
//! Each option of `tenfold serve` with a long name is a setting. Its environment variable and its
//! key in the file are made from that name here, in one place. A value of the file becomes the
//! option's default value, so that it is read by the same parser, and clap itself does the rest:
//! flags before environment before defaults.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::config_file::{self, Entry};
use crate::failure::Failure;

/// All settings, in the order of the help.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Vec<Setting>);

/// A setting as it was given.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    /// None if it is not set.
    pub(super) values: Option<Vec<String>>,
    /// It may have several values.
    pub(super) is_list: bool,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Environment(String),
    File(PathBuf, usize),
    Default,
}

/// Options that are not settings.
const OTHERS: &[&str] = &[
    "config",
    "check",
    "print-config",
    "help",
    "version",
    "quiet",
    "verbose",
    "color",
];

impl Settings {
    /// A setting, if it was given by a flag, the environment or the file.
    pub(super) fn given(&self, key: &str) -> Option<&Setting> {
        self.0
            .iter()
            .find(|setting| setting.key == key && setting.origin != Origin::Default)
    }

    pub(super) fn find(&self, key: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.key == key)
    }

    /// Sets one that is known as another has it.
    pub(super) fn replace(&mut self, by: &Setting) {
        if let Some(setting) = self.0.iter_mut().find(|setting| setting.key == by.key) {
            setting.clone_from(by);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    fn read(serve: &Command, matches: &ArgMatches, file: &[Entry], path: &Path) -> Self {
        let read = |arg: &Arg| {
            let key = setting(arg)?;
            let id = arg.get_id().as_str();
            let entry = file.iter().find(|entry| entry.key == key);
            Some(Setting {
                key: key.to_owned(),
                values: matches.get_raw(id).map(|raw| raw.map(lossy).collect()),
                is_list: is_list(arg),
                origin: match (matches.value_source(id), entry) {
                    (Some(ValueSource::CommandLine), _) => Origin::Flag,
                    (Some(ValueSource::EnvVariable), _) => Origin::Environment(variable(key)),
                    (_, Some(entry)) => Origin::File(path.to_owned(), entry.line),
                    _ => Origin::Default,
                },
            })
        };
        Self(serve.get_arguments().filter_map(read).collect())
    }
}

impl Setting {
    /// Its name, as it was given.
    pub(super) fn place(&self) -> String {
        match &self.origin {
            Origin::Environment(name) => name.clone(),
            Origin::File(path, line) => format!("{}:{line}: {}", path.display(), self.key),
            Origin::Flag | Origin::Default => format!("--{}", self.key),
        }
    }
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// The key of an option that is a setting.
pub(super) fn setting(arg: &Arg) -> Option<&str> {
    arg.get_long().filter(|long| !OTHERS.contains(long))
}

pub(super) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// `max-message` in the environment.
fn variable(key: &str) -> String {
    format!("TENFOLD_{}", key.to_uppercase().replace('-', "_"))
}

/// The command `serve`, whose settings can stand in the environment.
pub(crate) fn with_environment(serve: Command) -> Command {
    serve.mut_args(|arg| {
        let key = arg
            .get_long()
            .filter(|long| setting(&arg).is_some() || *long == "config");
        match key.map(variable) {
            Some(name) => arg.env(name).hide_env_values(true),
            None => arg,
        }
    })
}

/// Reads the arguments again if there is a file for them. Where each setting comes from.
pub(crate) fn with_file(
    command: Command,
    matches: ArgMatches,
) -> Result<(ArgMatches, Settings), FileError> {
    let Some(serve) = command.find_subcommand("serve").cloned() else {
        return Ok((matches, Settings::default()));
    };
    let Some(("serve", given)) = matches.subcommand() else {
        return Ok((matches, Settings::default()));
    };
    let Some(path) = given.get_one::<PathBuf>("config").cloned() else {
        let settings = Settings::read(&serve, given, &[], Path::new(""));
        return Ok((matches, settings));
    };
    let file = config_file::read(&path, &serve).map_err(FileError::File)?;
    let command = command.mut_subcommand("serve", |serve| with_defaults(serve, &file));
    let matches = command.try_get_matches().map_err(FileError::Arguments)?;
    let settings = match matches.subcommand() {
        Some((_, given)) => Settings::read(&serve, given, &file, &path),
        None => Settings::default(),
    };
    Ok((matches, settings))
}

/// What is wrong with the file, or with the arguments.
pub(crate) enum FileError {
    File(Failure),
    Arguments(clap::Error),
}

fn with_defaults(serve: Command, file: &[Entry]) -> Command {
    serve.mut_args(|arg| {
        let entry = file
            .iter()
            .find(|entry| Some(entry.key.as_str()) == setting(&arg));
        match entry {
            Some(entry) => arg.default_values(entry.values.clone()),
            None => arg,
        }
    })
}

/// A value that is wrong in the environment, which clap would blame on a flag that was not given.
pub(crate) fn explain(error: &clap::Error, command: &Command) -> Option<String> {
    let Some(ContextValue::String(blamed)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    // `--drain <T>` or `--insecure-listen[=<true|false>]`.
    let ends = |char: char| matches!(char, ' ' | '[' | '=');
    let blamed = blamed.trim_start_matches('-').split(ends).next();
    let serve = command.find_subcommand("serve")?;
    let arg = serve.get_arguments().find(|arg| arg.get_long() == blamed)?;
    let (key, name) = (arg.get_long()?, arg.get_env()?.to_str()?);
    let flag = format!("--{key}");
    let is_given = std::env::args_os().any(|given| given.to_string_lossy().starts_with(&flag));
    if is_given || std::env::var_os(name).is_none() {
        return None;
    }
    Some(format!("{name}: {}", problem(error)))
}

/// What is wrong with a value, and what to write instead.
pub(super) fn problem(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let source = std::error::Error::source(error).map(ToString::to_string);
    let values = context(ContextKind::ValidValue).map(|values| format!("write one of {values}"));
    match source.or(values) {
        Some(words) => format!("bad value \"{}\": {words}", value.escape_debug()),
        None if value.is_empty() => "it needs a value".to_owned(),
        None => format!("bad value \"{}\"", value.escape_debug()),
    }
}
