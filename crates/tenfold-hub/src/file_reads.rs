//! What a follower reads from the files of its channels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tenfold_log::{Frames, ReadError, Reader};
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;
use crate::durable::READ_SIZE;
use crate::history::History;
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
    /// What a read that waited for the disk has brought.
    brought: Arc<Mutex<Option<Read>>>,
    /// The last reader, and the number of its channel.
    reader: Option<(u32, Reader)>,
}

type Read = (Reader, Result<Frames, ReadError>);

/// A block from a file.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) number: u32,
    /// The seq of its first message.
    pub(crate) first: u64,
    pub(crate) block: Block,
    /// A place among the blocks from files that may be kept for a while.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Nothing more is read while so many bytes are not begun to be sent: it is what one write takes.
const MAX_BYTES: usize = 512 * 1024;

impl FileReads {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self {
            ready,
            fetched: BTreeMap::new(),
            reading: None,
            brought: Arc::default(),
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
    pub(crate) fn read(
        &mut self,
        number: u32,
        seq: u64,
        history: &Arc<History>,
    ) -> Option<Result<Frames, ReadError>> {
        let reader = self.reader.take();
        let reader = reader.filter(|(of, reader)| *of == number && reader.seq() == seq);
        let mut reader = reader.map_or_else(|| history.channel.reader(seq), |(_, reader)| reader);
        match reader.read_cached(READ_SIZE) {
            Err(ReadError::WouldBlock) => {
                self.reading = Some(number);
                let (history, ready) = (Arc::clone(history), Arc::clone(&self.ready));
                let brought = Arc::clone(&self.brought);
                spawn(async move {
                    let read = history.read(reader).await;
                    *brought.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
                    ready.call(number);
                });
                None
            }
            result => {
                self.reader = Some((number, reader));
                Some(result)
            }
        }
    }

    /// What a read that waited for the disk has brought, once: of which channel, and from which seq on.
    pub(crate) fn brought(&mut self) -> Option<(u32, u64, Result<Frames, ReadError>)> {
        let number = self.reading?;
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        let (reader, result) = brought.take()?;
        drop(brought);
        self.reading = None;
        let messages = result.as_ref().map_or(0, |frames| frames.messages);
        let seq = reader.seq() - messages;
        self.reader = Some((number, reader));
        Some((number, seq, result))
    }

    /// Keeps a block until it is taken.
    pub(crate) fn keep(&mut self, fetched: Fetched) {
        self.fetched.insert(fetched.number, fetched);
    }

    /// How long the blocks that are there may be kept while the client takes nothing.
    pub(crate) fn kept_for(&self) -> Option<Duration> {
        let times = self.fetched.values();
        let times = times.map(|fetched| rest::kept_for(fetched.place.as_ref()));
        times.min()
    }

    /// Lets the blocks go. They are read again.
    pub(crate) fn forget(&mut self) {
        self.fetched.clear();
    }

    /// Gives memory for the next read.
    pub(crate) fn reuse(&mut self, memory: Bytes) {
        if let Some((_, reader)) = &mut self.reader {
            reader.reuse(memory);
        }
    }
}
