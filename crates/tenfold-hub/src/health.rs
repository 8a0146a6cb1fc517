//! How a hub is, for whoever asks.

use std::fmt;

/// How a hub is: what `HEALTH` says. Displays as the line of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubHealth {
    /// `ok`, or what is wrong with its log.
    pub status: &'static str,
    /// More, to whom that is shown: names and values in their order.
    pub more: Vec<(&'static str, String)>,
}

impl HubHealth {
    pub(crate) fn new(status: &'static str) -> Self {
        Self {
            status,
            more: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &'static str, value: impl fmt::Display) {
        self.more.push((name, value.to_string()));
    }

    /// What is shown to whoever is not an admin.
    pub(crate) fn for_anybody(mut self) -> Self {
        self.more.clear();
        self
    }

    /// Whether all that is asked of the hub can be done.
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

impl fmt::Display for HubHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, more } = self;
        write!(f, "OK status={status}")?;
        for (name, value) in more {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
