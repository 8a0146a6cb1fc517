//! Subscribers that retention waits for, on a channel with a log.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::change::Change;

/// The seq of a subscriber's next message.
pub(crate) type NextSeq = Arc<AtomicU64>;

/// Where the subscribers of a channel stand, and whether its publishers have to wait for them.
///
/// It is looked at from time to time ([`look`](Self::look)): what the slowest needs is held. If
/// retention would have deleted that, publishers wait; after the limit nothing is held for a while, and
/// retention passes the subscribers that stand in the way.
#[derive(Debug)]
pub(crate) struct Holding {
    limit: Duration,
    state: Mutex<State>,
    freed: Change,
}

#[derive(Debug)]
struct State {
    places: Vec<Weak<AtomicU64>>,
    /// What is held.
    from: u64,
    /// Since when publishers wait.
    since: Option<Instant>,
    /// Until when nothing is held.
    pause: Option<Instant>,
}

/// Holding nothing.
const NOTHING: u64 = u64::MAX;
/// How long nothing is held, so that retention can do its work: it comes once in a second.
const PAUSE: Duration = Duration::from_secs(3);

/// What of the log it needs.
pub(crate) trait Held {
    /// The oldest seq that is kept.
    fn first(&self) -> u64;

    /// Keeps everything from a seq on.
    fn hold(&self, from: u64);

    /// Whether retention would have deleted something that is held.
    fn is_held(&self) -> bool;
}

impl Held for tenfold_log::Channel {
    fn first(&self) -> u64 {
        self.first()
    }

    fn hold(&self, from: u64) {
        self.hold(from);
    }

    fn is_held(&self) -> bool {
        self.is_held()
    }
}

impl Holding {
    /// Publishers wait for so long at the most.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                places: Vec::new(),
                from: NOTHING,
                since: None,
                pause: None,
            }),
            freed: Change::default(),
        }
    }

    /// The place of a subscriber, which is held from now on.
    pub(crate) fn enter(&self, channel: &impl Held, seq: u64) -> NextSeq {
        let place = Arc::new(AtomicU64::new(seq));
        let mut state = self.lock();
        state.places.push(Arc::downgrade(&place));
        if state.pause.is_none() && seq < state.from {
            state.from = seq;
            channel.hold(seq);
        }
        place
    }

    /// Sees how things stand.
    pub(crate) fn look(&self, channel: &impl Held, now: Instant) {
        let mut state = self.lock();
        state.places.retain(|place| place.strong_count() > 0);
        if state.pause.is_some_and(|until| now < until) {
            return;
        }
        state.pause = None;
        let first = channel.first();
        let seqs = state.places.iter().filter_map(Weak::upgrade);
        let seqs = seqs.map(|place| place.load(SeqCst));
        // A subscriber that retention has passed needs nothing of what is left.
        let from = seqs.filter(|seq| *seq >= first).min().unwrap_or(NOTHING);
        state.from = from;
        channel.hold(from);
        if !channel.is_held() {
            state.since = None;
        } else if now >= *state.since.get_or_insert(now) + self.limit {
            state.since = None;
            state.pause = Some(now + PAUSE);
            state.from = NOTHING;
            channel.hold(NOTHING);
        }
        drop(state);
        self.tell(channel);
    }

    /// Holds nothing any more.
    pub(crate) fn end(&self, channel: &impl Held) {
        channel.hold(NOTHING);
        self.tell(channel);
    }

    fn tell(&self, channel: &impl Held) {
        if !channel.is_held() {
            self.freed.tell();
        }
    }

    /// Waits until publishers need not wait.
    pub(crate) async fn freed(&self, channel: &impl Held) {
        self.freed.until(|| !channel.is_held()).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A channel whose retention wants everything before a seq deleted.
    #[derive(Debug, Default)]
    struct Channel {
        first: AtomicU64,
        wanted: AtomicU64,
        held: AtomicU64,
        is_held: AtomicBool,
    }

    impl Channel {
        fn retain(&self) {
            let (wanted, held) = (self.wanted.load(SeqCst), self.held.load(SeqCst));
            self.is_held.store(held < wanted, SeqCst);
            self.first.store(wanted.min(held), SeqCst);
        }
    }

    impl Held for Channel {
        fn first(&self) -> u64 {
            self.first.load(SeqCst)
        }

        fn hold(&self, from: u64) {
            self.held.store(from, SeqCst);
            if from == NOTHING {
                self.is_held.store(false, SeqCst);
            }
        }

        fn is_held(&self) -> bool {
            self.is_held.load(SeqCst)
        }
    }

    #[test]
    fn what_the_slowest_needs_is_held_until_it_moves_on_or_leaves() {
        let (holding, channel) = (Holding::new(Duration::from_secs(30)), Channel::default());
        let now = Instant::now();
        let fast = holding.enter(&channel, 100);
        let slow = holding.enter(&channel, 10);
        assert_eq!(channel.held.load(SeqCst), 10);
        channel.wanted.store(50, SeqCst);
        channel.retain();
        holding.look(&channel, now);
        assert!(channel.is_held());
        slow.store(60, SeqCst);
        holding.look(&channel, now);
        channel.retain();
        holding.look(&channel, now);
        assert!(!channel.is_held());
        assert_eq!(channel.first(), 50);
        drop(slow);
        holding.look(&channel, now);
        assert_eq!(channel.held.load(SeqCst), 100);
        drop(fast);
        holding.look(&channel, now);
        assert_eq!(channel.held.load(SeqCst), NOTHING);
    }

    #[test]
    fn a_subscriber_in_the_way_for_too_long_is_passed_and_holds_nothing_any_more() {
        let (holding, channel) = (Holding::new(Duration::from_secs(30)), Channel::default());
        let start = Instant::now();
        let _slow = holding.enter(&channel, 10);
        let _other = holding.enter(&channel, 70);
        channel.wanted.store(50, SeqCst);
        for (seconds, free) in [(0, false), (29, false), (30, true), (31, true)] {
            channel.retain();
            holding.look(&channel, start + Duration::from_secs(seconds));
            assert_eq!(!channel.is_held(), free, "{seconds}");
        }
        assert_eq!(channel.first(), 50);
        channel.retain();
        holding.look(&channel, start + Duration::from_secs(34));
        assert!(!channel.is_held());
        assert_eq!(channel.held.load(SeqCst), 70);
    }
}
