//! What is in the files that the settings name.

use std::sync::Arc;

use tenfold::tls::{Finding, Server};
use tenfold_gate::Policy;
use tracing::warn;

use super::exposed::Exposed;

/// What was read and checked of all files, before any of it counts.
pub(super) struct Checked {
    /// Who may do what, if that is asked.
    pub(super) policy: Option<Arc<Policy>>,
    /// With what TLS is spoken, if it is.
    pub(super) tls: Option<Server>,
    pub(super) exposed: Exposed,
}

impl Checked {
    /// What is good, but will not stay so.
    pub(super) fn findings(&self) -> &[Finding] {
        self.tls.as_ref().map_or(&[], Server::findings)
    }

    /// Tells what the hub's owner should know of it.
    pub(super) fn tell(&self) {
        self.exposed.tell();
        for finding in self.findings() {
            warn!("{finding}");
        }
    }
}
