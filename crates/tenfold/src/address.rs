//! Where to connect or to listen, as people write it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::net::{SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};

use socket2::SockAddr;

use crate::dial::{Dial, Purpose};
use crate::listener::Listener;
use crate::stream::Stream;

/// The permissions of the file of a socket, if nothing else is said: those of this user alone.
const PRIVATE: u32 = 0o600;

/// The address of a socket.
///
/// | written | is |
/// |---|---|
/// | `host:port` | TCP; the host is a name or an IPv4 address |
/// | `[::1]:port` | TCP over IPv6 |
/// | `:port` | TCP at 127.0.0.1, to connect and to listen: a program listens to a network only if it says so |
/// | `tcp://` and one of these | the same |
/// | `tls://` and one of these | TLS over TCP (feature `tls`) |
/// | `unix:/path` | a unix socket |
/// | `unix:@name` | a unix socket in the abstract namespace, which has no file |
///
/// ```
/// use tenfold::Address;
///
/// let address: Address = ":10010".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:10010");
/// assert!("http://localhost".parse::<Address>().is_err());
/// # Ok::<(), tenfold::AddressError>(())
/// ```
///
/// Everything else is not an address. With port 0 the system chooses a free port to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A host by name or number (an IPv6 address without its brackets), and a port.
    Tcp {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// The same, over TLS.
    Tls {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a unix socket, or `@` and a name in the abstract namespace.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    problem: Cow<'static, str>,
}

impl Address {
    /// Understands an address; see the table above.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fail = |problem| AddressError {
            text: text.to_owned(),
            problem,
        };
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(fail("the path of the unix socket is missing".into()));
            }
            return Ok(Self::Unix(path.into()));
        }
        let (is_tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("tcp", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some((scheme, rest)) => return Err(fail(other_scheme(scheme, rest).into())),
        };
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| fail(without_port(rest).into()))?;
        let port = parse_port(port).ok_or_else(|| fail(not_a_port(port).into()))?;
        let host = parse_host(host).map_err(|problem| fail(problem.into()))?;
        let host = host.to_owned();
        Ok(if is_tls {
            Self::Tls { host, port }
        } else {
            Self::Tcp { host, port }
        })
    }

    /// Whether what is sent there is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }

    /// The same place over TLS. A unix socket stays what it is.
    #[must_use]
    pub fn over_tls(self) -> Self {
        match self {
            Self::Tcp { host, port } => Self::Tls { host, port },
            other => other,
        }
    }

    /// The TCP address that TLS uses; another address stays what it is.
    #[must_use]
    pub fn without_tls(self) -> Self {
        match self {
            Self::Tls { host, port } => Self::Tcp { host, port },
            other => other,
        }
    }

    /// Connects, within `time_out` where one is given. Where a name has several addresses, they are
    /// tried in turn. Over TLS the CAs of the system are trusted.
    pub fn connect_blocking(&self, time_out: Option<Duration>) -> io::Result<Stream> {
        connected(Dial::begin(self, None, Purpose::Stream, time_out)?)
    }

    /// [`connect_blocking`](Self::connect_blocking); if the address is one over TLS, then as the client says.
    #[cfg(feature = "_tls")]
    pub fn connect_as(
        &self,
        client: &crate::tls::Client,
        time_out: Option<Duration>,
    ) -> io::Result<Stream> {
        connected(Dial::begin(self, Some(client), Purpose::Stream, time_out)?)
    }

    /// [`connect_blocking`](Self::connect_blocking) to a hub; over TLS its protocol is offered.
    #[cfg(feature = "_tls")]
    pub fn connect_to_hub(
        &self,
        client: Option<&crate::tls::Client>,
        time_out: Option<Duration>,
    ) -> io::Result<Stream> {
        connected(Dial::begin(self, client, Purpose::Hub, time_out)?)
    }

    /// Listens at an address over TLS.
    #[cfg(feature = "_tls")]
    pub fn listen_as(&self, server: &crate::tls::Server) -> io::Result<Listener> {
        match self {
            Self::Tls { .. } => Listener::tls(&self.resolve()?, server),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{self} is not an address over TLS: tls://HOST:PORT is one"),
            )),
        }
    }

    /// Listens. To the file of a unix socket only its owner may connect, whatever the process's umask is.
    pub fn listen(&self) -> io::Result<Listener> {
        self.listen_with_mode(PRIVATE)
    }

    /// [`listen`](Self::listen); the file of a unix socket has these permissions (such as `0o660`)
    /// before the first peer can connect. To connect, a peer needs the permission to write.
    pub fn listen_with_mode(&self, mode: u32) -> io::Result<Listener> {
        match self {
            Self::Tcp { .. } => Listener::tcp(&self.resolve()?),
            Self::Tls { .. } => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "who listens for TLS needs a certificate and its key, and none was given",
            )),
            Self::Unix(path) => match abstract_name(path) {
                Some(_) => Listener::in_abstract_namespace(path),
                None => Listener::unix(path, mode),
            },
        }
    }

    /// The numeric addresses of a TCP address, with TLS or without; none of a unix one.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port } => match ipv6(host, *port) {
                Some(address) => Ok(vec![address?]),
                None => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
            },
            Self::Unix(_) => Ok(Vec::new()),
        }
    }
}

fn connected(dial: Dial) -> io::Result<Stream> {
    let stream = dial.wait()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The name of a socket in the abstract namespace: `@name`. A file of such a name is `./@name`.
fn abstract_name(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_bytes().strip_prefix(b"@")
}

/// How a name in the abstract namespace is written.
pub(crate) fn abstract_path(name: &[u8]) -> PathBuf {
    OsStr::from_bytes(&[b"@", name].concat()).into()
}

/// The path of a unix socket as the system takes it; the first byte of an abstract name is a NUL.
pub(crate) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    match abstract_name(path) {
        Some(name) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat())),
        None => SockAddr::unix(path),
    }
}

/// The address of a host that is an IPv6 address and so needs no lookup; `None` for any other host.
pub(crate) fn ipv6(host: &str, port: u16) -> Option<io::Result<SocketAddr>> {
    let parse = || format!("[{host}]:{port}").parse().map_err(io::Error::other);
    host.contains(':').then(parse)
}

/// What to write instead of an address with a scheme that is neither that of TCP nor that of TLS.
fn other_scheme(scheme: &str, rest: &str) -> String {
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:PORT")
    };
    if ["ssl", "tcps", "tcp+tls", "tls+tcp"].contains(&scheme) {
        return format!("write tls://{host}");
    }
    format!("{scheme} is not spoken here; write {host}, or tls://{host} for TLS")
}

fn without_port(text: &str) -> String {
    if parse_port(text).is_some() {
        return format!("write a port as :{text}");
    }
    "it has no port: host:port, :port or unix:/path is one".to_owned()
}

fn not_a_port(port: &str) -> String {
    let is_service = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_service {
        return format!("write the port of \"{port}\" as a number (/etc/services has many)");
    }
    format!("\"{port}\" is not a port (0 to 65535)")
}

/// Digits and nothing else.
fn parse_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn parse_host(text: &str) -> Result<&str, &'static str> {
    if text.is_empty() {
        return Ok("127.0.0.1");
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let is_ipv6 = SocketAddrV6::from_str(&format!("{text}:0")).is_ok();
        return is_ipv6
            .then_some(inside)
            .ok_or("what is in the brackets is not an IPv6 address");
    }
    if text.contains(':') {
        return Err("an IPv6 address is written in brackets: [::1]:port");
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if text.bytes().all(is_name) {
        Ok(text)
    } else {
        Err("the host is neither a name nor an IP address")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let port = address.port();
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) if address.scope_id() == 0 => address.ip().to_string(),
            SocketAddr::V6(address) => format!("{}%{}", address.ip(), address.scope_id()),
        };
        Self::Tcp { host, port }
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') {
        write!(f, "[{host}]:{port}")
    } else {
        write!(f, "{host}:{port}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write_place(f, host, *port),
            Self::Tls { host, port } => {
                f.write_str("tls://")?;
                write_place(f, host, *port)
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not an address: {}", self.text, self.problem)
    }
}

impl std::error::Error for AddressError {}
