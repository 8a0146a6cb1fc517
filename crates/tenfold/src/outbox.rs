//! What the writers have in common: messages are accepted here, and leave when the transport can.
//!
//! The transport is a function that writes what it can of some slices, or says `WouldBlock`. A
//! call either fails before it has changed anything, or the message is accepted: then what the
//! transport does not take at once is copied, and no later failure, time-out or cancelled call can
//! tear its frame.

use std::io::{self, IoSlice};

use tenfold_codec::{EncodeError, Encoder};

use crate::error::{WriteError, is_time_out};
use crate::pending::Pending;

/// A writer with so many bytes waiting accepts nothing before it has written some: 64 KiB, from
/// where a larger batch makes no write cheaper.
pub const HIGH_WATER: usize = 64 * 1024;

/// A message of half a batch is written from where it is, with what waits before it: from here
/// on a copy costs more than the writes that it saves.
const LARGE: usize = HIGH_WATER / 2;

/// The half of a writer that does no I/O of its own.
#[derive(Debug)]
pub(crate) struct Outbox {
    encoder: Encoder,
    pending: Pending,
    /// How the transport failed for good.
    failed: Option<io::Error>,
}

impl Outbox {
    pub(crate) fn new(encoder: Encoder) -> Self {
        Self {
            encoder,
            pending: Pending::default(),
            failed: None,
        }
    }

    /// Whether a message joins the batch, and nothing needs to be written before.
    #[inline]
    pub(crate) fn batches(&self, message: &[u8]) -> bool {
        message.len() < LARGE && self.has_room()
    }

    /// Accepts a message that [`batches`](Self::batches).
    #[inline]
    pub(crate) fn batch(&mut self, message: &[u8]) -> Result<(), WriteError> {
        Ok(self.encoder.encode(message, self.pending.end())?)
    }

    /// Accepts any message.
    pub(crate) fn message(
        &mut self,
        message: &[u8],
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), WriteError> {
        self.make_room(&mut write)?;
        if message.len() < LARGE {
            self.batch(message)
        } else {
            self.large(message, write)
        }
    }

    /// Accepts what is appended to the batch.
    pub(crate) fn append(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
        encode: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), WriteError> {
        self.make_room(write)?;
        Ok(encode(&mut self.encoder, self.pending.end())?)
    }

    /// Writes all that waits.
    pub(crate) fn drain(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), WriteError> {
        self.check()?;
        let (written, stopped) = write_all(&mut [IoSlice::new(self.pending.waiting())], write);
        self.pending.wrote(written);
        Ok(stopped.map_err(|error| self.note(error))?)
    }

    /// Everything is written, and nothing more in sight.
    pub(crate) fn release(&mut self) {
        self.pending.release();
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Keeps a failure of the transport, unless it is only for now.
    pub(crate) fn note(&mut self, error: io::Error) -> io::Error {
        if !is_time_out(&error) {
            self.failed = Some(copy(&error));
        }
        error
    }

    fn check(&self) -> io::Result<()> {
        self.failed
            .as_ref()
            .map_or(Ok(()), |error| Err(copy(error)))
    }

    /// Writes until less than the high-water mark waits.
    fn make_room(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), WriteError> {
        if self.has_room() {
            return Ok(());
        }
        match self.drain(write) {
            Err(error) if error.is_time_out() && self.has_room() => Ok(()),
            result => result,
        }
    }

    fn has_room(&self) -> bool {
        self.failed.is_none() && self.pending.len() < HIGH_WATER
    }

    fn large(
        &mut self,
        message: &[u8],
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<(), WriteError> {
        let Some(frame) = self.encoder.frame(message)? else {
            return Ok(self.encoder.encode(message, self.pending.end())?);
        };
        let slices = frame.slices();
        // What stands before the message joins the batch, so that a transport without vectored
        // writes is not given ten bytes alone.
        let (small, direct) =
            slices.split_at(slices.iter().position(|s| s.len() >= LARGE).unwrap_or(0));
        for slice in small {
            self.pending.end().extend_from_slice(slice);
        }
        let mut all = [IoSlice::new(self.pending.waiting()); 7];
        for (to, slice) in all[1..].iter_mut().zip(direct) {
            *to = IoSlice::new(slice);
        }
        let (written, stopped) = write_all(&mut all[..=direct.len()], write);
        let batch = self.pending.len();
        self.pending.wrote(written.min(batch));
        let mut skip = written.saturating_sub(batch);
        for slice in direct {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            self.pending.end().extend_from_slice(&slice[skipped..]);
        }
        match stopped {
            Err(error) if !is_time_out(&error) => Err(self.note(error).into()),
            _ => Ok(()),
        }
    }
}

/// Writes until everything is written or the transport takes no more. How many bytes went, and
/// what stopped them.
fn write_all(
    mut slices: &mut [IoSlice<'_>],
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> (usize, io::Result<()>) {
    let mut written = 0;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match write(slices) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => {
                written += n;
                IoSlice::advance_slices(&mut slices, n);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// An error is not `Clone`, and is told again at each later call.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
