//! What can be changed of a hub that runs.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

use crate::hub_options::HubOptions;

/// The options of a hub that runs.
#[derive(Debug)]
pub(crate) struct Live(RwLock<Arc<HubOptions>>);

impl Live {
    pub(crate) fn new(options: HubOptions) -> Self {
        Self(RwLock::new(Arc::new(options)))
    }

    /// The options of now.
    pub(crate) fn now(&self) -> Arc<HubOptions> {
        let options = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&options)
    }

    /// Replaces those that can be changed while the hub runs.
    pub(crate) fn change(&self, to: &HubOptions) {
        let mut options = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *options = Arc::new(options.changed(to));
    }
}

/// Places whose number can be changed while some are taken: if there are to be fewer, those that are given
/// back first are not given away again.
#[derive(Debug)]
pub(crate) struct Resizable {
    semaphore: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    wanted: usize,
    /// So many more than are wanted are taken.
    surplus: Arc<AtomicUsize>,
    /// Waits until they are given back.
    waiting: Option<JoinHandle<()>>,
}

impl Resizable {
    pub(crate) fn new(size: usize) -> Self {
        let wanted = size.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            semaphore: Arc::new(Semaphore::new(wanted)),
            size: Mutex::new(Size {
                wanted,
                surplus: Arc::default(),
                waiting: None,
            }),
        }
    }

    pub(crate) fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// Changes how many there are.
    pub(crate) async fn resize(&self, size: usize) {
        let wanted = size.clamp(1, Semaphore::MAX_PERMITS);
        let mut now = self.size.lock().await;
        if let Some(waiting) = now.waiting.take() {
            waiting.abort();
            // It has ended with all that it wanted, or with nothing.
            let _ = waiting.await;
        }
        let there = now.wanted + now.surplus.load(SeqCst);
        now.wanted = wanted;
        if wanted >= there {
            now.surplus.store(0, SeqCst);
            self.semaphore.add_permits(wanted - there);
            return;
        }
        let excess = there - wanted;
        let surplus = excess - self.semaphore.forget_permits(excess);
        now.surplus.store(surplus, SeqCst);
        if surplus > 0 {
            let (semaphore, left) = (Arc::clone(&self.semaphore), Arc::clone(&now.surplus));
            let many = u32::try_from(surplus).unwrap_or(u32::MAX);
            let mut taking = Box::pin(async move {
                if let Ok(given_back) = semaphore.acquire_many_owned(many).await {
                    given_back.forget();
                    left.store(0, SeqCst);
                }
            });
            // It waits in the queue before this returns: a place that is given back from now on is its own.
            let is_done = poll_fn(|cx| Poll::Ready(taking.as_mut().poll(cx).is_ready())).await;
            if !is_done {
                now.waiting = Some(tokio::spawn(taking));
            }
        }
    }
}

impl Drop for Resizable {
    fn drop(&mut self) {
        if let Some(waiting) = self.size.get_mut().waiting.take() {
            waiting.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Resizable) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(places.semaphore()).try_acquire_owned().ok()
    }

    async fn free(places: &Resizable, count: usize) {
        while places.semaphore().available_permits() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn places_that_are_taken_go_when_they_are_given_back() {
        let places = Resizable::new(3);
        let mut taken: Vec<_> = (0..3).filter_map(|_| take(&places)).collect();
        assert_eq!(taken.len(), 3);
        places.resize(1).await;
        taken.pop();
        assert!(take(&places).is_none());
        taken.pop();
        assert!(take(&places).is_none(), "one is taken, and there is one");
        taken.pop();
        free(&places, 1).await;
    }

    #[tokio::test]
    async fn a_change_that_waits_gives_way_to_the_next_one() {
        let places = Resizable::new(4);
        let taken: Vec<_> = (0..4).filter_map(|_| take(&places)).collect();
        places.resize(1).await;
        places.resize(6).await;
        free(&places, 2).await;
        places.resize(5).await;
        free(&places, 1).await;
        drop(taken);
        free(&places, 5).await;
        places.resize(2).await;
        free(&places, 2).await;
    }
}
