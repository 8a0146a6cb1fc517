//! The producers of a channel: which connection has a claim, and who is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tenfold::protocol::ProducerId;

use crate::claim::Claim;

/// The producers of one channel.
///
/// Those that were given a name and temporary ones do not take places from each other: a name has a place from its first
/// message on until it is forgotten, a temporary producer only while it is remembered without a connection.
#[derive(Debug)]
pub(crate) struct Producers {
    by_id: BTreeMap<ProducerId, Producer>,
    /// How many have a name that they were given.
    named: usize,
    /// Those without a connection, the one that was left first before the others.
    idle: Idle,
    idle_temporary: Idle,
    limit: usize,
    all: Arc<AllProducers>,
}

#[derive(Debug)]
struct Producer {
    claim: Arc<Claim>,
    /// When its last connection ended; `None` while there is one.
    idle_since: Option<SystemTime>,
}

type Idle = BTreeSet<(SystemTime, ProducerId)>;

/// How many producers the channels of a hub remember together.
#[derive(Debug)]
pub(crate) struct AllProducers {
    named: AtomicUsize,
    /// Temporary ones without a connection.
    temporary: AtomicUsize,
    limit: AtomicUsize,
}

/// There is no place for another producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// The channel has none.
    OfChannel,
    /// All channels together have none.
    OfHub,
}

/// How long one that was given a name is remembered at least.
const MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);

impl AllProducers {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            named: AtomicUsize::new(0),
            temporary: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
        }
    }

    /// Changes how many there may be. Those that are too many are forgotten as others come.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }

    /// Whether there are too many temporary ones without a connection.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.temporary.load(Relaxed) > self.limit.load(Relaxed)
    }
}

impl Producers {
    pub(crate) fn new(limit: usize, all: Arc<AllProducers>) -> Self {
        Self {
            by_id: BTreeMap::new(),
            named: 0,
            idle: Idle::new(),
            idle_temporary: Idle::new(),
            limit,
            all,
        }
    }

    /// Changes how many there may be. Those that are too many are forgotten as others come.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Remembers a producer of before the start.
    pub(crate) fn remember(&mut self, id: &ProducerId, committed: u64, last: SystemTime) {
        let claim = Arc::new(Claim::default());
        claim.commit(committed);
        self.insert(id, claim);
        self.set_idle(id, Some(last));
    }

    /// Gives the claim of a producer to a new connection. `fence` is run under the lock under which
    /// blocks are appended: when it has run, nothing more comes to what the claim before has on its
    /// way. `forget` is told of one that is forgotten.
    pub(crate) fn claim(
        &mut self,
        id: &ProducerId,
        now: SystemTime,
        fence: impl FnOnce(&dyn Fn()),
        mut forget: impl FnMut(&ProducerId),
    ) -> Result<Arc<Claim>, TooMany> {
        if let Some(producer) = self.by_id.get_mut(id) {
            let before = &producer.claim;
            fence(&|| before.fence());
            let claim = Arc::new(Claim::after(before));
            claim.take_over();
            producer.claim = Arc::clone(&claim);
            self.set_idle(id, None);
            return Ok(claim);
        }
        if !id.is_temporary() {
            self.make_place(now, &mut forget)?;
        }
        let claim = Arc::new(Claim::default());
        self.insert(id, Arc::clone(&claim));
        Ok(claim)
    }

    /// Notes that a connection has ended. Nothing changes if another has the claim by now. `forget` is
    /// told of each one that is forgotten.
    pub(crate) fn leave(
        &mut self,
        id: &ProducerId,
        claim: &Arc<Claim>,
        now: SystemTime,
        mut forget: impl FnMut(&ProducerId),
    ) {
        if !self.has(id, claim) {
            return;
        }
        if claim.is_settled() && claim.committed() == 0 {
            // There is nothing to be remembered.
            return self.remove(id);
        }
        self.set_idle(id, Some(now));
        if self.idle_temporary.len() > self.limit {
            let _ = self.forget_temporary(&mut forget);
        }
    }

    /// Forgets a temporary producer that has ended and knows it: nobody comes back to ask.
    /// Whether it had the claim until now.
    pub(crate) fn finish(&mut self, id: &ProducerId, claim: &Arc<Claim>) -> bool {
        let ends = id.is_temporary() && claim.is_settled() && self.has(id, claim);
        if ends {
            self.remove(id);
        }
        ends
    }

    /// When the temporary producer was left that has been without a connection for the longest.
    pub(crate) fn oldest_temporary(&self) -> Option<SystemTime> {
        self.idle_temporary.first().map(|(since, _)| *since)
    }

    /// Forgets the temporary producer that has been without a connection for the longest, and has
    /// nothing on its way.
    pub(crate) fn forget_temporary(&mut self, mut forget: impl FnMut(&ProducerId)) -> Option<()> {
        let mut idle = self.idle_temporary.iter().map(|(_, id)| id);
        let id = idle.find(|id| self.by_id[*id].claim.is_settled())?.clone();
        self.remove(&id);
        forget(&id);
        Some(())
    }

    /// Forgets the named producer that has been without a connection for the longest, if that is long enough.
    pub(crate) fn forget_named(
        &mut self,
        now: SystemTime,
        mut forget: impl FnMut(&ProducerId),
    ) -> Option<()> {
        let (since, id) = self.idle.first()?;
        if now.duration_since(*since).unwrap_or_default() < MEMORY {
            return None;
        }
        let id = id.clone();
        self.remove(&id);
        forget(&id);
        Some(())
    }

    /// Makes a place for one more name.
    fn make_place(
        &mut self,
        now: SystemTime,
        mut forget: impl FnMut(&ProducerId),
    ) -> Result<(), TooMany> {
        let all = Arc::clone(&self.all);
        let is_full = || all.named.load(Relaxed) >= all.limit.load(Relaxed);
        while self.named >= self.limit {
            self.forget_named(now, &mut forget)
                .ok_or(TooMany::OfChannel)?;
        }
        while is_full() {
            self.forget_named(now, &mut forget).ok_or(TooMany::OfHub)?;
        }
        Ok(())
    }

    fn has(&self, id: &ProducerId, claim: &Arc<Claim>) -> bool {
        let producer = self.by_id.get(id);
        producer.is_some_and(|producer| Arc::ptr_eq(&producer.claim, claim))
    }

    fn insert(&mut self, id: &ProducerId, claim: Arc<Claim>) {
        let producer = Producer {
            claim,
            idle_since: None,
        };
        self.by_id.insert(id.clone(), producer);
        if !id.is_temporary() {
            self.named += 1;
            self.all.named.fetch_add(1, Relaxed);
        }
    }

    fn remove(&mut self, id: &ProducerId) {
        self.set_idle(id, None);
        if self.by_id.remove(id).is_some() && !id.is_temporary() {
            self.named -= 1;
            self.all.named.fetch_sub(1, Relaxed);
        }
    }

    /// Notes since when a producer has no connection.
    fn set_idle(&mut self, id: &ProducerId, since: Option<SystemTime>) {
        let Some(producer) = self.by_id.get_mut(id) else {
            return;
        };
        let temporary = id.is_temporary();
        let idle = if temporary {
            &mut self.idle_temporary
        } else {
            &mut self.idle
        };
        let before = std::mem::replace(&mut producer.idle_since, since);
        if let Some(before) = before {
            idle.remove(&(before, id.clone()));
        }
        if let Some(since) = since {
            idle.insert((since, id.clone()));
        }
        match (before, since) {
            (None, Some(_)) if temporary => drop(self.all.temporary.fetch_add(1, Relaxed)),
            (Some(_), None) if temporary => drop(self.all.temporary.fetch_sub(1, Relaxed)),
            _ => {}
        }
    }
}

/// The places of a channel that is forgotten are free.
impl Drop for Producers {
    fn drop(&mut self) {
        self.all.named.fetch_sub(self.named, Relaxed);
        let temporary = self.idle_temporary.len();
        self.all.temporary.fetch_sub(temporary, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tenfold_log::Refused;

    use super::*;
    use crate::claim::Fenced;

    const DAY: u64 = 24 * 3600;

    fn producers(limit: usize) -> Producers {
        Producers::new(limit, Arc::new(AllProducers::new(100)))
    }

    fn id(text: &str) -> ProducerId {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claim(producers: &mut Producers, name: &str, now: u64) -> Result<Arc<Claim>, TooMany> {
        producers.claim(&id(name), at(now), |fence| fence(), |_| ())
    }

    #[test]
    fn a_second_connection_fences_the_first_and_goes_on_counting() {
        let mut producers = producers(10);
        let first = claim(&mut producers, "a", 0).unwrap();
        first.commit(5);
        let second = claim(&mut producers, "a", 0).unwrap();
        assert_eq!((first.check(), second.check()), (Err(Fenced), Ok(())));
        assert_eq!(second.committed(), 5);
    }

    #[test]
    fn what_is_appended_while_the_fence_is_set_still_counts() {
        let mut producers = producers(10);
        let first = claim(&mut producers, "a", 0).unwrap();
        let late = Arc::clone(&first);
        let second = producers.claim(
            &id("a"),
            at(0),
            |fence| {
                late.commit(2);
                fence();
            },
            |_| (),
        );
        assert_eq!(second.unwrap().committed(), 2);
    }

    #[tokio::test]
    async fn a_claim_that_takes_over_waits_for_what_is_on_its_way_and_counts_from_there() {
        let mut producers = producers(1);
        let first = claim(&mut producers, "a", 0).unwrap();
        first.settled().await;
        first.departs(3);
        first.departs(4);
        let between = claim(&mut producers, "a", 0).unwrap();
        let second = claim(&mut producers, "a", 0).unwrap();
        let mut settled = Box::pin(second.settled());
        let mut is_settled = async || {
            tokio::select! {
                biased;
                () = &mut settled => true,
                () = std::future::ready(()) => false,
            }
        };
        assert!(!is_settled().await);
        first.commit(3);
        first.arrives();
        assert!(!is_settled().await);
        first.refuse(Refused::Full);
        first.arrives();
        assert!(is_settled().await);
        assert_eq!(
            (first.refused(), second.refused()),
            (Some(Refused::Full), None)
        );
        let progress = second.progress();
        assert_eq!((progress.committed, progress.accepted), (3, 3));
        second.departs(5);
        second.commit(5);
        // Nothing of that is told to the claims before.
        assert_eq!(
            (first.progress().committed, first.progress().is_settled),
            (3, true)
        );
        assert_eq!(between.check(), Err(Fenced));
    }

    /// The stack of a test's thread is small, and one of the hub's is not larger.
    #[tokio::test]
    async fn connections_that_come_while_something_is_on_its_way_make_no_chain() {
        let mut producers = producers(1);
        let first = claim(&mut producers, "a", 0).unwrap();
        first.departs(3);
        let second = Arc::downgrade(&claim(&mut producers, "a", 0).unwrap());
        let mut last = claim(&mut producers, "a", 0).unwrap();
        assert!(second.upgrade().is_none(), "nothing is kept of it");
        for _ in 0..100_000 {
            last = claim(&mut producers, "a", 0).unwrap();
        }
        first.commit(3);
        first.arrives();
        last.settled().await;
        assert_eq!(last.committed(), 3);
    }

    /// A connection that has committed a message, and was cut.
    fn cut(producers: &mut Producers, name: &str, end: u64) -> Vec<String> {
        let claim = claim(producers, name, end).unwrap();
        claim.commit(1);
        let mut forgotten = Vec::new();
        producers.leave(&id(name), &claim, at(end), |id| {
            forgotten.push(id.as_str().to_owned());
        });
        forgotten
    }

    #[test]
    fn a_named_producer_is_forgotten_only_when_place_is_needed_and_after_its_time() {
        let mut producers = producers(2);
        cut(&mut producers, "one", 0);
        cut(&mut producers, "two", DAY);
        let third = |producers: &mut Producers, now| claim(producers, "third", now).err();
        assert_eq!(third(&mut producers, 7 * DAY - 1), Some(TooMany::OfChannel));
        assert_eq!(third(&mut producers, 7 * DAY), None);
        assert_eq!(
            claim(&mut producers, "two", 9 * DAY).unwrap().committed(),
            1
        );
        let fourth = claim(&mut producers, "fourth", 99 * DAY).err();
        assert_eq!(fourth, Some(TooMany::OfChannel), "both are connected");
    }

    #[test]
    fn temporary_producers_and_names_take_no_places_from_each_other() {
        let mut producers = producers(2);
        cut(&mut producers, "one", 0);
        cut(&mut producers, "two", 0);
        assert_eq!(cut(&mut producers, "_a", 1), [""; 0]);
        assert_eq!(cut(&mut producers, "_b", 2), [""; 0]);
        let connected = ["_c", "_d", "_e"].map(|name| claim(&mut producers, name, 3).unwrap());
        assert_eq!(claim(&mut producers, "_a", 4).unwrap().committed(), 1);
        assert_eq!(cut(&mut producers, "_a", 5), [""; 0]);
        assert_eq!(cut(&mut producers, "_f", 6), ["_b"], "it was left first");
        assert_eq!(claim(&mut producers, "one", 7).unwrap().committed(), 1);
        assert_eq!(connected.map(|claim| claim.check()), [Ok(()); 3]);
    }

    #[test]
    fn a_temporary_producer_that_has_ended_well_is_forgotten_and_a_named_one_is_not() {
        let mut producers = producers(2);
        for (name, stays) in [("_a", false), ("a", true)] {
            let claim = claim(&mut producers, name, 0).unwrap();
            claim.commit(1);
            assert_eq!(producers.finish(&id(name), &claim), !stays);
            producers.leave(&id(name), &claim, at(0), |_| ());
            assert_eq!(producers.by_id.contains_key(&id(name)), stays);
        }
        assert_eq!(producers.oldest_temporary(), None);
    }

    #[test]
    fn one_that_has_something_on_its_way_is_not_forgotten() {
        let mut producers = producers(1);
        let first = claim(&mut producers, "_a", 0).unwrap();
        first.departs(1);
        assert!(!producers.finish(&id("_a"), &first));
        producers.leave(&id("_a"), &first, at(0), |_| ());
        // It waits for the first, and has not taken over.
        let second = claim(&mut producers, "_a", 1).unwrap();
        producers.leave(&id("_a"), &second, at(1), |_| ());
        assert_eq!(cut(&mut producers, "_b", 2), ["_b"]);
        first.commit(1);
        first.arrives();
        let again = claim(&mut producers, "_a", 3).unwrap();
        assert_eq!(again.committed(), 1);
    }

    #[test]
    fn a_producer_without_a_message_leaves_nothing() {
        let mut producers = producers(1);
        for name in ["a", "_a", "b"] {
            let claim = claim(&mut producers, name, 0).unwrap();
            producers.leave(&id(name), &claim, at(0), |_| ());
        }
        assert!(producers.by_id.is_empty());
    }

    #[test]
    fn the_producers_of_all_channels_have_a_limit_and_those_of_a_forgotten_channel_do_not_count() {
        let all = Arc::new(AllProducers::new(2));
        let mut channels = [(); 3].map(|()| Producers::new(2, Arc::clone(&all)));
        cut(&mut channels[0], "a", 0);
        cut(&mut channels[1], "a", 0);
        let refused = claim(&mut channels[2], "a", 0).err();
        assert_eq!(refused, Some(TooMany::OfHub));
        for name in ["_a", "_b"] {
            cut(&mut channels[0], name, 0);
        }
        assert!(!all.is_exceeded());
        cut(&mut channels[1], "_a", 0);
        assert!(all.is_exceeded());
        let [_, second, mut third] = channels;
        drop(second);
        assert!(!all.is_exceeded());
        assert!(claim(&mut third, "a", 0).is_ok());
    }

    #[test]
    fn the_end_of_a_fenced_connection_changes_nothing() {
        let mut producers = producers(1);
        let first = claim(&mut producers, "a", 0).unwrap();
        let _second = claim(&mut producers, "a", 0).unwrap();
        producers.leave(&id("a"), &first, at(0), |_| ());
        assert!(claim(&mut producers, "b", 1 << 40).is_err());
    }
}
