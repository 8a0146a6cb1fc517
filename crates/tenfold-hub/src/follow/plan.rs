//! What a follower is written next: a run of each channel that has its turn.

use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenfold::protocol::HeadingKind;
use tenfold_log::ReadError;

use super::{Current, Follow};
use crate::block::Block;
use crate::cursor::Cursor;
use crate::file_reads::{Fetched, Tried};
use crate::followed::{Found, LONE_RUN, RUN, Step};
use crate::frames::first;
use crate::history::FromFile;
use crate::rest::Rest;
use crate::stats::End;
use crate::task::spawn;

/// The most that is planned for one write, in bytes. The last run may go beyond it.
const MAX_BYTES: usize = 512 * 1024;
/// How many channels that wait for their files have their turn when another one was read.
const READERS: usize = 64;
/// When a place that could not be read from the disk is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// The most slices of one write.
pub(super) const SLICES: usize = 256;

/// Something that can be written as the next of one channel.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u32,
    pub(super) pieces: Vec<Rest>,
    pub(super) messages: u64,
    pub(super) of: Source,
    /// It goes on with the current run.
    pub(super) continues: bool,
}

#[derive(Debug)]
pub(super) enum Source {
    Notice,
    /// Blocks of the tail.
    Tail(Step),
    /// The block that was read.
    Files,
}

impl Follow {
    /// Gives turns to the channels that have something.
    pub(super) fn give_turns(&mut self) {
        if let Some((number, seq, result)) = self.reads.brought() {
            self.was_brought(number, seq, result);
        }
        let mut ready = Vec::new();
        self.ready.take(&mut ready);
        if self.reads.is_free() {
            let some = self.waiting.len().min(READERS);
            self.turn.extend(self.waiting.drain(..some));
        }
        for number in ready {
            if let Some(Some(followed)) = self.channels.get_mut(number as usize)
                && !std::mem::replace(&mut followed.has_turn, true)
            {
                self.turn.push_back(number);
            }
        }
    }

    /// Takes what comes of a read that was waited for.
    pub(super) fn was_brought(
        &mut self,
        number: u32,
        seq: u64,
        result: Result<FromFile, ReadError>,
    ) {
        if self.was_read(number, seq, result) {
            return;
        }
        // It waits in a queue already. In two turns it would be sent twice what is sent once.
        self.turn.retain(|other| *other != number);
        self.waiting.retain(|other| *other != number);
        let mut current = self.current.iter();
        if current.any(|current| current.number == number && current.left > 0) {
            self.broken.get_or_insert(End::Damaged);
        }
    }

    /// What can be written after the rest.
    pub(super) fn plan(&mut self) -> Vec<Run> {
        let mut runs = Vec::new();
        let (mut bytes, mut slices) = (self.rest_bytes(), self.rest.len());
        if let Some(current) = self.current {
            if current.left > 0 && self.rest.is_empty() {
                runs.extend(self.go_on(current));
            }
            if current.left > 0 {
                return runs;
            }
        }
        while bytes < MAX_BYTES
            && slices + Cursor::MAX_BLOCKS < SLICES
            && self.reads.large.is_none()
            && let Some(number) = self.turn.pop_front()
        {
            let is_alone = self.turn.is_empty() && runs.is_empty();
            let most = if is_alone { LONE_RUN } else { RUN };
            if let Some(run) = self.run_of(number, most) {
                bytes += run.bytes();
                slices += run.pieces.len();
                runs.push(run);
            }
        }
        runs
    }

    /// The next run of a channel. A channel that has none has no turn any more, or waits for its files.
    fn run_of(&mut self, number: u32, most: usize) -> Option<Run> {
        loop {
            let followed = self.channels.get_mut(number as usize)?.as_mut()?;
            match followed.look(most) {
                Found::Nothing => {
                    followed.has_turn = false;
                    return None;
                }
                Found::Notice(kind) => {
                    return Some(Run {
                        number,
                        pieces: vec![line(&followed.line(kind))],
                        messages: 0,
                        of: Source::Notice,
                        continues: false,
                    });
                }
                Found::Blocks(mut blocks) => {
                    let step = followed.cut(&mut blocks, u64::MAX);
                    let heading = line(&followed.heading(step.from, step.messages));
                    return Some(Run {
                        number,
                        pieces: once(heading).chain(of_tail(blocks, step.from)).collect(),
                        messages: step.messages,
                        of: Source::Tail(step),
                        continues: false,
                    });
                }
                Found::InFiles(history) => {
                    let seq = followed.seq();
                    if let Some(block) = self.reads.of(number, seq) {
                        let heading = line(&followed.heading(seq, block.messages()));
                        return Some(Run {
                            number,
                            pieces: vec![heading, Rest::of_file(block.clone(), seq, None)],
                            messages: block.messages(),
                            of: Source::Files,
                            continues: false,
                        });
                    }
                    if !self.reads.is_free() {
                        self.waiting.push_back(number);
                        return None;
                    }
                    match self.reads.read(number, seq, &history) {
                        Tried::Read(result) => {
                            if !self.was_read(number, seq, result) {
                                return None;
                            }
                        }
                        Tried::Beside => {
                            self.waiting.push_back(number);
                            return None;
                        }
                        Tried::Large => {
                            self.turn.push_front(number);
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// The rest of a run of which a part was let go.
    fn go_on(&mut self, Current { number, left, .. }: Current) -> Option<Run> {
        let sent = self.sent_of_next.unwrap_or_default();
        let followed = self.channels.get_mut(number as usize)?.as_mut()?;
        match followed.look(RUN) {
            Found::Blocks(mut blocks) => {
                let step = followed.cut(&mut blocks, left);
                let mut pieces: Vec<Rest> = of_tail(blocks, step.from).collect();
                pieces.first_mut()?.take(sent);
                Some(Run {
                    number,
                    pieces,
                    messages: step.messages,
                    of: Source::Tail(step),
                    continues: true,
                })
            }
            Found::InFiles(history) => {
                let seq = followed.seq();
                if self.reads.of(number, seq).is_none() {
                    // Nothing else can be written before it.
                    self.reads.clear();
                    if !self.reads.is_free() {
                        return None;
                    }
                    let Tried::Read(result) = self.reads.read(number, seq, &history) else {
                        return None;
                    };
                    if !self.was_read(number, seq, result) {
                        self.broken.get_or_insert(End::Damaged);
                    }
                }
                let block = self.reads.of(number, seq)?;
                let block = if block.messages() > left {
                    first(block, left)
                } else {
                    block.clone()
                };
                Some(Run {
                    number,
                    messages: block.messages(),
                    pieces: vec![Rest::of_file(block, seq, None).after(sent)],
                    of: Source::Files,
                    continues: true,
                })
            }
            Found::Nothing | Found::Notice(_) => {
                self.broken = Some(End::Slow);
                None
            }
        }
    }

    /// Takes what was read of a channel's files. Whether the channel has its turn.
    fn was_read(&mut self, number: u32, seq: u64, result: Result<FromFile, ReadError>) -> bool {
        let Some(Some(followed)) = self.channels.get_mut(number as usize) else {
            return false;
        };
        if followed.seq() != seq {
            // It is another channel by now.
            return true;
        }
        match result {
            Ok(FromFile { frames, memory }) => {
                followed.is_unreadable = false;
                let mut block = Block::new(frames.bytes, frames.messages);
                // A tail that is closed ends before what is still committed then.
                let most = followed.channel.tail().next_seq().saturating_sub(seq);
                if block.messages() > most {
                    block = first(&block, most);
                }
                if block.messages() == 0 {
                    followed.has_turn = false;
                    return false;
                }
                self.reads.keep(Fetched {
                    number,
                    first: seq,
                    block,
                    memory,
                });
            }
            Err(ReadError::Corrupt { next, .. }) => {
                followed.gap_to(next, HeadingKind::Corrupt { next });
            }
            // It is read when nothing else is to be sent.
            Err(ReadError::Large { .. }) => {}
            Err(ReadError::Trimmed { first }) => {
                followed.gap_to(first, HeadingKind::Trimmed { first });
            }
            Err(_) => {
                let ready = Arc::clone(&self.ready);
                followed.has_turn = false;
                spawn(async move {
                    tokio::time::sleep(AGAIN).await;
                    ready.call(number);
                });
                if !std::mem::replace(&mut followed.is_unreadable, true) {
                    followed.notice = Some(HeadingKind::Unreadable);
                    followed.has_turn = true;
                    return true;
                }
                return false;
            }
        }
        true
    }
}

impl Run {
    fn bytes(&self) -> usize {
        self.pieces.iter().map(Rest::len).sum()
    }
}

/// Blocks of a tail, of which the first begins with a seq.
fn of_tail(blocks: Vec<Block>, mut next: u64) -> impl Iterator<Item = Rest> {
    blocks.into_iter().map(move |block| {
        let first = next;
        next += block.messages();
        Rest::of_tail(block, first)
    })
}

/// A line as a frame, which is not a message.
pub(super) fn line(text: &str) -> Rest {
    let frame = format!("{:<10}{text}", text.len());
    Rest::only(Block::new(Bytes::from(frame), 0))
}
