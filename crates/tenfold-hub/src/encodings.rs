//! The encodings of one block, each made once for all clients that want it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::encoding::{Encoded, Form};

/// The encodings of one block that were wanted so far. The tail keeps them with the block, and counts what they take.
#[derive(Debug, Default)]
pub(crate) struct Encodings(Mutex<Vec<(Form, Arc<Encoded>)>>);

impl Encodings {
    /// The block in a form. Whoever wants it first makes it, and the others wait for that, as it takes less time than to
    /// make it again. The second is how many bytes more are kept now.
    pub(crate) fn get(&self, form: Form, make: impl FnOnce() -> Encoded) -> (Arc<Encoded>, usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, encoded)) = kept.iter().find(|(of, _)| *of == form) {
            return (Arc::clone(encoded), 0);
        }
        let encoded = Arc::new(make());
        kept.push((form, Arc::clone(&encoded)));
        (Arc::clone(&encoded), encoded.cost())
    }
}
