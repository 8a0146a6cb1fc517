//! Connections that have not said yet what they want.
//!
//! Everybody is accepted. When there are too many, one gives way: of the address that has the most of them the oldest
//! that is silent. So whoever connects a thousand times takes its places from nobody but itself. Only where all of that
//! address have begun to speak is the next connection accepted later: they have a moment to go on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::change::Change;
use crate::peer::Peer;
use crate::shares::Whose;

/// How long a connection that has begun to speak has at the least.
const LEAST_TIME: Duration = Duration::from_millis(250);

/// The connections of a hub that have not said yet what they want.
#[derive(Debug)]
pub(crate) struct Pending {
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Change,
}

#[derive(Debug, Default)]
struct Waiting {
    /// How many there are, and how many there ever were.
    count: usize,
    ever: u64,
    /// In the order in which they came. Nobody has an empty map.
    of: HashMap<Whose, BTreeMap<u64, Waiter>>,
    /// One was asked, and has not gone yet.
    is_one_asked: bool,
}

#[derive(Debug)]
struct Waiter {
    since: Instant,
    standing: Standing,
    asked: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As far as is known, nothing was received from it.
    Silent,
    /// It is to go, if nothing was received from it.
    IsAsked,
    /// Something was received from it.
    Begun,
    /// It is to go.
    Leaves,
}

/// The place of a connection among those that have not said yet what they want, until it is dropped.
#[derive(Debug)]
pub(crate) struct PendingPlace {
    pending: Arc<Pending>,
    whose: Whose,
    number: u64,
    asked: Arc<Notify>,
}

impl Pending {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Mutex::default(),
            changed: Change::default(),
        }
    }

    /// Enters a connection that was accepted just now.
    pub(crate) fn enter(self: &Arc<Self>, peer: Peer) -> PendingPlace {
        let (whose, asked) = (Whose::of(peer), Arc::default());
        let waiter = Waiter {
            since: Instant::now(),
            standing: Standing::Silent,
            asked: Arc::clone(&asked),
        };
        let mut waiting = self.lock();
        let number = waiting.ever;
        waiting.ever += 1;
        waiting.count += 1;
        let own = waiting.of.entry(whose.clone()).or_default();
        own.insert(number, waiter);
        drop(waiting);
        PendingPlace {
            pending: Arc::clone(self),
            whose,
            number,
            asked,
        }
    }

    /// Waits until there are no more than there may be, and has one after the other give way for that.
    pub(crate) async fn room(&self) {
        self.changed
            .attempt(|| self.lock().make_room(self.most))
            .await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Has one give way if there are more than `most`; an error says how long to wait for that.
    fn make_room(&mut self, most: usize) -> Result<(), Duration> {
        if self.count <= most {
            return Ok(());
        }
        if self.is_one_asked {
            return Err(LEAST_TIME);
        }
        let oldest = |waiters: &BTreeMap<u64, Waiter>| waiters.keys().next().copied();
        let many = self.of.values_mut();
        let Some(most) = many.max_by_key(|waiters| (waiters.len(), Reverse(oldest(waiters))))
        else {
            return Ok(());
        };
        let mut silent = most
            .values_mut()
            .filter(|it| it.standing == Standing::Silent);
        if let Some(waiter) = silent.next() {
            waiter.standing = Standing::IsAsked;
            waiter.asked.notify_one();
        } else if let Some(waiter) = most.values_mut().next() {
            let left = LEAST_TIME.saturating_sub(waiter.since.elapsed());
            if !left.is_zero() {
                return Err(left);
            }
            waiter.standing = Standing::Leaves;
            waiter.asked.notify_one();
        }
        self.is_one_asked = true;
        Err(LEAST_TIME)
    }

    fn standing(&mut self, place: &PendingPlace) -> Option<&mut Standing> {
        let waiter = self.of.get_mut(&place.whose)?.get_mut(&place.number)?;
        Some(&mut waiter.standing)
    }
}

impl PendingPlace {
    /// Notes that something was received.
    pub(crate) fn has_begun(&self) {
        let mut waiting = self.pending.lock();
        match waiting.standing(self) {
            Some(standing @ Standing::Silent) => *standing = Standing::Begun,
            Some(standing @ Standing::IsAsked) => {
                *standing = Standing::Begun;
                waiting.is_one_asked = false;
                drop(waiting);
                self.pending.changed.tell();
            }
            _ => {}
        }
    }

    /// Waits until the connection is to give way. `has_received`: whether something has come that was not noted yet.
    pub(crate) async fn gives_way(&self, has_received: impl Fn() -> bool) {
        loop {
            self.asked.notified().await;
            match self.standing() {
                Some(Standing::IsAsked) if has_received() => self.has_begun(),
                Some(Standing::IsAsked | Standing::Leaves) => return,
                _ => {}
            }
        }
    }

    fn standing(&self) -> Option<Standing> {
        self.pending.lock().standing(self).copied()
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        let mut waiting = self.pending.lock();
        let waiting = &mut *waiting;
        let Some(own) = waiting.of.get_mut(&self.whose) else {
            return;
        };
        let left = own.remove(&self.number);
        if own.is_empty() {
            waiting.of.remove(&self.whose);
        }
        waiting.count -= 1;
        if let Some(Standing::IsAsked | Standing::Leaves) = left.map(|it| it.standing) {
            waiting.is_one_asked = false;
        }
        self.pending.changed.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    fn peer(host: u8, port: u16) -> Peer {
        Peer::Tcp((Ipv4Addr::new(192, 0, 2, host), port).into())
    }

    /// Those that have given way, in this order.
    type Gone = Arc<Mutex<Vec<(u8, u16)>>>;

    /// Connects, and stays until it has to give way.
    fn connect(pending: &Arc<Pending>, gone: &Gone, client: (u8, u16), has_begun: bool) {
        let place = pending.enter(peer(client.0, client.1));
        let gone = Arc::clone(gone);
        tokio::spawn(async move {
            place.gives_way(|| has_begun).await;
            gone.lock().unwrap().push(client);
        });
    }

    fn gone(gone: &Gone) -> Vec<(u8, u16)> {
        gone.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_silent_one_of_the_address_with_the_most_gives_way_at_once() {
        let (pending, left) = (Arc::new(Pending::new(4)), Gone::default());
        connect(&pending, &left, (1, 0), false);
        connect(&pending, &left, (2, 0), true);
        for port in 1..4 {
            connect(&pending, &left, (2, port), false);
        }
        let start = Instant::now();
        pending.room().await;
        assert_eq!(gone(&left), [(2, 1)]);
        connect(&pending, &left, (1, 1), false);
        pending.room().await;
        // Both have two: then it is the one that came first of all.
        connect(&pending, &left, (3, 0), false);
        pending.room().await;
        assert_eq!(gone(&left), [(2, 1), (2, 2), (1, 0)]);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(pending.lock().count, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_have_begun_have_a_moment_and_then_the_oldest_gives_way() {
        let (pending, left) = (Arc::new(Pending::new(2)), Gone::default());
        for port in 0..3 {
            connect(&pending, &left, (1, port), true);
        }
        let start = Instant::now();
        pending.room().await;
        assert_eq!(start.elapsed(), LEAST_TIME);
        yield_now().await;
        assert_eq!(gone(&left), [(1, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_is_room() {
        let pending = Arc::new(Pending::new(1));
        let places = [pending.enter(peer(1, 0)), pending.enter(peer(2, 0))];
        let full = timeout(Duration::from_secs(3600), pending.room());
        assert!(full.await.is_err(), "nobody is there to give way");
        let [first, second] = places;
        // Whoever was asked and has gone is waited for no longer.
        drop(first);
        pending.room().await;
        drop(second);
        let waiting = pending.lock();
        assert!(waiting.of.is_empty() && waiting.count == 0 && !waiting.is_one_asked);
    }
}
