//! One session, or one for each connection.

use std::sync::Arc;

use tenfold::tls::Server;
use tenfold_hub::{ACCEPT_PAUSE, raise_fd_limit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::end::End;
use super::joint::{Door, Joint, Seat};
use super::session::{self, Outcome, Terms};
use crate::failure::Failure;
use crate::flow::connect::{bind_as, cannot_listen};
use crate::flow::listening::listening;
use crate::flow::options::ListenOptions;
use crate::flow::port_file;
use crate::words::Words;

/// A bridge that is ready to join.
pub(super) struct Service {
    pub(super) ends: [Seat; 2],
    pub(super) listening: Listening,
    /// The first session is the only one.
    pub(super) is_once: bool,
    pub(super) terms: Terms,
    pub(super) words: Words,
}

/// The doors of the ends that listen.
pub(super) struct Listening(Arc<[Option<Door>; 2]>);

/// What all sessions did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) sessions: u64,
    pub(super) failed: u64,
    /// From the first end to the second, and back.
    pub(super) messages: [u64; 2],
}

/// How many sessions there are at once: each has two ends and what they hold. More have to wait.
const MAX_SESSIONS: usize = 1024;

impl Listening {
    /// Listens, and says where.
    pub(super) fn begin(
        ends: &[Seat; 2],
        servers: &[Option<Server>; 2],
        options: &ListenOptions,
        words: &Words,
    ) -> Result<Self, Failure> {
        let mut places = Vec::new();
        let mut doors = [None, None];
        for ((seat, server), door) in ends.iter().zip(servers).zip(&mut doors) {
            let End::Listen(address) = &seat.end else {
                continue;
            };
            let (listener, place) = bind_as(server.as_ref(), address, options)?;
            places.push(place);
            let made = Door::new(listener).map_err(|error| cannot_listen(address, &error))?;
            *door = Some(made);
        }
        for place in &places {
            words.note(listening(place, "talk ADDR"));
        }
        if let Some(path) = &options.port_file {
            port_file::write(path, &places)?;
        }
        Ok(Self(Arc::new(doors)))
    }

    /// Which end's connections begin sessions.
    fn first(&self) -> Option<usize> {
        self.0.iter().position(Option::is_some)
    }
}

impl Service {
    /// Joins until it is told to stop, or until the only session has ended.
    pub(super) async fn run(self, totals: &mut Totals) -> Result<(), Failure> {
        match self.listening.first() {
            Some(first) if !self.is_once => self.serve(first, totals).await,
            _ => self.once(totals).await,
        }
    }

    async fn once(self, totals: &mut Totals) -> Result<(), Failure> {
        let mut stop = self.terms.stop.clone();
        // A command is started when its other end is open.
        let starts = |seat: &Seat| matches!(seat.end, End::Exec(_));
        let by_itself = usize::from(starts(&self.ends[0]));
        let first = self.listening.first().unwrap_or(by_itself);
        let [a, b] = tokio::select! {
            biased;
            _ = stop.wait() => return Ok(()),
            joints = open(&self.ends, &self.listening.0, first, None) => joints?,
        };
        self.words
            .detail(format_args!("joined {} and {}", a.name, b.name));
        let outcome = session::run(a, b, self.terms).await;
        totals.add(&outcome);
        outcome.result
    }

    /// A session for each connection. None of them ends the others.
    async fn serve(self, first: usize, totals: &mut Totals) -> Result<(), Failure> {
        // Hundreds of sessions are more than the usual limit may allow. With less it works as well.
        let _ = raise_fd_limit();
        let slots = Arc::new(Semaphore::new(MAX_SESSIONS));
        let mut stop = self.terms.stop.clone();
        let mut sessions = JoinSet::new();
        let ends = Arc::new(self.ends);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait() => break,
                Some(ended) = sessions.join_next() => {
                    note(ended, totals, &self.words);
                    continue;
                }
                accepted = accept(&self.listening, first, &ends, &slots) => accepted,
            };
            let (joint, slot) = match accepted {
                Ok(accepted) => accepted,
                Err(failure) => {
                    self.words.warning(&failure);
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            self.words.detail(format_args!("{} connected", joint.name));
            let (ends, doors) = (Arc::clone(&ends), Arc::clone(&self.listening.0));
            let terms = self.terms.clone();
            sessions.spawn(async move {
                let _slot = slot;
                let peer = joint.name.clone();
                (peer, join(&ends, &doors, first, joint, terms).await)
            });
        }
        drop(self.listening);
        while let Some(ended) = sessions.join_next().await {
            note(ended, totals, &self.words);
        }
        Ok(())
    }
}

/// One of the sessions that there may be at once, until it is dropped.
type Slot = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listening: &Listening,
    first: usize,
    ends: &[Seat; 2],
    slots: &Arc<Semaphore>,
) -> Result<(Joint, Slot), Failure> {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(|error| Failure::Other(error.to_string()))?;
    let joint = ends[first].open(listening.0[first].as_ref()).await?;
    Ok((joint, slot))
}

/// Finds the other end for one that was accepted, and carries until the session ends.
async fn join(
    ends: &[Seat; 2],
    doors: &[Option<Door>; 2],
    first: usize,
    accepted: Joint,
    terms: Terms,
) -> Outcome {
    let mut stop = terms.stop.clone();
    let opened = tokio::select! {
        biased;
        _ = stop.wait() => return Outcome::none(Ok(())),
        opened = open(ends, doors, first, Some(accepted)) => opened,
    };
    match opened {
        Ok([a, b]) => session::run(a, b, terms).await,
        Err(failure) => Outcome::none(Err(failure)),
    }
}

/// Opens the end `first`, unless it was accepted already, and then the other.
async fn open(
    ends: &[Seat; 2],
    doors: &[Option<Door>; 2],
    first: usize,
    accepted: Option<Joint>,
) -> Result<[Joint; 2], Failure> {
    let second = 1 - first;
    let one = match accepted {
        Some(joint) => joint,
        None => ends[first].open(doors[first].as_ref()).await?,
    };
    let other = match ends[second].open(doors[second].as_ref()).await {
        Ok(other) => other,
        Err(failure) => {
            one.dismiss().await;
            return Err(failure);
        }
    };
    Ok(if first == 0 {
        [one, other]
    } else {
        [other, one]
    })
}

fn note(
    ended: Result<(String, Outcome), tokio::task::JoinError>,
    totals: &mut Totals,
    words: &Words,
) {
    match ended {
        Ok((peer, outcome)) => {
            totals.add(&outcome);
            match outcome.result {
                Ok(()) => words.detail(format_args!("{peer} ended")),
                Err(failure) => words.warning(format_args!("session of {peer}: {failure}")),
            }
        }
        Err(error) => words.warning(format_args!("a session broke off: {error}")),
    }
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.sessions += 1;
        self.failed += u64::from(outcome.result.as_ref().is_err_and(Failure::is_failure));
        for (total, messages) in self.messages.iter_mut().zip(outcome.messages) {
            *total += messages;
        }
    }
}

impl Outcome {
    /// Of a session that found no other end.
    fn none(result: Result<(), Failure>) -> Self {
        Self {
            result,
            messages: [0; 2],
        }
    }
}
