//! Channels that come and go, for connections that follow them by patterns.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tenfold::protocol::{ChannelName, Pattern};

use crate::admission::Admission;
use crate::change::Change;
use crate::channel::Channel;
use crate::cursor::Cursor;
use crate::ready::Ready;

/// The followers of a hub.
#[derive(Debug, Default)]
pub(crate) struct Followers(Vec<Weak<News>>);

/// What a follower has not heard yet. At most one item for each name, however often a channel of that
/// name has come and gone: so it is bounded by the channels that there are, and those that the follower
/// has.
#[derive(Debug)]
pub(crate) struct News {
    patterns: Vec<Pattern>,
    /// Which of the names that fit the follower may read.
    admission: Option<Arc<Admission>>,
    items: Mutex<BTreeMap<ChannelName, Item>>,
    /// There are items, or the hub ends.
    is_there: AtomicBool,
    is_closed: AtomicBool,
    closed: Change,
    ready: Arc<Ready>,
}

/// What has become of a name: first it went, then it came, if both have happened.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// The channel that the follower has is none of the hub's any more.
    pub(crate) gone: Option<Gone>,
    /// There is a new one, and a place at its first message.
    pub(crate) came: Option<(Arc<Channel>, Cursor)>,
}

/// How a channel went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It never had a message.
    Unused,
    /// It was deleted, when this was the seq of its next message.
    Deleted(u64),
    /// It could not be deleted: the one that comes is the same, and the follower goes on in it where it is.
    Kept,
}

impl Followers {
    pub(crate) fn enter(&mut self, news: &Arc<News>) {
        if self.0.len() == self.0.capacity() {
            // Those that have gone are left out before the list grows, so it does not grow for them.
            self.0.retain(|news| news.strong_count() > 0);
        }
        self.0.push(Arc::downgrade(news));
    }

    /// A channel has got its first publisher, or can be read at last.
    pub(crate) fn came(&self, channel: &Arc<Channel>) {
        for news in self.of(channel.name()) {
            let cursor = channel.oldest();
            news.tell(channel.name(), |item| {
                item.came = Some((Arc::clone(channel), cursor));
            });
        }
    }

    /// A channel is not there any more.
    pub(crate) fn went(&self, name: &ChannelName, how: Gone) {
        for news in self.of(name) {
            news.tell(name, |item| {
                // One that the follower has not seen yet leaves nothing, unless it has the same one already.
                let is_new = item.came.take().is_some() && item.gone != Some(Gone::Kept);
                if !is_new {
                    item.gone = Some(how);
                }
            });
        }
    }

    /// A channel could not be deleted, and this one goes on in its place.
    pub(crate) fn kept(&self, channel: &Arc<Channel>) {
        for news in self.of(channel.name()) {
            let cursor = channel.oldest();
            news.tell(channel.name(), |item| {
                let is_new = item.came.replace((Arc::clone(channel), cursor)).is_some();
                if !is_new {
                    item.gone = Some(Gone::Kept);
                }
            });
        }
    }

    /// The hub ends: all channels are closed.
    pub(crate) fn close(&self) {
        for news in self.0.iter().filter_map(Weak::upgrade) {
            news.is_closed.store(true, SeqCst);
            news.is_there.store(true, SeqCst);
            news.closed.tell();
            news.ready.wake();
        }
    }

    fn of(&self, name: &ChannelName) -> impl Iterator<Item = Arc<News>> {
        let all = self.0.iter().filter_map(Weak::upgrade);
        all.filter(move |news| news.is_about(name))
    }
}

impl News {
    pub(crate) fn new(
        patterns: Vec<Pattern>,
        admission: Option<Arc<Admission>>,
        ready: Arc<Ready>,
    ) -> Self {
        Self {
            patterns,
            admission,
            items: Mutex::default(),
            is_there: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            closed: Change::default(),
            ready,
        }
    }

    pub(crate) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether a channel of this name is followed.
    pub(crate) fn is_about(&self, name: &ChannelName) -> bool {
        self.patterns.iter().any(|pattern| pattern.fits(name)) && self.may_read(name)
    }

    /// Whether the follower may read a channel of this name.
    pub(crate) fn may_read(&self, name: &ChannelName) -> bool {
        let admission = self.admission.as_ref();
        admission.is_none_or(|admission| admission.visitor().identity().may_subscribe(name))
    }

    /// What is new, once.
    pub(crate) fn take(&self) -> BTreeMap<ChannelName, Item> {
        if !self.is_there.swap(false, SeqCst) {
            return BTreeMap::new();
        }
        std::mem::take(&mut *self.lock())
    }

    /// Whether the hub ends.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }

    /// Waits until the hub ends.
    pub(crate) async fn closed(&self) {
        self.closed.until(|| self.is_closed()).await;
    }

    fn tell(&self, name: &ChannelName, change: impl FnOnce(&mut Item)) {
        let mut items = self.lock();
        let item = items.entry(name.clone()).or_default();
        change(item);
        if item.gone.is_none() && item.came.is_none() {
            items.remove(name);
        }
        drop(items);
        self.is_there.store(true, SeqCst);
        self.ready.wake();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelName, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
