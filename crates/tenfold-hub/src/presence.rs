//! How many of something are there.

use std::sync::Arc;

use tokio::sync::watch;

/// A number of clients, connections or publishers that are there now. Clones are handles to the
/// same number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Present(Arc<watch::Sender<usize>>);

/// One of them. It is counted until it is dropped, however the task that holds it ends.
#[derive(Debug)]
pub(crate) struct Presence(Present);

impl Present {
    /// Counts one more.
    pub(crate) fn enter(&self) -> Presence {
        self.0.send_modify(|count| *count += 1);
        Presence(self.clone())
    }

    /// How many are there now.
    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until `met` holds for the number.
    pub(crate) async fn until(&self, met: impl Fn(usize) -> bool) {
        // An error would mean that the sender is gone, and it is here.
        let _ = self.0.subscribe().wait_for(|count| met(*count)).await;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        (self.0).0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_not_counted_any_more() {
        let present = Present::default();
        let (stays, goes) = (present.enter(), present.enter());
        assert_eq!(present.count(), 2);
        let task = tokio::spawn(async move {
            let _goes = goes;
            panic!("planted");
        });
        assert!(task.await.is_err());
        present.until(|count| count == 1).await;
        drop(stays);
        assert_eq!(present.count(), 0);
    }
}
