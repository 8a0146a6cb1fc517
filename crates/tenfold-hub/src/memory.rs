//! How many bytes publishers and slow subscribers may hold.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::hub_options::HubOptions;
use crate::intake::Intake;

/// Memory is given away in units of so many bytes.
const UNIT: usize = Intake::FIRST_ROOM;
/// Of the memory of a hub the publishers have at most one of so many parts for what they receive, and one
/// for what is on its way to the disk. Slow subscribers have one for what they hold, and all subscribers one for what was
/// just read from files. The newest messages of the channels have what is left.
pub(crate) const SHARE: usize = 4;

/// So many blocks on their way to the disk, of a unit at the most, are a publisher's own: one that is acknowledged and
/// not in its file yet, and the one that is sent when the first is acknowledged.
const OWN_BLOCKS: usize = 2;

/// Memory in units, of which some are taken.
#[derive(Debug)]
struct Units {
    free: Arc<Semaphore>,
    /// How many there are.
    all: usize,
}

/// What the publishers of a hub may hold together of what they receive.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// The memory for what is received and not committed.
    uncommitted: Units,
    /// Places for large messages.
    large: Arc<Semaphore>,
}

/// What one publisher may hold: a unit of its own, so that each publisher gets on, and a share of
/// what all have together.
#[derive(Debug)]
pub(crate) struct Allowance {
    receiving: Arc<Receiving>,
    share: Option<OwnedSemaphorePermit>,
}

/// Memory of a fixed size for blocks on their way to the disk. Publishers get it in the order in
/// which they ask, so they take turns.
#[derive(Debug)]
pub(crate) struct OnItsWay(Units);

/// Memory for what slow subscribers hold of messages that were begun, and that no tail keeps any more. A unit is each
/// subscriber's own.
#[derive(Debug)]
pub(crate) struct Rests(Units);

/// Memory for what was read from files for one subscriber, until that is sent or let go: a moment. Reads of large messages
/// get it in the order in which they ask.
#[derive(Debug)]
pub(crate) struct FromFiles(Units);

/// Memory for one block on its way to the disk: of its channel's, and of that of all channels.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
pub(crate) struct Room(Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

impl Units {
    /// As many as so many bytes have.
    fn of(bytes: usize) -> Self {
        let all = bytes / UNIT;
        Self {
            free: permits(all),
            all,
        }
    }

    /// How many bytes are taken.
    fn taken(&self) -> usize {
        UNIT * self.all.saturating_sub(self.free.available_permits())
    }

    /// Takes so many units, if all of them are free.
    fn try_take(&self, units: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(units).ok()?;
        Arc::clone(&self.free).try_acquire_many_owned(units).ok()
    }

    /// Waits for so many units, or for all.
    async fn take(&self, units: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(units.min(self.all)).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free);
        free.acquire_many_owned(units).await.ok()
    }
}

impl Receiving {
    pub(crate) fn new(options: &HubOptions) -> Self {
        let largest = usize::try_from(options.max_message).unwrap_or(usize::MAX);
        // What is held is a message, and what came after it in the same read.
        let least = largest.saturating_add(2 * Intake::MAX_ROOM);
        let most = options.max_uncommitted.min(options.memory / SHARE);
        let most = most.max(least);
        // Each large message that has a place can be received whole: otherwise two of them could each hold
        // what the other waits for.
        let fitting = (most - 2 * Intake::MAX_ROOM) / largest.max(1);
        Self {
            uncommitted: Units::of(most),
            large: permits(options.max_large.min(fitting)),
        }
    }

    /// How many bytes of it are taken.
    pub(crate) fn taken(&self) -> usize {
        self.uncommitted.taken()
    }

    /// The places for large messages.
    pub(crate) fn large(&self) -> Arc<Semaphore> {
        Arc::clone(&self.large)
    }
}

/// A semaphore of so many permits, but at least one.
pub(crate) fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)))
}

impl Allowance {
    pub(crate) fn new(receiving: Arc<Receiving>) -> Self {
        Self {
            receiving,
            share: None,
        }
    }

    /// How many bytes may be held.
    pub(crate) fn bytes(&self) -> usize {
        let share = self.share.as_ref();
        UNIT * (1 + share.map_or(0, OwnedSemaphorePermit::num_permits))
    }

    /// Takes what is missing to hold so many bytes, if all of it is free. Whether it has taken something.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.bytes()).div_ceil(UNIT);
        if missing > 0
            && let Some(more) = self.receiving.uncommitted.try_take(missing)
        {
            self.add(more);
            return true;
        }
        false
    }

    /// Waits for one more unit, to be [added](Self::add).
    pub(crate) fn one_more(
        &self,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + use<> {
        Arc::clone(&self.receiving.uncommitted.free).acquire_owned()
    }

    pub(crate) fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
        }
    }

    /// Gives back what is not needed to hold so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let needed = bytes.saturating_sub(UNIT).div_ceil(UNIT);
        if let Some(share) = &mut self.share {
            let spare = share.num_permits().saturating_sub(needed);
            drop(share.split(spare));
        }
    }
}

impl OnItsWay {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Units::of(bytes))
    }

    /// How many bytes of it are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken()
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.0.take(bytes.div_ceil(UNIT)).await
    }
}

impl Rests {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Units::of(bytes))
    }

    /// How many bytes of it are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken()
    }

    /// Takes memory for so many bytes, if it is free.
    pub(crate) fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.0.try_take(bytes.saturating_sub(UNIT).div_ceil(UNIT))
    }
}

impl FromFiles {
    /// One read always has its turn.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Units::of(bytes.max(UNIT)))
    }

    /// How many bytes of it are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken()
    }

    /// Takes memory for so many bytes, if it is free.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.0.try_take(bytes.div_ceil(UNIT))
    }

    /// Waits for memory for a message of so many bytes. One that is larger than all of it gets all of it. Whoever waits
    /// must have nothing of it.
    pub(crate) async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.0.take(bytes.saturating_sub(UNIT).div_ceil(UNIT)).await
    }
}

impl Room {
    /// Memory for a block of so many bytes of a publisher that has so many blocks on their way, if that is so
    /// little that each publisher may have it beside what all share. So a publisher that sends little does not
    /// wait until there is room between those that send much.
    pub(crate) fn own(bytes: usize, on_their_way: usize) -> Option<Self> {
        (bytes <= UNIT && on_their_way < OWN_BLOCKS).then_some(Self(None, None))
    }

    /// Waits for memory for a block of so many bytes. A block that is larger than all of a channel's
    /// memory gets all of it.
    pub(crate) async fn wait(of_channel: &OnItsWay, of_all: &OnItsWay, bytes: usize) -> Self {
        // A publisher that holds some of the channel's memory waits only for what is sure to be given back.
        let channels = of_channel.take(bytes).await;
        let all = of_all.take(bytes.min(of_channel.0.all * UNIT)).await;
        Self(channels, all)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_small_rest_is_free_and_the_others_share_what_there_is() {
        let rests = Rests::new(10 * UNIT);
        let small: Vec<_> = (0..100).map(|_| rests.take(UNIT).unwrap()).collect();
        let large = rests.take(11 * UNIT).unwrap();
        assert_eq!(rests.taken(), 10 * UNIT);
        assert!(rests.take(UNIT + 1).is_none() && rests.take(UNIT).is_some());
        drop((small, large));
        assert_eq!(rests.taken(), 0);
        assert!(rests.take(usize::MAX).is_none());
    }

    fn receiving(bytes: usize) -> Arc<Receiving> {
        Arc::new(Receiving {
            uncommitted: Units::of(bytes),
            large: permits(1),
        })
    }

    #[test]
    fn each_has_a_unit_and_the_rest_is_shared_and_comes_back() {
        let receiving = receiving(4 * UNIT);
        let mut first = Allowance::new(Arc::clone(&receiving));
        let mut second = Allowance::new(Arc::clone(&receiving));
        first.try_grow(4 * UNIT - 1);
        assert_eq!(first.bytes(), 4 * UNIT);
        second.try_grow(3 * UNIT);
        assert_eq!(second.bytes(), UNIT, "all that is missing, or nothing");
        first.shrink(2 * UNIT + 1);
        assert_eq!(first.bytes(), 3 * UNIT);
        second.try_grow(3 * UNIT);
        assert_eq!(second.bytes(), 3 * UNIT);
        drop((first, second));
        assert_eq!(receiving.uncommitted.free.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_publisher_that_sends_little_does_not_wait_for_those_that_send_much() {
        let (of_channel, of_all) = (OnItsWay::new(8 * UNIT), OnItsWay::new(64 * UNIT));
        let _much = Room::wait(&of_channel, &of_all, 1000 * UNIT).await;
        assert!(Room::own(UNIT, 0).is_some());
        assert!(Room::own(UNIT, OWN_BLOCKS - 1).is_some());
        assert!(Room::own(UNIT, OWN_BLOCKS).is_none(), "so it is bounded");
        assert!(Room::own(UNIT + 1, 0).is_none());
    }

    #[tokio::test]
    async fn large_messages_are_read_in_turn_however_large_they_are() {
        let from_files = FromFiles::new(100 * UNIT);
        let giant = from_files.take(u64::MAX).await;
        assert_eq!(from_files.taken(), 100 * UNIT);
        let mut waiting = Box::pin(from_files.take(61 * UNIT as u64));
        let mut now = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut now).is_pending());
        drop(giant);
        // What has become free is for those that wait.
        assert!(from_files.try_take(50 * UNIT).is_none());
        let large = waiting.await;
        assert_eq!(from_files.taken(), 60 * UNIT);
        assert!(from_files.try_take(40 * UNIT).is_some());
        drop(large);
        assert_eq!(from_files.taken(), 0);
        assert!(FromFiles::new(0).take(u64::MAX).await.is_some());
    }

    #[tokio::test]
    async fn a_block_that_is_larger_than_a_channels_memory_gets_all_of_it() {
        let (of_channel, of_all) = (OnItsWay::new(8 * UNIT), OnItsWay::new(64 * UNIT));
        let room = Room::wait(&of_channel, &of_all, 1000 * UNIT).await;
        let free = |of: &OnItsWay| of.0.free.available_permits();
        assert_eq!((free(&of_channel), free(&of_all)), (0, 56));
        drop(room);
        assert_eq!((free(&of_channel), free(&of_all)), (8, 64));
    }
}
