//! Where the messages of one direction come from.

use std::io;
use std::sync::Arc;

use tenfold::asynchronous::{Reader, Subscriber};
use tenfold::client::{self, OnGap, Subscribe};
use tenfold::protocol::{ChannelName, Position};
use tenfold::{DEFAULT_LIMIT, Decoder, ErrorKind, Event, Hubs, PATIENCE, ReadError, Side, closing};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::device::{Line, Opened};
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
    /// The frames that a device sends, as often as it comes back.
    Device(Box<Device>),
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

pub(super) struct Device {
    frames: Frames,
    side: Side,
    max_message: u64,
    line: Arc<Line>,
    opened: Opened,
    /// Why it is taken to be gone.
    lost: Option<String>,
}

pub(super) struct Channel {
    subscriber: Subscriber,
    outages: Outages,
    server: Hubs,
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
        let bytes = Metered::new(bytes, share);
        Self::Frames(Box::new(Frames::new(bytes, decoder, name, is_socket)))
    }

    pub(super) fn device(
        (line, opened): (Arc<Line>, Opened),
        side: &Side,
        max_message: u64,
        name: String,
    ) -> Self {
        let decoder = Decoder::new(side).with_limit(max_message);
        let bytes = Metered::new(Box::new(opened.port.clone()), None);
        Self::Device(Box::new(Device {
            frames: Frames::new(bytes, decoder, name, false),
            side: side.clone(),
            max_message,
            line,
            opened,
            lost: None,
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
            .tls(hub.credential.tls())
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
            Self::Device(device) => device.next().await,
            Self::Channel(channel) => channel.next().await,
            Self::Nobody => std::future::pending().await,
        }
    }

    /// The next event, if it is there already, and else [`Next::End`].
    pub(super) fn ready(&mut self) -> Next<'_> {
        match self {
            Self::Frames(frames) => frames.ready(),
            Self::Device(device) => device.frames.ready(),
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
    fn new(bytes: Metered, decoder: Decoder, name: String, is_socket: bool) -> Self {
        Self {
            reader: Reader::with_decoder(bytes, decoder).with_patience(PATIENCE),
            name,
            is_socket,
            ended: false,
            guard: Guard::off(),
        }
    }

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

impl Device {
    async fn next(&mut self) -> Result<Next<'_>, Failure> {
        if let Some(why) = &self.lost {
            self.opened = self.line.again(&self.opened, why).await?;
            self.begin_again();
        }
        let Self { frames, lost, .. } = self;
        let Frames { reader, name, .. } = frames;
        match reader.next_event().await {
            Ok(Some(event)) => return Ok(Next::Event(event)),
            Ok(None) => *lost = Some("it is gone".to_owned()),
            Err(ReadError::Decode(error))
                if !matches!(error.kind(), ErrorKind::Truncated { .. }) =>
            {
                return Err(unread(&ReadError::Decode(error), name));
            }
            Err(ReadError::Decode(_)) => *lost = Some("it is gone inside a message".to_owned()),
            Err(error) => *lost = Some(error.to_string()),
        }
        Ok(Next::Nothing)
    }

    /// What comes from here on does not go on with what came before.
    fn begin_again(&mut self) {
        let cut = self.frames.reader.decoder().rest().len();
        if cut > 0 {
            self.line.warn_of_cut_message(cut);
        }
        let decoder = Decoder::new(&self.side).with_limit(self.max_message);
        let bytes = Metered::new(Box::new(self.opened.port.clone()), None);
        let name = std::mem::take(&mut self.frames.name);
        self.frames = Frames::new(bytes, decoder, name, false);
        self.lost = None;
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
