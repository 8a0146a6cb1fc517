//! Where the messages of one direction come from.

use std::io;

use tenfold::asynchronous::{Reader, Subscriber};
use tenfold::client::{self, OnGap, Subscribe};
use tenfold::protocol::{ChannelName, Position};
use tenfold::{
    Address, DEFAULT_LIMIT, Decoder, ErrorKind, Event, PATIENCE, ReadError, Side, closing,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::last_line::LastLine;
use super::metered::Metered;
use crate::failure::Failure;
use crate::flow::budget::Share;
use crate::flow::http::Guard;
use crate::flow::hub_client::{self, Outages};
use crate::flow::options::HubPeer;
use crate::words::Words;

/// Bytes from a socket or a pipe.
pub(super) type Bytes = Box<dyn AsyncRead + Send + Unpin>;

/// Gives the messages of an end.
pub(super) enum Giver {
    /// The frames of a stream.
    Frames(Box<Frames>),
    /// The messages of a channel.
    Channel(Box<Channel>),
    /// Nothing ever.
    Nobody,
}

/// What a giver has.
pub(super) enum Next<'a> {
    Event(Event<'a>),
    /// Something happened that is not a message, and people were told of it.
    Nothing,
    End,
}

pub(super) struct Frames {
    reader: Reader<Metered>,
    name: String,
    /// A socket that is closed with unread bytes sends a reset, and the other side can lose bytes that are
    /// on their way to it.
    is_socket: bool,
    ended: bool,
    guard: Guard,
}

pub(super) struct Channel {
    subscriber: Subscriber,
    outages: Outages,
    server: Address,
    words: Words,
}

impl Giver {
    /// A stream, of which frames are read. Text that consists of lines may end without a newline.
    pub(super) fn frames(
        bytes: Bytes,
        side: &Side,
        max_message: u64,
        in_pieces: bool,
        name: String,
        (is_socket, share): (bool, Option<Share>),
    ) -> Self {
        let mut decoder = Decoder::new(side).with_limit(max_message);
        if in_pieces {
            decoder = decoder.with_pieces_above(DEFAULT_LIMIT);
        }
        let bytes = if side.is_lines() {
            Box::new(LastLine::new(bytes))
        } else {
            bytes
        };
        Self::Frames(Box::new(Frames {
            reader: Reader::with_decoder(Metered::new(bytes, share), decoder)
                .with_patience(PATIENCE),
            name,
            is_socket,
            ended: false,
            guard: Guard::off(),
        }))
    }

    /// Looks at the first message of a peer that may be a stranger.
    pub(super) fn guarded(mut self, guard: Guard) -> Self {
        if let Self::Frames(frames) = &mut self {
            frames.guard = guard;
        }
        self
    }

    pub(super) fn channel(
        channel: &ChannelName,
        from: Position,
        max_message: u64,
        hub: &HubPeer,
        words: &Words,
    ) -> Self {
        let options = Subscribe::new(channel.clone())
            .token(hub.credential.token())
            .from(from)
            .limit(max_message)
            .until_connected(hub.until_connected())
            .once_connected(hub.once_connected())
            .on_gap(OnGap::Stop);
        Self::Channel(Box::new(Channel {
            subscriber: Subscriber::new(hub.server.clone(), options),
            outages: Outages::new(&hub.server, words),
            server: hub.server.clone(),
            words: words.clone(),
        }))
    }

    /// Waits for the next event. A wait that is given up loses nothing.
    pub(super) async fn next(&mut self) -> Result<Next<'_>, Failure> {
        match self {
            Self::Frames(frames) => frames.next().await,
            Self::Channel(channel) => channel.next().await,
            Self::Nobody => std::future::pending().await,
        }
    }

    /// The next event, if it is there already, and else [`Next::End`].
    pub(super) fn ready(&mut self) -> Next<'_> {
        match self {
            Self::Frames(frames) => frames.ready(),
            Self::Channel(channel) => channel.ready(),
            Self::Nobody => Next::End,
        }
    }

    /// Reads and throws away what a socket still has, for a while, so that closing it does not become a reset.
    pub(super) async fn discard(&mut self) {
        if let Self::Frames(frames) = self
            && frames.is_socket
            && !frames.ended
        {
            // Whatever goes wrong here, nothing is lost that was not lost before.
            let rest = Rest {
                from: frames.reader.get_mut(),
                space: vec![0; 8 * 1024],
            };
            let _ = closing::until_peer_ends(rest).await;
        }
    }
}

impl Frames {
    async fn next(&mut self) -> Result<Next<'_>, Failure> {
        let Self {
            reader,
            name,
            ended,
            guard,
            ..
        } = self;
        let held = reader.decoder().rest().len();
        reader.get_mut().holds(held);
        match reader.next_event().await {
            Ok(Some(event)) => {
                guard.check(event)?;
                Ok(Next::Event(event))
            }
            Ok(None) => {
                *ended = true;
                Ok(Next::End)
            }
            Err(error) => Err(unread(&error, name)),
        }
    }

    fn ready(&mut self) -> Next<'_> {
        match self.reader.buffered_event() {
            Ok(event) => event.map_or(Next::End, Next::Event),
            // It is met again by the next call that waits, which describes it better.
            Err(_) => Next::End,
        }
    }
}

/// Whatever the peer of a connection still sends.
struct Rest<'a> {
    from: &'a mut Metered,
    space: Vec<u8>,
}

impl closing::Discard for Rest<'_> {
    async fn discard(&mut self) -> io::Result<Option<usize>> {
        // Nothing of it is kept.
        self.from.holds(0);
        let n = self.from.read(&mut self.space).await?;
        Ok((n > 0).then_some(n))
    }
}

impl Channel {
    async fn next(&mut self) -> Result<Next<'_>, Failure> {
        let Self {
            subscriber,
            outages,
            server,
            words,
        } = self;
        match subscriber.next_event().await {
            Ok(Some(event)) => Ok(understood(event, outages, words)),
            Ok(None) => Ok(Next::End),
            Err(error) => Err(hub_client::failure(&error, server)),
        }
    }

    fn ready(&mut self) -> Next<'_> {
        match self.subscriber.buffered_event() {
            Some(event) => understood(event, &mut self.outages, &self.words),
            None => Next::End,
        }
    }
}

/// A message, or something to tell people.
fn understood<'a>(
    event: client::SubscriberEvent<'a>,
    outages: &mut Outages,
    words: &Words,
) -> Next<'a> {
    match event {
        client::SubscriberEvent::Message(message) => {
            return Next::Event(Event::Message(message.bytes));
        }
        client::SubscriberEvent::Connected(answer) => {
            outages.connected(&format!("message {} comes next", answer.from));
        }
        client::SubscriberEvent::Disconnected(notice) => outages.disconnected(&notice),
        client::SubscriberEvent::Gap(gap) => words.warning(gap),
        _ => {}
    }
    Next::Nothing
}

/// Why there is no next message of a stream, and whose fault that is.
fn unread(error: &ReadError, name: &str) -> Failure {
    match error {
        ReadError::Decode(error) => {
            let hint = match error.kind() {
                ErrorKind::TooLarge { .. } => " (--max-message raises it)",
                _ => "",
            };
            Failure::Framing(format!("from {name}: {error}{hint}"))
        }
        error => Failure::Other(format!("cannot read from {name}: {error}")),
    }
}
