//! What a follower reads from the files of its channels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tenfold_log::{ReadError, Reader};
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;
use crate::history::{FromFile, History};
use crate::ready::Ready;
use crate::rest;
use crate::task::spawn;

/// The blocks that come next of some channels, and the read that waits for the disk, if there is one.
#[derive(Debug)]
pub(crate) struct FileReads {
    ready: Arc<Ready>,
    /// By the numbers of their channels.
    fetched: BTreeMap<u32, Fetched>,
    reading: Option<u32>,
    /// What is read beside, while other channels are sent.
    beside: Arc<Mutex<Beside>>,
    /// The channel whose next message is large: it is read when nothing else is to be sent.
    pub(crate) large: Option<u32>,
    /// A channel and a seq where a read beside has found a large message.
    found_large: Option<(u32, u64)>,
    /// The last reader, and the number of its channel.
    reader: Option<(u32, Reader)>,
}

/// How far a read is that goes on beside.
#[derive(Debug, Default)]
enum Beside {
    #[default]
    Wanted,
    /// The client has taken nothing for a while, so what is read must not be kept.
    Unwanted,
    Brought(Read),
    /// It is over, and nothing of it was kept.
    LetGo,
}

type Read = (Reader, Result<FromFile, ReadError>);

/// What a try to read has led to.
pub(crate) enum Tried {
    Read(Result<FromFile, ReadError>),
    /// A task waits for the disk.
    Beside,
    /// The message is large.
    Large,
}

/// A block from a file.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) number: u32,
    /// The seq of its first message.
    pub(crate) first: u64,
    pub(crate) block: Block,
    /// The memory that is taken for it.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// Nothing more is read while so many bytes are not begun to be sent: it is what one write takes.
const MAX_BYTES: usize = 512 * 1024;

impl FileReads {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self {
            ready,
            fetched: BTreeMap::new(),
            reading: None,
            beside: Arc::default(),
            large: None,
            found_large: None,
            reader: None,
        }
    }

    /// Whether another channel can be read.
    pub(crate) fn is_free(&self) -> bool {
        let sizes = self
            .fetched
            .values()
            .map(|fetched| fetched.block.bytes().len());
        self.reading.is_none() && sizes.sum::<usize>() < MAX_BYTES
    }

    /// The block of a channel from a seq on, if it is there.
    pub(crate) fn of(&self, number: u32, seq: u64) -> Option<&Block> {
        let fetched = self.fetched.get(&number)?;
        (fetched.first == seq).then_some(&fetched.block)
    }

    /// Takes the block of a channel.
    pub(crate) fn take(&mut self, number: u32) -> Option<Fetched> {
        self.fetched.remove(&number)
    }

    /// Reads what comes next of a channel, if the system has it in memory; else a task waits for the disk.
    pub(crate) fn read(&mut self, number: u32, seq: u64, history: &Arc<History>) -> Tried {
        if self.found_large == Some((number, seq)) {
            self.large = Some(number);
            return Tried::Large;
        }
        let mut reader = self.reader_of(number, seq, history);
        match history.read_cached(&mut reader) {
            Err(ReadError::WouldBlock) => {
                self.reading = Some(number);
                *self.lock() = Beside::Wanted;
                let (history, ready) = (Arc::clone(history), Arc::clone(&self.ready));
                let beside = Arc::clone(&self.beside);
                spawn(async move {
                    let read = history.read_small(reader).await;
                    let mut beside = beside.lock().unwrap_or_else(PoisonError::into_inner);
                    *beside = match *beside {
                        Beside::Unwanted => Beside::LetGo,
                        _ => Beside::Brought(read),
                    };
                    drop(beside);
                    ready.call(number);
                });
                Tried::Beside
            }
            Err(ReadError::Large { .. }) => {
                self.large = Some(number);
                Tried::Large
            }
            result => {
                self.reader = Some((number, reader));
                Tried::Read(result)
            }
        }
    }

    /// A reader of a channel at a seq.
    pub(crate) fn reader_of(&mut self, number: u32, seq: u64, history: &History) -> Reader {
        let reader = self.reader.take();
        let reader = reader.filter(|(of, reader)| *of == number && reader.seq() == seq);
        reader.map_or_else(|| history.channel.reader(seq), |(_, reader)| reader)
    }

    /// What a read that waited for the disk has brought, once: of which channel, and from which seq on.
    pub(crate) fn brought(&mut self) -> Option<(u32, u64, Result<FromFile, ReadError>)> {
        let number = self.reading?;
        if let Beside::Wanted | Beside::Unwanted = *self.lock() {
            return None;
        }
        self.reading = None;
        let Beside::Brought((reader, result)) = std::mem::take(&mut *self.lock()) else {
            return None;
        };
        let seq = began(&reader, &result);
        if let Err(ReadError::Large { .. }) = result {
            self.found_large = Some((number, seq));
        }
        self.reader = Some((number, reader));
        Some((number, seq, result))
    }

    fn lock(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a block until it is taken.
    pub(crate) fn keep(&mut self, fetched: Fetched) {
        self.fetched.insert(fetched.number, fetched);
    }

    /// How long the blocks that are there, or are being read, may be kept while the client takes nothing.
    pub(crate) fn kept_for(&self) -> Option<Duration> {
        let times = self.fetched.values();
        let times = times
            .map(|fetched| rest::kept_for(fetched.block.bytes().len(), fetched.memory.as_ref()));
        let is_wanted = matches!(*self.lock(), Beside::Wanted | Beside::Brought(_));
        let beside = self.reading.filter(|_| is_wanted).map(|_| rest::KEPT_FOR);
        times.chain(beside).min()
    }

    /// Lets the blocks go. They are read again.
    pub(crate) fn clear(&mut self) {
        self.fetched.clear();
    }

    /// Lets everything go, also what is being read.
    pub(crate) fn forget(&mut self) {
        self.clear();
        self.reader = None;
        let mut beside = self.lock();
        *beside = match *beside {
            Beside::Wanted | Beside::Unwanted => Beside::Unwanted,
            Beside::Brought(_) | Beside::LetGo => Beside::LetGo,
        };
    }

    /// Keeps no memory for a next read, because there is nothing to be read now.
    pub(crate) fn rest(&mut self) {
        self.reader = None;
    }

    /// Gives memory for the next read.
    pub(crate) fn reuse(&mut self, memory: Bytes) {
        if let Some((_, reader)) = &mut self.reader {
            reader.reuse(memory);
        }
    }
}

/// The seq that a read began at.
pub(crate) fn began(reader: &Reader, result: &Result<FromFile, ReadError>) -> u64 {
    let messages = result.as_ref().map_or(0, |read| read.frames.messages);
    reader.seq() - messages
}
