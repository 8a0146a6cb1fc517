//! Ports that look alike: a hub waits for a request, a plain port and a broadcast never do. Who is at
//! the wrong one is told which command is for it.

use tenfold::protocol::{Code, Refusal};
use tenfold::{Address, Event, native};

use crate::failure::Failure;
use crate::flow::source::Source;

/// A port that was to be plain is a hub's.
pub(crate) fn is_a_hub(address: &Address, command: &str) -> Failure {
    Failure::Other(format!(
        "{address} is a hub, which waits for a request: tenfold {command} CHANNEL -s {address}"
    ))
}

/// A port that was to be a hub's gives messages without being asked.
pub(crate) fn is_not_a_hub(server: &Address) -> Failure {
    Failure::Other(format!(
        "{server} is not a hub: it sends messages without being asked, as a plain port or a broadcast does: \
         tenfold recv {server}"
    ))
}

/// What to try when a port that was to be a hub's says nothing.
pub(crate) fn silence_hint(server: &Address) -> String {
    format!(
        " (if it is a plain port or a broadcast: tenfold recv {server} receives, tenfold send {server} sends)"
    )
}

/// The hub's refusal in the first bytes that a peer has sent, if the peer is a hub that does not take
/// messages without a request.
pub(crate) fn refusal_in(bytes: &[u8]) -> Option<Refusal> {
    let first = native::frames(bytes).next()?.ok()?;
    let line = str::from_utf8(&bytes[first][native::HEADER..]).ok()?;
    let refusal = Refusal::parse(line)?;
    let expected = [Code::Proto, Code::Header, Code::TooLarge, Code::Timeout];
    refusal
        .code
        .is_some_and(|code| expected.contains(&code))
        .then_some(refusal)
}

/// The messages of a peer that was not asked for them. If it is a hub, it says that it was not asked.
#[derive(Debug)]
pub(crate) struct Unasked<S> {
    source: S,
    peer: Option<Address>,
}

impl<S> Unasked<S> {
    /// `peer` is the address that was connected to, if there is one.
    pub(crate) fn new(source: S, peer: Option<Address>) -> Self {
        Self { source, peer }
    }
}

impl<S: Source> Source for Unasked<S> {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let event = self.source.next()?;
        if event.is_some()
            && let Some(peer) = self.peer.take()
            && let Some(Event::Message(message)) = event
            && is_no_request(message)
        {
            return Err(is_a_hub(&peer, "sub"));
        }
        Ok(event)
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        self.source.wait()
    }
}

/// Whether a message is what a hub says to who has not asked; in other framings its frame is the message.
fn is_no_request(message: &[u8]) -> bool {
    let line = Refusal::no_request().to_string();
    let frame = format!("{:<10}{line}", line.len());
    [line, frame].iter().any(|said| said.as_bytes() == message)
}
