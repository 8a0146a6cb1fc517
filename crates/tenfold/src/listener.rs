//! Where peers connect.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::address::{Address, abstract_path, unix_address};
use crate::stream::Stream;
#[cfg(feature = "_tls")]
use crate::tls::{Server, TlsStream};

/// How many connections may wait to be accepted. When a server is restarted its clients come all
/// at once, and those over the usual 128 would have to try again after a second.
const BACKLOG: i32 = 4096;

/// A listening socket, made by [`Address::listen`].
///
/// ```
/// use tenfold::{Address, Listener};
///
/// let listener: Listener = "127.0.0.1:0".parse::<Address>()?.listen()?;
/// let address = listener.local_address()?; // with the port that the system has chosen
/// address.connect_blocking(None)?;
/// let peer = listener.accept()?;
/// # drop(peer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// On TCP.
    Tcp(TcpListener),
    /// On a unix socket, with its file until that is [taken](Self::take_socket_file).
    Unix(UnixListener, Option<SocketFile>),
    /// On TCP, for TLS.
    #[cfg(feature = "_tls")]
    Tls(TcpListener, Server),
}

/// The file of a unix socket, which outlives its listener: dropping this removes it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another server may have put its own socket there in the meantime.
    identity: (u64, u64),
}

impl Listener {
    /// On the first address that can be had. A port can be used again at once after its last
    /// connections (`SO_REUSEADDR`, which the standard library sets).
    pub(crate) fn tcp(addresses: &[SocketAddr]) -> io::Result<Self> {
        bound(addresses).map(Self::Tcp)
    }

    /// The same for TLS.
    #[cfg(feature = "_tls")]
    pub(crate) fn tls(addresses: &[SocketAddr], server: &Server) -> io::Result<Self> {
        Ok(Self::Tls(bound(addresses)?, server.clone()))
    }

    /// On a path. A socket file that a dead process left is replaced. One at which a process listens
    /// is not, and no other file is.
    pub(crate) fn unix(path: &Path, mode: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                refuse_unless_stale(path)?;
                fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        // Nobody can connect before the socket listens, so nobody meets other permissions.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        let file = SocketFile::new(path)?;
        Ok(Self::Unix(socket.into(), Some(file)))
    }

    /// On a name without a file. It is gone with the last descriptor of the listener.
    pub(crate) fn in_abstract_namespace(name: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&unix_address(name)?)?;
        socket.listen(BACKLOG)?;
        Ok(Self::Unix(socket.into(), None))
    }

    /// Waits for a peer. The handshake of TLS is left to the first read or write, so that a peer that is slow holds up
    /// nobody else.
    pub fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener) => listener.accept()?.0.into(),
            Self::Unix(listener, _) => listener.accept()?.0.into(),
            #[cfg(feature = "_tls")]
            Self::Tls(listener, server) => TlsStream::accept(listener.accept()?.0, server)?.into(),
        })
    }

    /// Where it listens, with the port that the system has chosen in place of port 0.
    pub fn local_address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => listener.local_addr()?.into(),
            #[cfg(feature = "_tls")]
            Self::Tls(listener, _) => Address::from(listener.local_addr()?).over_tls(),
            Self::Unix(_, Some(file)) => Address::Unix(file.path.clone()),
            Self::Unix(listener, None) => {
                let address = listener.local_addr()?;
                let name = address.as_abstract_name().map(abstract_path);
                let path = address.as_pathname().map(Path::to_owned);
                Address::Unix(path.or(name).unwrap_or_default())
            }
        })
    }

    /// The file of a unix socket, for a program that ends without dropping its listener. From now
    /// on the file is removed when what is taken here is dropped.
    pub fn take_socket_file(&mut self) -> Option<SocketFile> {
        match self {
            Self::Unix(_, file) => file.take(),
            _ => None,
        }
    }

    /// Makes [`accept`](Self::accept) say `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(nonblocking),
            #[cfg(feature = "_tls")]
            Self::Tls(listener, _) => listener.set_nonblocking(nonblocking),
            Self::Unix(listener, _) => listener.set_nonblocking(nonblocking),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            #[cfg(feature = "_tls")]
            Self::Tls(listener, _) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

fn bound(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addresses)?;
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(listener)
}

fn refuse_unless_stale(path: &Path) -> io::Result<()> {
    let in_use = |words| Err(io::Error::new(io::ErrorKind::AddrInUse, words));
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return in_use(format!("{} exists and is not a socket", path.display()));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A process whose backlog is full listens as well: the system then says `WouldBlock`, and a
    // probe that blocks would wait for that process.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => in_use(format!("another process listens at {}", path.display())),
    }
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let identity = identity(path)?;
        // The program may change its directory before it ends.
        let path = std::path::absolute(path)?;
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
