//! Where a follower of many channels begins in one of them.

use std::time::SystemTime;

use tenfold::protocol::{Code, Epoch, HeadingKind, Position, Refusal};
use tenfold_log::ReadError;

use super::Channel;
use crate::cursor::Cursor;
use crate::ledger::Ledger;

/// A place in a channel, and what is to be said before it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) cursor: Cursor,
    /// So many messages of the cursor's block come before the place.
    pub(crate) skip: u64,
    pub(crate) gap: Option<HeadingKind>,
}

impl Channel {
    /// A place to read from, in one step against the committed end; whatever was asked for, there is one.
    /// Only a seq that is not reached is refused, and a disk that cannot be read.
    pub(crate) async fn begin(
        &self,
        mut from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Begun, Refusal> {
        if let (Some(_), Position::At(time)) = (&self.history, from)
            && self.tail.with(|ledger| ledger.seq_at(time).is_none())
        {
            match self.found_at(time).await? {
                Some(seq) => from = Position::Seq(seq),
                None => {
                    return self.enter_at(Position::First, |first, _| Some(trimmed(first)));
                }
            }
        }
        self.begin_at(from, epoch)
    }

    /// The same, where no time has to be looked up on disk.
    pub(crate) fn begin_at(&self, from: Position, epoch: Option<Epoch>) -> Result<Begun, Refusal> {
        if !self.has_place(from, epoch) {
            let epoch = self.epoch();
            return self.enter_at(Position::First, |first, _| {
                Some(HeadingKind::Epoch { epoch, first })
            });
        }
        self.enter_at(from, |first, is_trimmed| is_trimmed.then(|| trimmed(first)))
    }

    /// A cursor at the oldest message that is kept.
    pub(crate) fn oldest(&self) -> Cursor {
        let place = self.tail.with(|ledger| match &self.history {
            Some(history) if history.channel.first() < ledger.first_seq() => {
                Ledger::outside(history.channel.first())
            }
            _ => ledger.enter(true),
        });
        Cursor::entered(self.tail.clone(), place)
    }

    /// The seq of what was committed at a time; `None` if that may be no longer kept.
    async fn found_at(&self, time: SystemTime) -> Result<Option<u64>, Refusal> {
        let Some(history) = &self.history else {
            return Ok(None);
        };
        match history.at_time(time).await {
            Ok(seq) => {
                let first = history.channel.first();
                Ok(Some(seq).filter(|seq| first == 0 || *seq > first))
            }
            Err(ReadError::Trimmed { .. }) => Ok(None),
            // What is damaged is told when it is met.
            Err(ReadError::Corrupt { first, .. }) => Ok(Some(first)),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// `gap` is given the oldest seq that is kept, and whether the place is before that.
    fn enter_at(
        &self,
        from: Position,
        gap: impl FnOnce(u64, bool) -> Option<HeadingKind>,
    ) -> Result<Begun, Refusal> {
        let (place, skip, first, is_trimmed) = self.tail.with(|ledger| {
            let next = ledger.next_seq();
            let kept = ledger.first_seq();
            let first = self.history.as_ref();
            let first = first.map_or(kept, |history| history.channel.first());
            let seq = from.seq(first, next, |time| ledger.seq_at(time).ok_or(()));
            if seq.is_ok_and(|seq| seq > next) {
                let words = "that seq has not been reached";
                return Err(Refusal::new(Code::Future, words).with("next", next));
            }
            let is_trimmed = seq.is_err() || seq.is_ok_and(|seq| seq < first);
            let seq = seq.unwrap_or(first).max(first);
            let (place, skip) = if seq < kept {
                (Ledger::outside(seq), 0)
            } else {
                let (place, skip) = ledger.spot(seq);
                ledger.enter_at(place);
                (place, skip)
            };
            Ok((place, skip, first, is_trimmed))
        })?;
        Ok(Begun {
            cursor: Cursor::entered(self.tail.clone(), place),
            skip,
            gap: gap(first, is_trimmed),
        })
    }
}

fn trimmed(first: u64) -> HeadingKind {
    HeadingKind::Trimmed { first }
}
