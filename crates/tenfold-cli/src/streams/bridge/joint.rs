//! An end of a bridge, opened.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenfold::asynchronous::TlsStream;
use tenfold::protocol::{ChannelName, Position};
use tenfold::tls::{self, Server};
use tenfold::{Address, Listener, Side, SocketFile, Stream};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::child::Child;
use super::device::{Line, Opened};
use super::end::{End, FilePath, Way};
use super::file;
use super::giver::{self, Giver};
use super::stdio;
use super::taker::{self, Taker};
use crate::failure::Failure;
use crate::flow::budget::Budget;
use crate::flow::connect;
use crate::flow::http::Guard;
use crate::flow::options::HubPeer;
use crate::flow::tls_peer;
use crate::words::Words;

/// An end as it is to be opened, again and again where it can be.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) end: End,
    /// It is end A: of a file, that is what is read, and B is what is written.
    pub(super) is_first: bool,
    /// What it is joined to.
    pub(super) other: End,
    /// Whose frames come from there.
    pub(super) reads: Side,
    pub(super) writes: Side,
    /// Whether a giant may come in pieces.
    pub(super) in_pieces: bool,
    pub(super) max_message: u64,
    /// What all sessions may hold of messages that are not whole.
    pub(super) budget: Arc<Budget>,
    pub(super) hub: HubPeer,
    pub(super) from: Position,
    pub(super) timeout: Option<Duration>,
    pub(super) words: Words,
}

/// Both directions of an end.
pub(super) struct Joint {
    pub(super) name: String,
    pub(super) giver: Giver,
    pub(super) taker: Taker,
    pub(super) child: Option<Child>,
}

impl Seat {
    /// Whether the other end takes what this one gives.
    fn is_heard(&self) -> bool {
        self.other.takes(!self.is_first)
    }

    /// Whether the other end gives something.
    fn is_told(&self) -> bool {
        self.other.gives(!self.is_first)
    }

    /// Opens the end; one that listens waits for a connection at `door`.
    pub(super) async fn open(&self, door: Option<&Door>) -> Result<Joint, Failure> {
        match (&self.end, door) {
            (End::Connect(address), _) => self.connect(address).await,
            (End::Exec(command), _) => self.start(command),
            (End::Stdio, _) => self.stdio(),
            (End::File(file), _) => self.file(file).await,
            (End::Hub(channel, way), _) => Ok(self.channel(channel, *way)),
            (End::Listen(_), Some(door)) => {
                let accepted = door.accept().await;
                let (stream, name) = accepted.map_err(|error| cannot_accept(&error))?;
                self.socket(stream, name)
            }
            (End::Listen(_), None) => Err(cannot_accept(&io::ErrorKind::NotConnected.into())),
        }
    }

    async fn connect(&self, address: &Address) -> Result<Joint, Failure> {
        let (to, words) = (address.clone(), self.words.clone());
        let (retry, timeout) = (self.hub.retry, self.timeout);
        let client = tls_peer::client(self.hub.credential.tls_files(), address)?;
        let connecting =
            move || connect::connect_patiently(&to, client.as_ref(), retry, timeout, &words);
        let connected = tokio::task::spawn_blocking(connecting).await;
        let stream = connected.map_err(|error| Failure::Other(error.to_string()))??;
        self.socket(stream, address.to_string())
    }

    fn start(&self, command: &str) -> Result<Joint, Failure> {
        let (child, stdout, stdin) = Child::start(command)?;
        let name = self.end.to_string();
        let joint = self.pipes(Box::new(stdout), Box::new(stdin), name);
        Ok(Joint {
            child: Some(child),
            ..joint
        })
    }

    fn stdio(&self) -> Result<Joint, Failure> {
        let (stdin, stdout) = stdio::take()?;
        let name = "stdin and stdout".to_owned();
        let joint = self.pipes(Box::new(stdin), Box::new(stdout), name);
        if self.is_heard() {
            return Ok(joint);
        }
        Ok(Joint {
            giver: Giver::Nobody,
            ..joint
        })
    }

    async fn file(&self, file: &FilePath) -> Result<Joint, Failure> {
        if file.is_device() {
            let patience = (self.hub.until_connected(), self.hub.once_connected());
            if let Some(device) = Line::open(file, patience, &self.words).await? {
                return Ok(self.device(device));
            }
        }
        let (path, name) = (file.path.clone(), file.to_string());
        Ok(if self.is_first {
            let from = file::to_read(path).await?;
            Joint {
                giver: self.giver(Box::new(from), &name, false),
                taker: Taker::Nobody,
                name,
                child: None,
            }
        } else {
            let into = file::to_append(path).await?;
            Joint {
                giver: Giver::Nobody,
                taker: Taker::frames(Box::new(into), &self.writes, name.clone(), true),
                name,
                child: None,
            }
        })
    }

    fn device(&self, device: (Arc<Line>, Opened)) -> Joint {
        let name = self.end.to_string();
        Joint {
            giver: Giver::device(device.clone(), &self.reads, self.max_message, name.clone()),
            taker: Taker::device(device, &self.writes, name.clone()),
            name,
            child: None,
        }
    }

    fn pipes(&self, from: giver::Bytes, into: taker::Bytes, name: String) -> Joint {
        Joint {
            giver: self.giver(from, &name, false),
            taker: Taker::frames(into, &self.writes, name.clone(), true),
            name,
            child: None,
        }
    }

    fn channel(&self, channel: &ChannelName, way: Way) -> Joint {
        let (hub, words) = (&self.hub, &self.words);
        Joint {
            name: self.end.to_string(),
            giver: match way {
                Way::In => Giver::Nobody,
                _ if !self.is_heard() => Giver::Nobody,
                _ => Giver::channel(channel, self.from, self.max_message, hub, words),
            },
            taker: match way {
                Way::Out => Taker::Nobody,
                _ if !self.is_told() => Taker::Nobody,
                _ => Taker::channel(channel, hub, words),
            },
            child: None,
        }
    }

    /// A connection that was made or accepted.
    pub(super) fn socket(&self, stream: Stream, name: String) -> Result<Joint, Failure> {
        let (from, into) = halves(stream).map_err(|error| {
            Failure::Other(format!("cannot use the connection to {name}: {error}"))
        })?;
        Ok(Joint {
            giver: self.giver(from, &name, true),
            taker: Taker::frames(into, &self.writes, name.clone(), false),
            name,
            child: None,
        })
    }

    fn giver(&self, bytes: giver::Bytes, name: &str, is_socket: bool) -> Giver {
        Giver::frames(
            bytes,
            &self.reads,
            self.max_message,
            self.in_pieces,
            name.to_owned(),
            (is_socket, is_socket.then(|| self.budget.share())),
        )
        .guarded(match self.end {
            End::Listen(_) => Guard::of(&self.reads),
            _ => Guard::off(),
        })
    }
}

impl Joint {
    /// Closes an end for which the other end could not be opened.
    pub(super) async fn dismiss(mut self) {
        // It fails if the peer has gone already.
        let _ = self.taker.finish().await;
        self.giver.discard().await;
    }
}

fn halves(stream: Stream) -> io::Result<(giver::Bytes, taker::Bytes)> {
    stream.set_nonblocking(true)?;
    Ok(match stream {
        Stream::Tcp(stream) => {
            let (from, into) = TcpStream::from_std(stream)?.into_split();
            (Box::new(from), Box::new(into))
        }
        Stream::Unix(stream) => {
            let (from, into) = UnixStream::from_std(stream)?.into_split();
            (Box::new(from), Box::new(into))
        }
        Stream::Tls(stream) => {
            let (from, into) = tokio::io::split(TlsStream::from_blocking(stream)?);
            (Box::new(from), Box::new(into))
        }
        _ => return Err(unknown_transport()),
    })
}

fn unknown_transport() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "neither TCP nor a unix socket, and nothing else is known here",
    )
}

/// A listener inside the runtime.
#[derive(Debug)]
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "held for its drop, which removes the file")]
        Option<SocketFile>,
    ),
    Tls(TcpListener, Server),
}

impl Door {
    pub(super) fn new(listener: Listener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener, file) => Self::Unix(UnixListener::from_std(listener)?, file),
            Listener::Tls(listener, server) => Self::Tls(TcpListener::from_std(listener)?, server),
            _ => return Err(unknown_transport()),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, String)> {
        let stream: Stream = match self {
            Self::Tcp(listener) => listener.accept().await?.0.into_std()?.into(),
            Self::Unix(listener, _) => listener.accept().await?.0.into_std()?.into(),
            Self::Tls(listener, server) => {
                let socket = listener.accept().await?.0.into_std()?;
                tls::TlsStream::accept(socket, server)?.into()
            }
        };
        let name = connect::peer_name(&stream);
        Ok((stream, name))
    }
}

pub(super) fn cannot_accept(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot accept a connection: {error}"))
}
