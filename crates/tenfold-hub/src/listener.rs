//! Where clients connect.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io, net, os};

use socket2::{Domain, SockAddr, SockRef, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::socket::{Peer, Socket};

/// A listening socket, TCP or unix. The file of a unix socket is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(net::TcpListener),
    Unix(os::unix::net::UnixListener, SocketFile),
}

/// Why there is no listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody already listens there.
    InUse(PathBuf),
    /// There is a file, and it is not a socket.
    NotASocket(PathBuf),
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "{} is in use: somebody listens there", path.display()),
            Self::NotASocket(path) => {
                write!(f, "{} exists and is not a socket", path.display())
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::InUse(_) | Self::NotASocket(_) => None,
        }
    }
}

impl From<io::Error> for ListenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Listener {
    /// Listens on a unix socket. A socket file that a dead process has left is replaced, one
    /// behind which somebody listens is not, nor is any other file.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        let path = path.as_ref();
        match os::unix::net::UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                refuse_unless_stale(path)?;
                fs::remove_file(path)?;
                Ok(os::unix::net::UnixListener::bind(path)?.into())
            }
            bound => Ok(bound?.into()),
        }
    }

    /// Where it listens: the address of a TCP listener, or nothing for a unix one.
    pub fn tcp_address(&self) -> Option<net::SocketAddr> {
        match &self.kind {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(..) => None,
        }
    }

    pub(crate) fn into_tokio(self) -> io::Result<Acceptor> {
        Ok(match self.kind {
            Kind::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                deepen_backlog(&SockRef::from(&listener))?;
                Acceptor::Tcp(TcpListener::from_std(listener)?)
            }
            Kind::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                deepen_backlog(&SockRef::from(&listener))?;
                Acceptor::Unix(UnixListener::from_std(listener)?, file)
            }
        })
    }
}

impl From<net::TcpListener> for Listener {
    fn from(listener: net::TcpListener) -> Self {
        Self {
            kind: Kind::Tcp(listener),
        }
    }
}

impl From<os::unix::net::UnixListener> for Listener {
    fn from(listener: os::unix::net::UnixListener) -> Self {
        let file = SocketFile::of(&listener);
        Self {
            kind: Kind::Unix(listener, file),
        }
    }
}

/// Thousands of clients connect at once when a server is restarted. The standard library's
/// backlog of 128 makes most of them wait a second for their next SYN.
fn deepen_backlog(listener: &SockRef<'_>) -> io::Result<()> {
    listener.listen(4096)
}

fn refuse_unless_stale(path: &Path) -> Result<(), ListenError> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    let probe = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Somebody with a full backlog also listens: that is `WouldBlock`, and must not block.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
        _ => Err(ListenError::InUse(path.to_owned())),
    }
}

/// The file of a unix socket, which outlives its listener unless somebody removes it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// The path, and the device and inode that make it ours.
    file: Option<(PathBuf, u64, u64)>,
}

impl SocketFile {
    fn of(listener: &os::unix::net::UnixListener) -> Self {
        let path = listener
            .local_addr()
            .ok()
            .and_then(|address| address.as_pathname().map(Path::to_owned));
        let file = path.and_then(|path| {
            let metadata = fs::symlink_metadata(&path).ok()?;
            Some((path, metadata.dev(), metadata.ino()))
        });
        Self { file }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some((path, device, inode)) = &self.file else {
            return;
        };
        // Another server may have put its own socket there in the meantime.
        let still_ours =
            fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (*device, *inode));
        if still_ours {
            let _ = fs::remove_file(path);
        }
    }
}

/// A listener inside the runtime.
#[derive(Debug)]
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "held for its drop")] SocketFile,
    ),
}

impl Acceptor {
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
                Ok((Socket::Unix(stream), Peer::Unix(process)))
            }
        }
    }
}
