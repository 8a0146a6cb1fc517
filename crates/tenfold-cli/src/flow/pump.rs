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
use crate::flow::format::{Format, Origin, Unfit, put_bad};
use crate::flow::goal::Goal;
use crate::flow::on_bad::{Dealt, OnBad};
use crate::flow::output::Output;
use crate::flow::source::Source;
use crate::flow::time_text::TimeText;
use crate::words::Words;

/// Gathers messages in a format, and hands them over in batches.
#[derive(Debug)]
pub(crate) struct Sink<O> {
    format: Format,
    output: O,
    /// What is told of messages of a stream beside their bytes.
    told: Told,
    arrival: TimeText,
    on_bad: OnBad,
    words: Words,
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

/// What is told of the messages of a stream, where the format has a place for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// How many came before each.
    Number,
    /// When each came, too.
    NumberAndTime,
}

/// A batch is handed over when it has grown to this, or when nothing more is ready.
pub(crate) const BATCH: usize = 64 * 1024;

impl<O: Output> Sink<O> {
    pub(crate) fn new(format: Format, output: O, words: &Words) -> Self {
        Self {
            format,
            output,
            told: Told::Nothing,
            arrival: TimeText::default(),
            on_bad: OnBad::default(),
            words: words.clone(),
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

    /// Tells this of the messages.
    #[must_use]
    pub(crate) fn telling(mut self, told: Told) -> Self {
        self.told = told;
        self
    }

    /// Does this with messages that have no place in the format.
    #[must_use]
    pub(crate) fn on_bad(mut self, on_bad: OnBad) -> Self {
        self.on_bad = on_bad;
        self
    }

    /// Takes what happens in a stream.
    pub(crate) fn put(&mut self, event: Event<'_>) -> Result<(), Failure> {
        let mut arrival = std::mem::take(&mut self.arrival);
        let origin = Origin {
            number: self.messages,
            time: (self.told == Told::NumberAndTime).then(|| arrival.now()),
            ..Origin::default()
        };
        let put = self.put_of(Some(origin).filter(|_| self.told != Told::Nothing), event);
        self.arrival = arrival;
        put
    }

    /// Takes a message of a channel.
    pub(crate) fn put_from(&mut self, origin: Origin<'_>, message: &[u8]) -> Result<(), Failure> {
        self.put_of(Some(origin), Event::Message(message))
    }

    fn put_of(&mut self, origin: Option<Origin<'_>>, event: Event<'_>) -> Result<(), Failure> {
        if let (Some(origin), Event::Message(_)) = (origin, event) {
            self.output.comes_from(origin);
        }
        if let Err(problem) = self.format.put(event, origin, &mut self.batch) {
            return self.put_unfit(origin, event, &problem);
        }
        self.inside = matches!(event, Event::Begin { .. } | Event::Data(_));
        if matches!(event, Event::Message(_) | Event::End) {
            self.count();
        }
        self.flush_if_full()
    }

    /// Deals with what has no place in the format.
    fn put_unfit(
        &mut self,
        origin: Option<Origin<'_>>,
        event: Event<'_>,
        problem: &Unfit,
    ) -> Result<(), Failure> {
        let number = origin.map_or(self.messages, |origin| origin.number);
        let what = match origin {
            Some(Origin {
                channel: Some(channel),
                among_others: true,
                ..
            }) => format!("channel {channel}: {}", problem.of(number)),
            _ => problem.of(number),
        };
        let (Unfit::Payload(_), Event::Message(message)) = (problem, event) else {
            return Err(Failure::Framing(what));
        };
        match self.on_bad.deal_with(&what, message, &self.words)? {
            Dealt::LeftOut => {
                self.messages += 1;
                self.output.leave_out();
                Ok(())
            }
            Dealt::ToBeShown => {
                let origin = origin.unwrap_or_else(|| Origin::numbered(number));
                put_bad(&problem.error(), origin, message, &mut self.batch);
                self.count();
                self.flush_if_full()
            }
        }
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
