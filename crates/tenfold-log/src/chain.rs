//! Which places of a channel's earlier epochs are places in its history of now.

use std::sync::Arc;

use crate::plausible::is_plausible;
use crate::starts::{self, Start, Starts};

/// A channel's epochs: one for each start of the log, and how far each of them goes.
///
/// ```text
///   start       1              2              3 (now)
///   committed   0 .. 99        nothing        100 ..
///   links       (1, 0)                        since = 100
/// ```
///
/// Whoever was told the epoch of start 1 or 2 and has seen 100 messages at the most has seen these ones. Who
/// has seen more has them from another history: this one is a copy that was made before.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// A random number that no other channel has, and none of the same name after this one is deleted.
    birth: u64,
    /// The starts before this one in which something was committed, oldest first.
    links: Vec<Link>,
    /// The seq of the first message that is committed in this start.
    since: u64,
    starts: Arc<Starts>,
    now: Start,
    /// It is that of another log, which may have come further than the channel.
    is_given: bool,
}

/// A start in which a channel has committed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number of the start.
    pub start: u64,
    /// The seq of the first message that was committed in it.
    pub first: u64,
}

/// What a channel's epochs are made of: with the [starts](crate::Log::starts) of its log another log has the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lineage {
    /// A random number that no other channel has.
    pub birth: u64,
    /// The starts before the newest one in which something was committed, oldest first.
    pub links: Vec<Link>,
    /// The seq of the first message that is committed in the newest start.
    pub since: u64,
}

impl Lineage {
    /// `None` if no channel can have it.
    pub fn new(birth: u64, links: Vec<Link>, since: u64) -> Option<Self> {
        let in_order =
            |pair: &[Link]| pair[0].start < pair[1].start && pair[0].first <= pair[1].first;
        let is_one = links.len() <= starts::MOST
            && links.windows(2).all(in_order)
            && links.last().is_none_or(|newest| newest.first <= since)
            && links.iter().all(|link| is_plausible(link.start))
            && is_plausible(since);
        is_one.then_some(Self {
            birth,
            links,
            since,
        })
    }
}

/// The epoch of a channel in a start. With the birth and the epoch it gives the start's random number.
pub(crate) fn epoch_of(birth: u64, start: Option<Start>) -> u64 {
    birth ^ start.map_or(0, |start| start.random)
}

impl Chain {
    pub(crate) fn new(birth: u64, mut links: Vec<Link>, since: u64, starts: &Arc<Starts>) -> Self {
        links.retain(|link| starts.has(link.start));
        let now = starts.newest().unwrap_or(Start {
            number: 0,
            random: 0,
        });
        // A log that begins no start of its own goes on in the one that there was.
        let of_now = links.pop_if(|newest| newest.start == now.number);
        let since = of_now.map_or(since, |link| link.first);
        Self {
            birth,
            links,
            since,
            starts: Arc::clone(starts),
            now,
            is_given: false,
        }
    }

    /// That of a channel of another log, which has had these starts.
    pub(crate) fn given(lineage: &Lineage, starts: &Arc<Starts>) -> Self {
        let links = lineage.links.clone();
        Self::new(lineage.birth, links, lineage.since, starts).of_another_log()
    }

    /// The same as one of another log.
    pub(crate) fn of_another_log(self) -> Self {
        Self {
            is_given: true,
            ..self
        }
    }

    pub(crate) fn lineage(&self) -> Lineage {
        Lineage {
            birth: self.birth,
            links: self.links.clone(),
            since: self.since,
        }
    }

    /// That of a channel that begins now, with this epoch.
    pub(crate) fn beginning(epoch: u64, starts: &Arc<Starts>) -> Self {
        // The epoch of an epoch is what it was made of.
        Self::new(epoch_of(epoch, starts.newest()), Vec::new(), 0, starts)
    }

    pub(crate) fn birth(&self) -> u64 {
        self.birth
    }

    /// The epoch of now.
    pub(crate) fn epoch(&self) -> u64 {
        epoch_of(self.birth, Some(self.now))
    }

    /// The links of a snapshot, when the channel has come to a seq.
    pub(crate) fn links_at(&self, next: u64) -> Vec<Link> {
        let mut links = self.links.clone();
        // What another log has committed is a link, also if the channel has not come to it.
        if next > self.since || self.is_given {
            links.push(Link {
                start: self.now.number,
                first: self.since,
            });
        }
        links
    }

    /// The last seq at which the history under an epoch is still this one; `None` if it is not an epoch of this
    /// channel that is known.
    pub(crate) fn end_of(&self, epoch: u64) -> Option<u64> {
        let start = self.starts.find(self.birth ^ epoch)?.number;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::EndlessEpochs) {
            return Some(u64::MAX);
        }
        if start == self.now.number {
            return Some(u64::MAX);
        }
        let later = self.links.partition_point(|link| link.start <= start);
        Some(self.links.get(later).map_or(self.since, |link| link.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIRTH: u64 = 0xb1b1_b1b1_b1b1_b1b1;

    fn starts(count: u64) -> Arc<Starts> {
        let begin =
            |starts: Starts, number: u64| starts.and(number.wrapping_mul(0x0101_0101_0101_0101));
        Arc::new((1..=count).fold(Starts::default(), begin))
    }

    fn epoch(start: u64) -> u64 {
        BIRTH ^ start.wrapping_mul(0x0101_0101_0101_0101)
    }

    #[test]
    fn an_epoch_goes_as_far_as_the_next_start_that_has_committed_something() {
        let link = |start, first| Link { start, first };
        let chain = Chain::new(BIRTH, vec![link(1, 0), link(3, 70)], 100, &starts(5));
        let ends = (1..=5).map(|start| chain.end_of(epoch(start)));
        let expected = [70, 70, 100, 100, u64::MAX].map(Some);
        assert_eq!(ends.collect::<Vec<_>>(), expected);
        assert_eq!(chain.epoch(), epoch(5));
        assert_eq!(chain.end_of(epoch(6)), None);
        assert_eq!(chain.end_of(BIRTH), None);
    }

    #[test]
    fn a_snapshot_has_this_start_when_something_is_committed_in_it() {
        let link = Link { start: 1, first: 0 };
        let chain = Chain::new(BIRTH, vec![link], 100, &starts(5));
        assert_eq!(chain.links_at(100), [link]);
        let now = Link {
            start: 5,
            first: 100,
        };
        assert_eq!(chain.links_at(101), [link, now]);
    }

    #[test]
    fn a_chain_that_is_given_has_the_ends_of_the_log_that_it_is_of() {
        let link = |start, first| Link { start, first };
        let starts = starts(5);
        let source = Chain::new(BIRTH, vec![link(1, 0), link(3, 70)], 100, &starts);
        let given = Chain::given(&source.lineage(), &starts);
        // The channel has come to no more than 80 messages, and the next start reads what it has noted of that.
        let again = Chain::new(BIRTH, given.links_at(80), 80, &starts).of_another_log();
        for chain in [&given, &again] {
            let ends = |chain: &Chain| [1, 2, 3, 4, 5].map(|start| chain.end_of(epoch(start)));
            assert_eq!(ends(chain), ends(&source));
            assert_eq!(chain.lineage(), source.lineage());
        }
    }

    #[test]
    fn what_no_channel_can_have_is_not_a_lineage() {
        let link = |start, first| Link { start, first };
        let lineage = |links: &[Link], since| Lineage::new(BIRTH, links.to_vec(), since);
        assert!(lineage(&[link(1, 0), link(3, 70)], 70).is_some());
        assert!(lineage(&[link(3, 0), link(1, 70)], 70).is_none());
        assert!(lineage(&[link(1, 70), link(3, 0)], 70).is_none());
        assert!(lineage(&[link(1, 71)], 70).is_none());
        assert!(lineage(&[], u64::MAX).is_none());
        let many: Vec<Link> = (0..=1000).map(|start| link(start, 0)).collect();
        assert!(lineage(&many, 70).is_none());
    }

    #[test]
    fn links_of_starts_that_are_forgotten_are_forgotten() {
        let starts = starts(1003);
        let links: Vec<Link> = (1..=1003)
            .map(|start| Link {
                start,
                first: start * 10,
            })
            .collect();
        let chain = Chain::new(BIRTH, links, 10_040, &starts);
        assert_eq!(chain.links_at(0).first().map(|link| link.start), Some(4));
        assert_eq!(chain.end_of(epoch(3)), None);
        assert_eq!(chain.end_of(epoch(4)), Some(50));
    }

    #[test]
    fn a_channel_that_begins_has_the_epoch_that_it_was_given() {
        let chain = Chain::beginning(42, &starts(5));
        assert_eq!(chain.epoch(), 42);
        assert_eq!(chain.end_of(42), Some(u64::MAX));
        let again = Chain::beginning(43, &starts(5));
        assert_eq!(again.end_of(42), None);
    }
}
