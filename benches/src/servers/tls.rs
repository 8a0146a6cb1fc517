//! `tenfold serve` over TLS, with certificates of its own. A subscriber says hello, asks and reads the answer; after that
//! nobody decrypts what arrives, because the client is not what is measured: the bytes of the records are counted as if they
//! were messages (22 in at most 16 KiB are not).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use super::hub::Hub;
use super::{Arrivals, CHANNEL, Envelope, Server, Setup};
use crate::Result;
use crate::frames::{header, read_frame};
use crate::process::Process;

pub struct Tls {
    hub: Hub,
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Publishers come without TLS: subscribers are what is measured.
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let certificates = setup.file("certificates");
        if !certificates.exists() {
            let made = Command::new(&setup.tenfold)
                .args(["cert", "dev", "-q"])
                .arg(&certificates)
                .status()?;
            if !made.success() {
                return Err(format!("`tenfold cert dev` ended with {made}").into());
            }
        }
        let mut command = Command::new(&setup.tenfold);
        command
            .args(["serve", "-q", "--listen", "127.0.0.1:0"])
            .args(["--listen", "tls://127.0.0.1:0"])
            .arg("--tls-cert")
            .arg(certificates.join("server.pem"))
            .arg("--tls-key")
            .arg(certificates.join("server.key"))
            .args(setup.args(name));
        let (hub, addresses) = Hub::start_with(&mut command, setup)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificates.join("ca.pem"))?)?;
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            hub,
            address: *addresses.get(1).ok_or("the hub does not listen for TLS")?,
            config: Arc::new(config),
        })
    }

    /// Where it listens for TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of a client that believes the hub's certificate.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The same hub for clients without TLS.
    pub fn without_tls(&self) -> &Hub {
        &self.hub
    }

    /// A subscriber, when the hub has answered it.
    fn ask(&self) -> Result<Encrypted> {
        let mut socket = TcpStream::connect(self.address)?;
        let mut session = connect(&self.config)?;
        let mut stream = Stream::new(&mut session, &mut socket);
        let request = format!("SUBSCRIBE {CHANNEL} from=next");
        stream.write_all(&header(request.len()))?;
        stream.write_all(request.as_bytes())?;
        let answer = read_frame(&mut stream, 4096)?;
        if !answer.starts_with(b"OK ") {
            let answer = String::from_utf8_lossy(&answer);
            return Err(format!("the hub answered {request:?} with {answer:?}").into());
        }
        Ok(Encrypted { socket, session })
    }
}

/// A connection whose bytes are decrypted when they are read.
struct Encrypted {
    socket: TcpStream,
    session: ClientConnection,
}

impl AsFd for Encrypted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.session.read_tls(&mut self.socket)?;
            self.session
                .process_new_packets()
                .map_err(io::Error::other)?;
        }
    }
}

impl Arrivals for Encrypted {}

impl Server for Tls {
    fn process(&self) -> &Process {
        self.hub.process()
    }

    fn subscribe(&self) -> Result<TcpStream> {
        Ok(self.ask()?.socket)
    }

    fn receive(&self) -> Result<Box<dyn Arrivals>> {
        let connection = self.ask()?;
        connection.socket.set_nonblocking(true)?;
        Ok(Box::new(connection))
    }

    fn publish(&self) -> Result<TcpStream> {
        self.hub.publish()
    }

    fn sent(&self, size: usize) -> Envelope {
        self.hub.sent(size)
    }

    fn delivered(&self, size: usize) -> Envelope {
        self.hub.delivered(size)
    }

    fn has_headings(&self) -> bool {
        true
    }
}

/// A client's side, which has said nothing yet.
pub fn connect(config: &Arc<ClientConfig>) -> Result<ClientConnection> {
    let name = ServerName::try_from("localhost")?;
    Ok(ClientConnection::new(Arc::clone(config), name)?)
}
