//! `--count`: how many messages to carry. It is a goal: to end with fewer is a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::failure::Failure;

/// How many messages may still be taken, and how many are still to be handed over. Clones share both,
/// so that many senders have one goal. Without `--count` there is no end to it.
#[derive(Clone, Debug)]
pub(crate) struct Goal(Option<Arc<Left>>);

#[derive(Debug)]
struct Left {
    wanted: u64,
    to_take: AtomicU64,
    to_hand_over: AtomicU64,
}

impl Goal {
    pub(crate) fn new(count: Option<u64>) -> Self {
        Self(count.map(|wanted| {
            Arc::new(Left {
                wanted,
                to_take: AtomicU64::new(wanted),
                to_hand_over: AtomicU64::new(wanted),
            })
        }))
    }

    /// Takes one more message, unless all are taken.
    pub(crate) fn take_one(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.0
            .as_ref()
            .is_none_or(|left| left.to_take.fetch_update(SeqCst, SeqCst, take).is_ok())
    }

    /// Takes so many messages, of those that [`left`](Self::left) allows.
    pub(crate) fn take(&self, messages: u64) {
        if let Some(left) = &self.0 {
            left.to_take.fetch_sub(messages, SeqCst);
        }
    }

    /// How many messages may still be taken.
    pub(crate) fn left(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(u64::MAX, |left| left.to_take.load(SeqCst))
    }

    /// Whether all are taken.
    pub(crate) fn is_reached(&self) -> bool {
        self.left() == 0
    }

    /// Counts messages that were handed over. Whether these were the last.
    pub(crate) fn hand_over(&self, messages: u64) -> bool {
        self.0.as_ref().is_some_and(|left| {
            messages > 0 && left.to_hand_over.fetch_sub(messages, SeqCst) == messages
        })
    }

    /// A failure if `what` has ended before the goal is reached.
    pub(crate) fn check(&self, what: &str) -> Result<(), Failure> {
        match &self.0 {
            Some(goal) if !self.is_reached() => Err(Failure::Other(format!(
                "{what} ended after {} of the {} messages that --count asked for",
                goal.wanted - self.left(),
                goal.wanted
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_by_all_who_share_it() {
        let goal = Goal::new(Some(3));
        let other = goal.clone();
        assert!(goal.take_one() && other.take_one());
        assert_eq!(
            goal.check("the stream").unwrap_err().to_string(),
            "the stream ended after 2 of the 3 messages that --count asked for"
        );
        other.take(1);
        assert!(goal.is_reached() && !goal.take_one());
        assert!(goal.check("the stream").is_ok());
        assert!(!goal.hand_over(2) && other.hand_over(1));
    }

    #[test]
    fn without_a_count_there_is_no_end() {
        let goal = Goal::new(None);
        assert!(goal.take_one() && !goal.is_reached() && !goal.hand_over(1));
        assert!(goal.check("the stream").is_ok());
    }
}
