//! Ports that look alike: a hub waits for a request, a plain port and a broadcast never do. Who is at
//! the wrong one is told which command is for it.

use std::time::Duration;

use tenfold::protocol::Refusal;
use tenfold::{Address, Event, Hubs, native};

use crate::failure::Failure;
use crate::flow::source::{Decoded, Source};

/// A port that was to be plain is a hub's, as it has said by this refusal.
pub(crate) fn is_a_hub(address: &Address, command: &str, refusal: &Refusal) -> Failure {
    Failure::Other(format!(
        "{address} is a hub, which waits for a request: tenfold {command} CHANNEL -s {address} (it said: {refusal})"
    ))
}

/// A port that was to be a hub's gives messages without being asked.
pub(crate) fn is_not_a_hub(server: &Hubs) -> Failure {
    let words = format!(
        "{server} is not a hub: it sends messages without being asked, as a plain port or a broadcast does"
    );
    Failure::Other(match server.addresses() {
        [one] => format!("{words}: tenfold recv {one}"),
        _ => words,
    })
}

/// What to try when a port that was to be a hub's says nothing.
pub(crate) fn silence_hint(server: &Hubs) -> String {
    match server.addresses() {
        [one] => format!(
            " (if it is a plain port or a broadcast: tenfold recv {one} receives, tenfold send {one} sends)"
        ),
        _ => String::new(),
    }
}

/// The hub's refusal, if a peer that was not asked for anything has sent that, and nothing else.
pub(crate) fn refusal_in(bytes: &[u8]) -> Option<Refusal> {
    let mut frames = native::frames(bytes);
    let first = frames.next()?.ok()?;
    if frames.next().is_some() {
        return None;
    }
    let line = str::from_utf8(&bytes[first][native::HEADER..]).ok()?;
    Refusal::parse(line).filter(|refusal| refusal.code.is_some())
}

/// The messages of a peer that was not asked for them. If it is a hub, it says that it was not asked, or why it serves
/// nobody at the moment, and ends.
#[derive(Debug)]
pub(crate) struct Unasked {
    source: Decoded,
    /// Where the stream comes from, while nothing of it was given.
    peer: Option<Address>,
}

/// How soon a hub ends the connection after its refusal. Another peer may say the same as a message, and go on: it is
/// waited for no longer.
const END: Duration = Duration::from_secs(1);

impl Unasked {
    /// `peer` is the address that was connected to, if there is one.
    pub(crate) fn new(source: Decoded, peer: Option<Address>) -> Self {
        Self { source, peer }
    }
}

impl Source for Unasked {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let event = self.source.next()?;
        if event.is_some() {
            self.peer = None;
        }
        Ok(event)
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        let more = self.source.wait()?;
        if let Some(peer) = &self.peer
            && let Some(refusal) = refusal_in(self.source.ahead())
            && self.source.ends_within(END)?
        {
            return Err(is_a_hub(peer, "sub", &refusal));
        }
        Ok(more)
    }
}
