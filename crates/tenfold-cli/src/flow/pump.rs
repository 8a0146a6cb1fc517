//! From a source to a sink: what every command does.
//!
//! ```text
//!   broadcast   stdin, a file, a clock        --> frames in blocks --> the tail of the engine
//!   send        arguments, stdin, a clock     --> frames           --> a socket
//!   recv        frames of a socket or a file  --> lines, JSON ...  --> stdout
//!   convert     frames, JSON or hex lines     --> the same         --> stdout
//! ```

use tenfold::Event;

use crate::failure::Failure;
use crate::flow::format::{Format, Origin};
use crate::flow::goal::Goal;
use crate::flow::output::Output;
use crate::flow::source::Source;
use crate::words::Words;

/// Gathers messages in a format, and hands them over in batches.
#[derive(Debug)]
pub(crate) struct Sink<O> {
    format: Format,
    output: O,
    batch: Vec<u8>,
    /// Messages that end in the batch.
    in_batch: u64,
    /// Messages so far.
    messages: u64,
    /// Bytes handed over so far.
    bytes: u64,
    /// A message has begun in pieces and not ended.
    inside: bool,
    /// The output has failed.
    is_broken: bool,
}

/// A batch is handed over when it has grown to this, or when nothing more is ready.
pub(crate) const BATCH: usize = 64 * 1024;

impl<O: Output> Sink<O> {
    pub(crate) fn new(format: Format, output: O) -> Self {
        Self {
            format,
            output,
            batch: Vec::new(),
            in_batch: 0,
            messages: 0,
            bytes: 0,
            inside: false,
            is_broken: false,
        }
    }

    /// Messages taken so far.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes handed over so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn into_output(self) -> O {
        self.output
    }

    pub(crate) fn put(&mut self, event: Event<'_>) -> Result<(), Failure> {
        self.format
            .put(event, &mut self.batch)
            .map_err(|error| Failure::Framing(error.of(self.messages)))?;
        self.inside = matches!(event, Event::Begin { .. } | Event::Data(_));
        if matches!(event, Event::Message(_) | Event::End) {
            self.count();
        }
        self.flush_if_full()
    }

    /// [`put`](Self::put) for a message of one of several channels.
    pub(crate) fn put_from(&mut self, origin: Origin<'_>, message: &[u8]) -> Result<(), Failure> {
        self.output.comes_from(origin);
        self.format
            .put_from(origin, message, &mut self.batch)
            .map_err(|error| {
                let Origin { channel, seq } = origin;
                Failure::Framing(format!("channel {channel}: {}", error.of(seq)))
            })?;
        self.count();
        self.flush_if_full()
    }

    fn count(&mut self) {
        self.messages += 1;
        self.in_batch += 1;
    }

    fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.batch.len() >= BATCH || (self.in_batch > 0 && self.output.takes_one()) {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether everything was handed over.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.in_batch == 0
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        // An empty message can be all there is.
        if !self.is_empty() && !self.is_broken {
            let bytes = self.batch.len() as u64;
            let taken = self.output.take(&mut self.batch, self.in_batch);
            // An output that has failed once gets nothing more: a part of a message may be missing in it.
            self.is_broken = taken.is_err();
            taken?;
            self.bytes += bytes;
            self.in_batch = 0;
            // After a large message the memory goes back.
            self.batch.shrink_to(2 * BATCH);
        }
        Ok(())
    }
}

/// Carries messages until the source ends, or the goal is reached. Whatever ends it, the
/// messages before are handed over.
pub(crate) fn pump<O: Output>(
    source: &mut (impl Source + ?Sized),
    sink: &mut Sink<O>,
    goal: &Goal,
    words: &Words,
) -> Result<(), Failure> {
    loop {
        let carried = carry_ready(source, sink, goal, words);
        sink.flush()?;
        carried?;
        if (goal.is_reached() && !sink.inside) || !source.wait()? {
            return Ok(());
        }
    }
}

/// Carries the messages that are there without waiting.
fn carry_ready<O: Output>(
    source: &mut (impl Source + ?Sized),
    sink: &mut Sink<O>,
    goal: &Goal,
    words: &Words,
) -> Result<(), Failure> {
    while sink.inside || !goal.is_reached() {
        let Some(event) = source.next()? else {
            break;
        };
        match event {
            Event::Skipped(skipped) => {
                words.warning(format_args!("left out: {}", skipped.reason()));
            }
            Event::Message(_) | Event::Begin { .. } if !goal.take_one() => break,
            event => sink.put(event)?,
        }
    }
    Ok(())
}
