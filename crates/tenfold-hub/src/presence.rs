//! Who is there.

use std::sync::Arc;

use tokio::sync::watch;

use crate::shared::Shared;

/// Counts somebody as long as he is there, however his task ends.
pub(crate) struct Presence {
    shared: Arc<Shared>,
    count: fn(&Shared) -> &watch::Sender<usize>,
}

impl Presence {
    pub(crate) fn new(shared: &Arc<Shared>, count: fn(&Shared) -> &watch::Sender<usize>) -> Self {
        count(shared).send_modify(|count| *count += 1);
        Self {
            shared: Arc::clone(shared),
            count,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        (self.count)(&self.shared).send_modify(|count| *count -= 1);
    }
}
