//! Words for people: everything that goes to stderr goes through here.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::escape;
use crate::stderr;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to a stream.
    pub(crate) fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !no_color
            }
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors only.
    Quiet,
    /// Addresses, warnings, progress.
    Normal,
    /// What happens to each connection as well.
    Detailed,
}

/// Says things on stderr. Clones speak with the same voice: a line of progress gives way to a
/// line of words.
#[derive(Clone, Debug)]
pub(crate) struct Words(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: Level,
    color: bool,
    terminal: bool,
    /// A line of progress stands on the terminal.
    progress: Mutex<bool>,
}

impl Words {
    pub(crate) fn new(level: Level, color: Color) -> Self {
        Self(Arc::new(Inner {
            level,
            color: color.applies_to(&io::stderr()),
            terminal: io::stderr().is_terminal(),
            progress: Mutex::new(false),
        }))
    }

    pub(crate) fn level(&self) -> Level {
        self.0.level
    }

    /// Whether stderr is coloured.
    pub(crate) fn is_colored(&self) -> bool {
        self.0.color
    }

    /// What a person has to know.
    pub(crate) fn error(&self, words: impl Display) {
        self.line(&self.label("error", "31"), words);
    }

    /// What went wrong, and the command goes on.
    pub(crate) fn warning(&self, words: impl Display) {
        if self.0.level >= Level::Normal {
            self.line(&self.label("warning", "33"), words);
        }
    }

    /// What a person wants to know.
    pub(crate) fn note(&self, words: impl Display) {
        if self.0.level >= Level::Normal {
            self.line("", words);
        }
    }

    /// What a person wants to know after asking with `-v`.
    pub(crate) fn detail(&self, words: impl Display) {
        if self.0.level >= Level::Detailed {
            self.line("", words);
        }
    }

    /// What a program asked for with `--report json`.
    pub(crate) fn object(&self, object: &serde_json::Value) {
        self.line("", escape::json(&object.to_string()));
    }

    /// What helps a person at a terminal, and nobody else.
    pub(crate) fn hint(&self, words: impl Display) {
        if self.is_terminal() {
            self.note(words);
        }
    }

    /// What was done. A command that succeeds says nothing in a script.
    pub(crate) fn outcome(&self, words: impl Display) {
        if self.is_terminal() {
            self.note(words);
        } else {
            self.detail(words);
        }
    }

    /// Whether a person reads this at a terminal, and wants more than errors.
    pub(crate) fn is_terminal(&self) -> bool {
        self.0.terminal && self.0.level >= Level::Normal
    }

    /// Shows how things stand, in place of the last such line.
    pub(crate) fn progress(&self, words: impl Display) {
        if self.is_terminal() {
            *self.shown() = true;
            stderr::write(&format!("\r\x1b[K{words}"));
        }
    }

    /// A line of a library that writes by itself.
    pub(crate) fn line_of_library(&self) -> Line {
        Line {
            words: self.clone(),
            bytes: Vec::new(),
        }
    }

    fn label(&self, name: &str, color: &str) -> String {
        if self.0.color {
            format!("tenfold: \x1b[1;{color}m{name}:\x1b[0m ")
        } else {
            format!("tenfold: {name}: ")
        }
    }

    /// What others chose may be in the words.
    fn line(&self, label: &str, words: impl Display) {
        let words = escape::words(&words.to_string());
        self.lines(&format!("{label}{words}\n"));
    }

    /// Writes whole lines in the place of the line of progress.
    fn lines(&self, lines: &str) {
        let mut progress = self.shown();
        let clear = if *progress { "\r\x1b[K" } else { "" };
        *progress = false;
        stderr::write(&format!("{clear}{lines}"));
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, bool> {
        self.0
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that is written when this is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    words: Words,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.words.lines(&String::from_utf8_lossy(&self.bytes));
    }
}

/// A line on the terminal that says how far something is. It changes often enough to be seen to move,
/// and goes away when this is dropped.
#[derive(Debug)]
pub(crate) struct ProgressLine<'a> {
    words: &'a Words,
    due: Instant,
}

/// The least time between two changes of a line of progress.
const CHANGES_EVERY: Duration = Duration::from_millis(100);

impl<'a> ProgressLine<'a> {
    pub(crate) fn new(words: &'a Words) -> Self {
        Self {
            words,
            due: Instant::now() + CHANGES_EVERY,
        }
    }

    /// Shows this line, if it is time for the next.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.words.is_terminal() && now >= self.due {
            self.due = now + CHANGES_EVERY;
            self.words.progress(line());
        }
    }
}

impl Drop for ProgressLine<'_> {
    fn drop(&mut self) {
        self.words.progress("");
    }
}
