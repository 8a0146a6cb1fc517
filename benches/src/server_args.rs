//! The flags that `engine` and `relay` share with `tenfold broadcast`.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

/// `--listen ADDR --port-file F --wait-clients N (FILE | --publisher)`
pub struct ServerArgs {
    pub listener: TcpListener,
    pub wait_clients: usize,
    pub source: Source,
    /// Further `--name value` pairs.
    pub rest: Vec<(String, String)>,
}

pub enum Source {
    File(PathBuf),
    /// The first connection to this listener sends the stream.
    Publisher(TcpListener),
}

impl ServerArgs {
    /// Parses, binds, and tells where in the port file: subscribers first, then the publisher.
    pub fn parse() -> io::Result<Self> {
        let mut listen = String::from("127.0.0.1:0");
        let (mut port_file, mut wait_clients, mut file, mut rest) = (None, 1, None, Vec::new());
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_default();
            match arg.as_str() {
                "--listen" => listen = value(),
                "--port-file" => port_file = Some(PathBuf::from(value())),
                "--wait-clients" => wait_clients = number(&value())?,
                "--in" => drop(value()),
                "--publisher" => {}
                name if name.starts_with("--") => rest.push((name.to_owned(), value())),
                path => file = Some(PathBuf::from(path)),
            }
        }
        let listener = TcpListener::bind(&listen)?;
        // Many clients connect at once.
        socket2::SockRef::from(&listener).listen(4096)?;
        let source = match file {
            Some(path) => Source::File(path),
            None => Source::Publisher(TcpListener::bind("127.0.0.1:0")?),
        };
        if let Some(path) = port_file {
            let mut lines = format!("{}\n", listener.local_addr()?);
            if let Source::Publisher(publisher) = &source {
                lines += &format!("{}\n", publisher.local_addr()?);
            }
            let temporary = path.with_extension("new");
            fs::write(&temporary, lines)?;
            fs::rename(&temporary, &path)?;
        }
        Ok(Self {
            listener,
            wait_clients,
            source,
            rest,
        })
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        let pair = self.rest.iter().find(|(given, _)| given == name);
        pair.map(|(_, value)| value.as_str())
    }

    pub fn number(&self, name: &str) -> io::Result<Option<usize>> {
        self.value(name).map(number).transpose()
    }
}

/// A whole number, where a bad one is an error of the command line.
pub fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("not a number: {text:?}"),
        )
    })
}

/// The addresses in a port file, once it is there.
pub fn read_port_file(path: &std::path::Path) -> io::Result<Vec<SocketAddr>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| {
            let address = line.split_once("://").map_or(line, |(_, address)| address);
            address.parse().map_err(io::Error::other)
        })
        .collect()
}
