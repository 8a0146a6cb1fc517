//! Names of channels, by their beginning.

use std::fmt;
use std::str::FromStr;

use super::ChannelName;

/// The name of a channel, or the start of names and a `*`.
///
/// ```
/// use tenfold::protocol::Pattern;
///
/// let pattern: Pattern = "sensors.*".parse()?;
/// assert!(pattern.fits(&"sensors.attic".parse()?));
/// assert!(!pattern.fits(&"ticks".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    start: String,
    open: bool,
}

/// A text that is not a pattern. Displays what a pattern is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadPattern;

impl Pattern {
    /// What a pattern is, in words.
    pub(super) const RULE: &str = "a channel name, or the start of one and *";

    /// Whether a channel's name fits.
    pub fn fits(&self, channel: &ChannelName) -> bool {
        let name = channel.as_str();
        if self.open {
            name.starts_with(&self.start)
        } else {
            name == self.start
        }
    }

    /// Whether there is a name that fits both.
    ///
    /// ```
    /// use tenfold::protocol::Pattern;
    ///
    /// let pattern: Pattern = "sensors.*".parse()?;
    /// assert!(pattern.meets(&"sen*".parse()?) && pattern.meets(&"sensors.attic".parse()?));
    /// assert!(!pattern.meets(&"ticks*".parse()?));
    /// # Ok::<(), tenfold::protocol::BadPattern>(())
    /// ```
    pub fn meets(&self, other: &Self) -> bool {
        match (self.open, other.open) {
            (true, true) => {
                self.start.starts_with(&other.start) || other.start.starts_with(&self.start)
            }
            (true, false) => other.start.starts_with(&self.start),
            (false, true) => self.start.starts_with(&other.start),
            (false, false) => self.start == other.start,
        }
    }

    /// Whether it is the start of names, and not one name.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

impl From<ChannelName> for Pattern {
    fn from(name: ChannelName) -> Self {
        Self {
            start: name.as_str().to_owned(),
            open: false,
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let (start, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        if (open && start.is_empty()) || start.parse::<ChannelName>().is_ok() {
            return Ok(Self {
                start: start.to_owned(),
                open,
            });
        }
        Err(BadPattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Pattern::RULE)
    }
}

impl std::error::Error for BadPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in ["*", "ticks", "quotes.*", "a*", "0-_.*"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        for text in ["", "**", "*a", "a*b", "Ticks", ".*", "a b"] {
            assert_eq!(text.parse::<Pattern>(), Err(BadPattern), "{text}");
        }
    }
}
