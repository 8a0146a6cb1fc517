//! Where the messages of one direction go.

use std::io;
use std::sync::{Arc, Mutex};

use tenfold::asynchronous::{Publisher, Writer};
use tenfold::client::{Notice, Publish};
use tenfold::protocol::ChannelName;
use tenfold::{Event, Hubs, Side, WriteError};
use tokio::io::AsyncWrite;

use super::device::{Line, Opened};
use crate::failure::Failure;
use crate::flow::hub_client::{self, Outages};
use crate::flow::options::HubPeer;
use crate::words::Words;

/// Bytes to a socket or a pipe.
pub(super) type Bytes = Box<dyn AsyncWrite + Send + Unpin>;

/// Takes the messages for an end.
pub(super) enum Taker {
    /// Puts them into frames.
    Frames(Box<Frames>),
    /// The same for a device, as often as it comes back.
    Device(Box<Device>),
    /// Publishes them.
    Channel(Box<Channel>),
    /// Throws them away.
    Nobody,
}

pub(super) struct Frames {
    writer: Writer<Bytes>,
    name: String,
    /// The reader of a pipe may go away when it has had enough, and that is not a mistake.
    is_pipe: bool,
}

pub(super) struct Device {
    frames: Frames,
    side: Side,
    line: Arc<Line>,
    opened: Opened,
}

pub(super) struct Channel {
    publisher: Publisher,
    server: Hubs,
    name: String,
}

impl Taker {
    pub(super) fn frames(bytes: Bytes, side: &Side, name: String, is_pipe: bool) -> Self {
        Self::Frames(Box::new(Frames {
            writer: Writer::new(bytes, side),
            name,
            is_pipe,
        }))
    }

    pub(super) fn device((line, opened): (Arc<Line>, Opened), side: &Side, name: String) -> Self {
        Self::Device(Box::new(Device {
            frames: Frames {
                writer: Writer::new(Box::new(opened.port.clone()), side),
                name,
                is_pipe: false,
            },
            side: side.clone(),
            line,
            opened,
        }))
    }

    pub(super) fn channel(channel: &ChannelName, hub: &HubPeer, words: &Words) -> Self {
        let outages = Mutex::new(Outages::new(&hub.server, words));
        let options = Publish::new(channel.clone())
            .token(hub.credential.token())
            .tls(hub.credential.tls())
            .until_connected(hub.until_connected())
            .once_connected(hub.once_connected())
            .observer(move |notice| {
                if let Ok(mut outages) = outages.lock() {
                    match notice {
                        Notice::Connected(_) => outages.connected("going on"),
                        Notice::Disconnected(notice) => outages.disconnected(notice),
                        _ => {}
                    }
                }
            });
        Self::Channel(Box::new(Channel {
            publisher: Publisher::new(hub.server.clone(), options),
            server: hub.server.clone(),
            name: format!("hub:{channel}"),
        }))
    }

    /// Takes a message if that needs no waiting. False: it was not taken.
    pub(super) fn put_now(&mut self, message: &[u8], index: u64) -> Result<bool, Failure> {
        match self {
            Self::Frames(frames) => {
                let put = frames.writer.try_write(message);
                put.map_err(|error| frames.failure(error, Some(index)))
            }
            Self::Device(_) | Self::Channel(_) => Ok(false),
            Self::Nobody => Ok(true),
        }
    }

    /// Takes what `event` says, the message with this `index` of the direction; waits while the
    /// other side is slow.
    pub(super) async fn put(&mut self, event: Event<'_>, index: u64) -> Result<(), Failure> {
        match self {
            Self::Frames(frames) => frames.put(event, index).await,
            Self::Device(device) => device.put(event, index).await,
            Self::Channel(channel) => channel.put(event).await,
            Self::Nobody => Ok(()),
        }
    }

    /// Writes all that was taken.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Frames(frames) => frames.flush().await,
            // A device has taken each message as a whole, and a channel sends by itself, and soon.
            Self::Device(_) | Self::Channel(_) | Self::Nobody => Ok(()),
        }
    }

    /// Writes all that was taken and ends the stream: the other side sees a clean end.
    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        match self {
            Self::Frames(frames) => match frames.writer.shutdown().await {
                // It has ended already.
                Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                ended => ended.map_err(|error| frames.failure(error, None)),
            },
            Self::Channel(channel) => channel.ended().await,
            Self::Device(_) | Self::Nobody => Ok(()),
        }
    }
}

impl Frames {
    async fn put(&mut self, event: Event<'_>, index: u64) -> Result<(), Failure> {
        let put = match event {
            Event::Message(message) => self.writer.write(message).await,
            Event::Mark(number) => self.writer.mark(number).await,
            Event::Begin { length } => self.writer.begin(length).await,
            Event::Data(piece) => self.writer.data(piece).await,
            Event::End => self.writer.end().await,
            _ => Ok(()),
        };
        put.map_err(|error| self.failure(error, Some(index)))
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush().await;
        flushed.map_err(|error| self.failure(error, None))
    }

    fn failure(&self, error: WriteError, index: Option<u64>) -> Failure {
        let name = &self.name;
        match error {
            WriteError::Encode(error) => Failure::Framing(match index {
                Some(index) => format!("cannot frame message {index} for {name}: {error}"),
                None => format!("cannot frame for {name}: {error}"),
            }),
            WriteError::Io(error) => match error.kind() {
                io::ErrorKind::BrokenPipe if self.is_pipe => Failure::OutputClosed,
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Failure::Other(
                    format!("{name} went away before everything was sent: {error}"),
                ),
                _ => Failure::Other(format!("cannot send to {name}: {error}")),
            },
            error => Failure::Other(format!("cannot send to {name}: {error}")),
        }
    }
}

impl Device {
    /// Sends a message as a whole: again from its beginning if the device goes away meanwhile.
    async fn put(&mut self, event: Event<'_>, index: u64) -> Result<(), Failure> {
        loop {
            let sent = match self.frames.put(event, index).await {
                Ok(()) => self.frames.flush().await,
                failed => failed,
            };
            match sent {
                Err(Failure::Other(why)) => {
                    self.opened = self.line.again(&self.opened, &why).await?;
                    let port = Box::new(self.opened.port.clone());
                    self.frames.writer = Writer::new(port, &self.side);
                }
                sent => return sent,
            }
        }
    }
}

impl Channel {
    async fn put(&mut self, event: Event<'_>) -> Result<(), Failure> {
        match event {
            Event::Message(message) => {
                let sent = self.publisher.send(message).await;
                sent.map_err(|error| hub_client::failure(&error, &self.server))
            }
            Event::Mark(number) => Err(Failure::Framing(format!(
                "cannot publish the mark {number} to {}: marks go only to framings that have them",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    async fn ended(&mut self) -> Result<(), Failure> {
        let closed = self.publisher.close().await;
        closed.map_err(|error| hub_client::failure(&error, &self.server))
    }
}
