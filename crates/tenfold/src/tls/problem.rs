//! What is wrong with a file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the files of TLS cannot be used.
///
/// Its words name the file, the line or the certificate, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    at: Place,
    what: String,
}

/// Something about a file that can be used, which a person should know: a certificate that has expired, for
/// example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    at: Place,
    what: String,
}

/// A place in a file, or no file at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    file: Option<PathBuf>,
    /// The number of the certificate or list in the file, and what it is.
    item: Option<(&'static str, usize)>,
    line: Option<usize>,
}

impl Problem {
    pub(super) fn new(at: impl Into<Place>, what: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
        }
    }

    /// The file; `None` if what is wrong is in none, but on the system.
    pub fn file(&self) -> Option<&Path> {
        self.at.file.as_deref()
    }

    /// What is wrong is in no file.
    pub(super) fn without_file(what: impl Into<String>) -> Self {
        Self::new(Place::default(), what)
    }
}

impl Finding {
    pub(super) fn new(at: Place, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

impl Place {
    /// The one that begins at a line.
    pub(super) fn line(file: &Path, line: usize) -> Self {
        Self {
            file: Some(file.to_owned()),
            item: None,
            line: Some(line),
        }
    }

    /// Such as the second certificate of a file, and where it begins.
    pub(super) fn item(file: &Path, what: &'static str, number: usize, line: usize) -> Self {
        Self {
            file: Some(file.to_owned()),
            item: Some((what, number)),
            line: Some(line),
        }
    }
}

impl From<&Path> for Place {
    fn from(file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..Self::default()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = &self.file else {
            return Ok(());
        };
        write!(f, "{}", file.display())?;
        match (self.item, self.line) {
            (Some((what, number)), Some(line)) => write!(f, ", {what} {number} (line {line})")?,
            (None, Some(line)) => write!(f, ", line {line}")?,
            _ => {}
        }
        f.write_str(": ")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.at, self.what)
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.at, self.what)
    }
}
