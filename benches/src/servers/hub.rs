//! `tenfold serve`: requests and their answers are frames, and so is every message.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::{CHANNEL, Envelope, Server, Setup};
use crate::Result;
use crate::frames::{header, read_frame};
use crate::process::Process;

/// The longest answer that the hub's protocol allows.
const ANSWER: usize = 4096;

/// A hub that does not answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Hub {
    process: Process,
    address: SocketAddr,
    /// What a subscriber says.
    subscribe: String,
}

impl Hub {
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let mut command = Command::new(&setup.tenfold);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "-q"])
            .args(setup.args(name));
        Ok(Self::start_with(&mut command, setup)?.0)
    }

    /// By this command, whose first address is the hub's without TLS; and all addresses.
    pub fn start_with(command: &mut Command, setup: &Setup) -> Result<(Self, Vec<SocketAddr>)> {
        let (process, addresses) = Process::start_with_port_file(command, &setup.port_file())
            .map_err(|error| format!("{error}; --tenfold-bin says where `tenfold` is"))?;
        let hub = Self {
            process,
            address: *addresses.first().ok_or("the hub's port file is empty")?,
            subscribe: format!("SUBSCRIBE {CHANNEL} from=next"),
        };
        Ok((hub, addresses))
    }

    /// Its subscribers follow the channel as one of many.
    pub fn following(mut self) -> Self {
        self.subscribe = format!("FOLLOW {CHANNEL}* from=next");
        self
    }
}

impl Server for Hub {
    fn process(&self) -> &Process {
        &self.process
    }

    fn subscribe(&self) -> Result<TcpStream> {
        ask(self.address, &self.subscribe)
    }

    fn has_headings(&self) -> bool {
        self.subscribe.starts_with("FOLLOW ")
    }

    fn publish(&self) -> Result<TcpStream> {
        ask(self.address, &format!("PUBLISH {CHANNEL} acks=none"))
    }

    fn sent(&self, size: usize) -> Envelope {
        self.delivered(size)
    }

    fn delivered(&self, size: usize) -> Envelope {
        Envelope {
            before: header(size),
            after: b"",
        }
    }
}

/// Opens a connection with a request; returns when the hub has answered with OK.
fn ask(address: SocketAddr, request: &str) -> Result<TcpStream> {
    Ok(answer_to(address, request)?.1)
}

/// Opens a connection with a request; returns the hub's answer, which begins with OK, as well.
pub fn answer_to(address: SocketAddr, request: &str) -> Result<(String, TcpStream)> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut request_frame = [&header(request.len()), request.as_bytes()].concat();
    if request.starts_with("FOLLOW ") {
        // Its list of places is empty.
        request_frame.extend(header(0));
    }
    socket.write_all(&request_frame)?;
    let answer = read_frame(&socket, ANSWER)?;
    socket.set_read_timeout(None)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.starts_with("OK ") {
        Ok((answer, socket))
    } else {
        Err(format!("the hub answered {request:?} with {answer:?}").into())
    }
}

/// The number behind a key of an answer.
pub fn number_in(answer: &str, key: &str) -> Option<u64> {
    let fields = answer.split(' ').filter_map(|field| field.split_once('='));
    let mut values = fields.filter(|(name, _)| *name == key);
    values.next().and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What a client sends, and what follows the answer or is wrong with it.
    fn exchange(request: &'static str, answer: &[u8]) -> (Vec<u8>, Result<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut socket = ask(address, request).map_err(|error| error.to_string())?;
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).unwrap();
            Ok::<_, String>(rest)
        });
        let mut socket = listener.accept().unwrap().0;
        let mut sent = vec![0; 10 + request.len()];
        socket.read_exact(&mut sent).unwrap();
        socket.write_all(answer).unwrap();
        drop(socket);
        (sent, client.join().unwrap().map_err(Into::into))
    }

    #[test]
    fn messages_after_the_answer_stay_in_the_socket() {
        let (sent, rest) = exchange(
            "SUBSCRIBE ticks from=next",
            b"6         OK x=13         abc",
        );
        assert_eq!(sent, b"25        SUBSCRIBE ticks from=next");
        assert_eq!(rest.unwrap(), b"3         abc");
    }

    #[test]
    fn numbers_are_found_by_their_keys() {
        let answer = "OK status=ok version=0.1.0 batches=12 bytes=x";
        assert_eq!(number_in(answer, "batches"), Some(12));
        for key in ["batch", "status", "bytes"] {
            assert_eq!(number_in(answer, key), None, "{key}");
        }
    }

    #[test]
    fn an_error_is_an_error() {
        let (_, rest) = exchange("PUBLISH ticks acks=none", b"12        ERROR DENIED");
        assert!(rest.unwrap_err().to_string().contains("ERROR DENIED"));
    }
}
