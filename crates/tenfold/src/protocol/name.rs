//! The names of things in a hub: channels, producers, histories.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a channel: 1 to 128 of `a-z 0-9 . _ -`, the first a letter or a digit.
///
/// Cloning copies no text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

/// The name of a producer: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(Arc<str>);

/// Names one history of a channel: written as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A text that is not such a name. Displays what one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(&'static str);

impl ChannelName {
    /// What a name is, in words.
    pub(super) const RULE: &str =
        "a channel name of 1 to 128 of a-z 0-9 . _ - that begins with a letter or a digit";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names can be looked up by their text: they are compared and hashed as it is.
impl std::borrow::Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl ChannelName {
    /// What a name is, in words for who has written this text in the place of one.
    pub(super) fn rule_for(text: &str) -> &'static str {
        let start = text.strip_suffix('*');
        let is_pattern = |start: &str| start.is_empty() || start.parse::<Self>().is_ok();
        if start.is_some_and(is_pattern) {
            "one channel name; a pattern, which is the start of names and *, is for following many channels (FOLLOW, tenfold sub)"
        } else {
            Self::RULE
        }
    }
}

impl FromStr for ChannelName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let legal = text.len() <= 128
            && text.bytes().next().is_some_and(alphanumeric)
            && text
                .bytes()
                .all(|byte| alphanumeric(byte) || b"._-".contains(&byte));
        if legal {
            Ok(Self(text.into()))
        } else {
            Err(BadName(Self::rule_for(text)))
        }
    }
}

impl ProducerId {
    /// What an ID is, in words.
    pub(super) const RULE: &str = "a producer ID of 1 to 64 of A-Z a-z 0-9 . _ -";

    /// A made-up ID for one run of a program. The hub may forget it sooner than a given one.
    pub fn temporary(random: u64) -> Self {
        Self(format!("_{random:016x}").into())
    }

    /// Whether it was made up for one run.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with('_')
    }

    /// The ID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProducerId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let legal = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if legal {
            Ok(Self(text.into()))
        } else {
            Err(BadName(Self::RULE))
        }
    }
}

impl Epoch {
    /// What an epoch is, in words.
    pub(super) const RULE: &str = "an epoch of 16 lower-case hexadecimal digits";
}

impl FromStr for Epoch {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 16 && text.bytes().all(digit) {
            u64::from_str_radix(text, 16)
                .map(Self)
                .map_err(|_| BadName(Self::RULE))
        } else {
            Err(BadName(Self::RULE))
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for BadName {}
