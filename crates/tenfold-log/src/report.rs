//! What a recovery or a verification has found.

use std::fmt;
use std::sync::Arc;

/// Something that is not as it should be, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Whether committed messages are lost or cannot be served, or may be. Otherwise the finding is what a
    /// crash leaves, or something that was repaired.
    pub is_damage: bool,
    /// The channel, if it is about one.
    pub channel: Option<Arc<str>>,
    /// The messages it is about: the first seq, and the seq after the last one.
    pub seqs: Option<(u64, u64)>,
    /// In words.
    pub text: String,
}

/// All that was found; nothing, if all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// In the order in which it was found.
    pub findings: Vec<Finding>,
    /// Batches of the journal that were written to their segments again.
    pub replayed: u64,
}

impl Report {
    /// Whether something is damaged.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_damage)
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.push(false, None, None, text);
    }

    pub(crate) fn damage(&mut self, text: impl Into<String>) {
        self.push(true, None, None, text);
    }

    pub(crate) fn push(
        &mut self,
        is_damage: bool,
        channel: Option<&Arc<str>>,
        seqs: Option<(u64, u64)>,
        text: impl Into<String>,
    ) {
        self.findings.push(Finding {
            is_damage,
            channel: channel.cloned(),
            seqs,
            text: text.into(),
        });
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channel) = &self.channel {
            write!(f, "channel {channel}: ")?;
        }
        match self.seqs {
            Some((first, next)) if next == first + 1 => write!(f, "message {first}: ")?,
            Some((first, next)) => write!(f, "messages {first} to {}: ", next.saturating_sub(1))?,
            None => {}
        }
        f.write_str(&self.text)
    }
}
