//! Why a message is not what it should be.

use std::fmt;

use crate::{MAX_DEPTH, MAX_VALUES};

/// Why a message is not a value of its format, or why a value has no place in a format.
///
/// The words follow the name of what they are about: `message 3`, or `line 3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    pub(crate) fn is_no(kind: &str, why: impl fmt::Display) -> Self {
        Self(format!("is not {kind}: {why}"))
    }

    /// So many bytes follow the value.
    pub(crate) fn after(kind: &str, rest: usize) -> Self {
        let bytes = if rest == 1 { "byte" } else { "bytes" };
        Self(format!("has {rest} {bytes} after its {kind} value"))
    }

    pub(crate) fn too_deep() -> Self {
        Self(format!("is nested deeper than {MAX_DEPTH} levels"))
    }

    pub(crate) fn too_many() -> Self {
        Self(format!("has more than {MAX_VALUES} values"))
    }

    /// What `serde_json` says, without the line: there is only one.
    #[cfg(any(feature = "json", feature = "cbor", feature = "msgpack"))]
    pub(crate) fn no_json(error: &serde_json::Error) -> Self {
        let words = error.to_string();
        if words.contains("recursion limit") {
            return Self::too_deep();
        }
        Self::is_no("JSON", words.replace(" at line 1 column", " at character"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}
