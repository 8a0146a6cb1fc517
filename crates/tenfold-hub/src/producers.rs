//! The producers of a channel, and how much of theirs is committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tenfold::protocol::ProducerId;

use crate::claim::Claim;

/// The producers of one channel.
#[derive(Debug)]
pub(crate) struct Producers {
    by_id: BTreeMap<ProducerId, Producer>,
    limit: usize,
}

#[derive(Debug)]
struct Producer {
    claim: Arc<Claim>,
    /// When its last connection ended; `None` while there is one.
    idle_since: Option<SystemTime>,
}

/// No producer can be forgotten to make place for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// How long one that was given a name is remembered at least.
const MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long one is remembered whose name was made up for one run.
const MEMORY_OF_TEMPORARY: Duration = Duration::from_secs(3600);

impl Producers {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_id: BTreeMap::new(),
            limit,
        }
    }

    /// Remembers a producer of before the start.
    pub(crate) fn remember(&mut self, id: ProducerId, committed: u64, last: SystemTime) {
        let claim = Arc::new(Claim::default());
        claim.commit(committed);
        let idle_since = Some(last);
        self.by_id.insert(id, Producer { claim, idle_since });
    }

    /// Gives the claim of a producer to a new connection. `fence` is run under the lock under which
    /// blocks are appended: when it has run, nothing more comes to what the claim before has on its
    /// way. `forget` is told of one that is forgotten.
    pub(crate) fn claim(
        &mut self,
        id: &ProducerId,
        now: SystemTime,
        fence: impl FnOnce(&dyn Fn()),
        forget: impl FnOnce(&ProducerId),
    ) -> Result<Arc<Claim>, TooMany> {
        if let Some(producer) = self.by_id.get_mut(id) {
            let before = &producer.claim;
            fence(&|| before.fence());
            let claim = Arc::new(Claim::after(before));
            claim.take_over();
            producer.claim = Arc::clone(&claim);
            producer.idle_since = None;
            return Ok(claim);
        }
        if self.by_id.len() >= self.limit {
            forget(&self.forget_one(now)?);
        }
        let claim = Arc::new(Claim::default());
        let producer = Producer {
            claim: Arc::clone(&claim),
            idle_since: None,
        };
        self.by_id.insert(id.clone(), producer);
        Ok(claim)
    }

    /// Notes that a connection has ended. Nothing changes if another has the claim by now.
    pub(crate) fn leave(&mut self, id: &ProducerId, claim: &Arc<Claim>, now: SystemTime) {
        if let Some(producer) = self.by_id.get_mut(id)
            && Arc::ptr_eq(&producer.claim, claim)
        {
            producer.idle_since = Some(now);
        }
    }

    /// Forgets the one that has been idle for the longest, if that is long enough.
    fn forget_one(&mut self, now: SystemTime) -> Result<ProducerId, TooMany> {
        let forgettable = self.by_id.iter().filter_map(|(id, producer)| {
            let since = producer.idle_since?;
            let memory = if id.is_temporary() {
                MEMORY_OF_TEMPORARY
            } else {
                MEMORY
            };
            let idle = now.duration_since(since).unwrap_or_default();
            (idle >= memory).then_some((since, id))
        });
        let (_, id) = forgettable.min().ok_or(TooMany)?;
        let id = id.clone();
        self.by_id.remove(&id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use tenfold_log::Refused;

    use super::*;
    use crate::claim::Fenced;

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
        let mut producers = Producers::new(10);
        let first = claim(&mut producers, "a", 0).unwrap();
        first.commit(5);
        let second = claim(&mut producers, "a", 0).unwrap();
        assert_eq!((first.check(), second.check()), (Err(Fenced), Ok(())));
        assert_eq!(second.committed(), 5);
    }

    #[test]
    fn what_is_appended_while_the_fence_is_set_still_counts() {
        let mut producers = Producers::new(10);
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
        let mut producers = Producers::new(1);
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

    /// The stack of a test's thread is small, and one of the hub's is no larger.
    #[tokio::test]
    async fn connections_that_come_while_something_is_on_its_way_make_no_chain() {
        let mut producers = Producers::new(1);
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

    #[test]
    fn a_producer_is_forgotten_only_when_place_is_needed_and_after_its_time() {
        const DAY: u64 = 24 * 3600;
        let mut producers = Producers::new(2);
        for (name, end) in [("named", 0), ("_made_up", 10)] {
            let claim = claim(&mut producers, name, 0).unwrap();
            claim.commit(1);
            producers.leave(&id(name), &claim, at(end));
        }
        assert!(claim(&mut producers, "third", 3600).is_err());
        assert!(claim(&mut producers, "third", 3610).is_ok());
        assert_eq!(claim(&mut producers, "named", 3610).unwrap().committed(), 1);
        assert!(
            claim(&mut producers, "fourth", 9 * DAY).is_err(),
            "both are connected"
        );
        let named = Arc::clone(&producers.by_id[&id("named")].claim);
        producers.leave(&id("named"), &named, at(9 * DAY));
        assert!(claim(&mut producers, "fourth", 16 * DAY - 1).is_err());
        assert!(claim(&mut producers, "fourth", 16 * DAY).is_ok());
        assert!(claim(&mut producers, "named", 16 * DAY).is_err());
    }

    #[test]
    fn the_end_of_a_fenced_connection_changes_nothing() {
        let mut producers = Producers::new(1);
        let first = claim(&mut producers, "a", 0).unwrap();
        let _second = claim(&mut producers, "a", 0).unwrap();
        producers.leave(&id("a"), &first, at(0));
        assert!(claim(&mut producers, "b", 1 << 40).is_err());
    }
}
