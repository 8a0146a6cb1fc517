//! What the hub's frames mean.

use super::{Over, Phase, Publication};
use crate::client::{Error, HistoryMismatch, Notice, Start};
use crate::protocol::{Answer, Code, Publishing, Refusal, read_ack};

impl Publication {
    /// The first frame.
    pub(super) fn answered(&mut self, line: &[u8]) -> Result<(), Over> {
        let bad = |bad| Over::Final(Error::protocol(format!("{bad}")));
        let answer = match Answer::parse(line).map_err(bad)? {
            Answer::Ok(keys) => Publishing::try_from(&keys).map_err(bad)?,
            Answer::Error(refusal) => return Err(refused(refusal)),
        };
        if self.options.acks.is_some_and(|acks| acks != answer.acks) {
            let words = format!("it answered acks={}, which was not asked for", answer.acks);
            return Err(Over::Final(Error::Protocol(words)));
        }
        let next = self.start_at(&answer).map_err(Over::Final)?;
        self.acknowledged = self.acknowledged.max(next);
        self.unacknowledged.release(next);
        self.unacknowledged.rewind(next);
        self.committed.get_or_insert(answer.next);
        self.epoch = Some(answer.epoch);
        self.phase = Phase::Open;
        self.backoff.connected();
        self.notices.push_back(Notice::Connected(answer));
        Ok(())
    }

    /// The number of the message to go on with.
    fn start_at(&mut self, answer: &Publishing) -> Result<u64, Error> {
        let hub = i128::from(answer.next);
        match (&self.producer, self.committed, self.options.start) {
            (None, ..) => {
                // The hub counts each connection's messages.
                self.offset = -i128::from(self.unacknowledged.released());
            }
            (Some(_), None, Start::Append) if self.options.producer.is_some() => self.offset = hub,
            (Some(_), None, Start::History) if self.options.producer.is_some() => {
                self.unacknowledged.begin_at(answer.next);
                self.acknowledged = answer.next;
            }
            _ => {}
        }
        let next = u64::try_from(hub - self.offset).ok();
        let possible = self.acknowledged..=self.unacknowledged.sent();
        match next.filter(|next| possible.contains(next)) {
            None => Err(self.mismatch(answer)),
            Some(next) if next < self.unacknowledged.released() => Err(Error::Lost {
                first: answer.next,
                next: self.at_hub(self.unacknowledged.released()),
            }),
            Some(next) => Ok(next),
        }
    }

    fn mismatch(&self, answer: &Publishing) -> Error {
        let Some(producer) = self.producer.clone() else {
            return Error::protocol(format!("it answered next={} to no producer", answer.next));
        };
        Error::History(HistoryMismatch {
            producer,
            committed: answer.next,
            acknowledged: self.at_hub(self.acknowledged),
            sent: self.at_hub(self.unacknowledged.sent()),
            known: self.epoch,
            epoch: answer.epoch,
        })
    }

    /// A message's number at the hub.
    fn at_hub(&self, number: u64) -> u64 {
        u64::try_from(i128::from(number) + self.offset).unwrap_or(0)
    }

    /// A frame after the answer.
    pub(super) fn said(&mut self, line: &[u8]) -> Result<(), Over> {
        if let Some(hub) = read_ack(line) {
            return self.acknowledge(hub);
        }
        let refusal = str::from_utf8(line).ok().and_then(Refusal::parse);
        match refusal {
            Some(refusal) => Err(refused(refusal)),
            None => Err(Over::Final(Error::protocol(
                "it sent a frame that is neither ACK nor ERROR",
            ))),
        }
    }

    fn acknowledge(&mut self, hub: u64) -> Result<(), Over> {
        let number = u64::try_from(i128::from(hub) - self.offset).ok();
        let number =
            number.filter(|n| *n >= self.acknowledged && self.unacknowledged.has_written(*n));
        let Some(number) = number else {
            let words = format!(
                "it acknowledged {hub} messages, and it was to be {} to {}",
                self.at_hub(self.acknowledged),
                self.at_hub(self.unacknowledged.written()),
            );
            return Err(Over::Final(Error::Protocol(words)));
        };
        if number > self.acknowledged {
            self.brought = true;
            self.unheard = 0;
        }
        self.acknowledged = number;
        self.unacknowledged.release(number);
        Ok(())
    }
}

fn refused(refusal: Refusal) -> Over {
    let temporary = refusal.code.is_some_and(Code::is_temporary);
    let error = Error::Refused(refusal);
    if temporary {
        Over::Again(error)
    } else {
        Over::Final(error)
    }
}
