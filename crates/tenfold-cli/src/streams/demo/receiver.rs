//! The receivers of the demo.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;

use tenfold::{Decoder, Event, Framing};

/// Reads a stream in its own way, and reports each message.
pub(super) struct Receiver {
    name: char,
    /// Bytes that it asks for with each read.
    at_once: usize,
    report: Sender<Report>,
}

/// What a receiver has to tell.
pub(super) enum Report {
    Message(Arrival),
    Ended(char, Result<(), String>),
}

/// A message that has arrived.
pub(super) struct Arrival {
    pub(super) receiver: char,
    pub(super) message: Vec<u8>,
    /// How many reads it took since the message before.
    pub(super) reads: u32,
}

impl Receiver {
    /// Takes the bytes that have come.
    pub(super) fn greedy(report: Sender<Report>) -> Self {
        Self {
            name: 'A',
            at_once: 64 * 1024,
            report,
        }
    }

    /// Takes little at a time, so that a message is cut in pieces, and sometimes its header too.
    pub(super) fn small(report: Sender<Report>) -> Self {
        Self {
            name: 'B',
            at_once: 16,
            report,
        }
    }

    /// Connects and goes on in the background.
    pub(super) fn connect(self, address: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(address)?;
        thread::spawn(move || {
            let end = self.receive(stream).map_err(|error| error.to_string());
            // It fails when the demo was cut short, because the other end is gone.
            let _ = self.report.send(Report::Ended(self.name, end));
        });
        Ok(())
    }

    fn receive(&self, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
        let mut decoder = Decoder::new(Framing::default().server());
        let mut bytes = vec![0; self.at_once];
        let mut reads = 0;
        loop {
            while let Some(event) = decoder.next_event()? {
                if let Event::Message(message) = event {
                    self.report.send(Report::Message(Arrival {
                        receiver: self.name,
                        message: message.to_vec(),
                        reads: std::mem::take(&mut reads),
                    }))?;
                }
            }
            match stream.read(&mut bytes)? {
                0 => break,
                n => decoder.feed(&bytes[..n]),
            }
            reads += 1;
        }
        decoder.finish();
        decoder.next_event()?;
        Ok(())
    }
}
