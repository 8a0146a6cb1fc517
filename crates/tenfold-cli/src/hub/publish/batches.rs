//! The input of a publisher, read on a thread of its own.

use std::thread;

use tenfold::Event;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::flow::follow::Place;
use crate::flow::goal::Goal;
use crate::flow::pump::BATCH;
use crate::flow::source::Source;

/// Messages in batches: as many as are there without waiting, or [`BATCH`] bytes. So a source may
/// wait for stdin or the clock, and the publisher's task goes on meanwhile.
#[derive(Debug)]
pub(super) struct Batches {
    batches: mpsc::Receiver<Result<Batch, Failure>>,
    result: Result<(), Failure>,
}

/// Some messages, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Where they end in the file that is followed.
    place: Option<Place>,
}

/// Batches that are read before they are wanted.
const AHEAD: usize = 2;

impl Batches {
    /// Begins to read.
    pub(super) fn read(mut source: Box<dyn Source + Send>, goal: Goal) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        thread::spawn(move || {
            if let Err(failure) = read(&mut *source, &goal, &sender) {
                // If the publisher's task has ended, it has an error of its own already.
                let _ = sender.blocking_send(Err(failure));
            }
        });
        Self {
            batches,
            result: Ok(()),
        }
    }

    /// The next batch; none at the end, or when something is wrong with the input.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        match self.batches.recv().await? {
            Ok(batch) => Some(batch),
            Err(failure) => {
                self.result = Err(failure);
                None
            }
        }
    }

    /// How the input has ended.
    pub(super) fn result(self) -> Result<(), Failure> {
        self.result
    }
}

impl Batch {
    pub(super) fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let message = &self.bytes[start..end];
            start = end;
            message
        })
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Empty messages take memory as well.
    fn is_full(&self) -> bool {
        self.bytes.len() + 8 * self.ends.len() >= BATCH
    }

    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }
}

fn read(
    source: &mut (dyn Source + Send),
    goal: &Goal,
    sender: &mpsc::Sender<Result<Batch, Failure>>,
) -> Result<(), Failure> {
    loop {
        let mut batch = Batch::default();
        let filled = fill(source, goal, &mut batch);
        batch.place = source.place();
        if !batch.ends.is_empty() && sender.blocking_send(Ok(batch)).is_err() {
            return Ok(());
        }
        let has_more = filled?;
        if goal.is_reached() {
            return Ok(());
        }
        if !has_more && !source.wait()? {
            return goal.check("the input");
        }
    }
}

/// Takes what is there without waiting. Whether there may be more.
fn fill(source: &mut (dyn Source + Send), goal: &Goal, batch: &mut Batch) -> Result<bool, Failure> {
    while !batch.is_full() && !goal.is_reached() {
        match source.next()? {
            Some(Event::Message(message)) => {
                goal.take_one();
                batch.push(message);
            }
            // Marks are not messages.
            Some(_) => {}
            None => return Ok(false),
        }
    }
    Ok(true)
}
