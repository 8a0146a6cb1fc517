//! Time-outs of real sockets lose nothing, and tear nothing.

use std::io::Write;
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use tenfold::{Framing, ReadError, WriteError, blocking};

use crate::script::bytes;
use crate::wires::{Wire, pair};

/// The time-outs are meant to pass: as short as the system allows.
const SHORT: Option<Duration> = Some(Duration::from_millis(5));

#[test]
fn a_read_that_timed_out_goes_on_in_the_middle_of_a_header() {
    for wire in [Wire::Tcp, Wire::Unix] {
        let (mut near, far) = pair(wire);
        far.set_read_timeout(SHORT).unwrap();
        let mut reader = blocking::Reader::new(far, Framing::default().client());
        for part in ["5   ", "      ", "he"] {
            assert!(reader.message().unwrap_err().is_time_out());
            near.write_all(part.as_bytes()).unwrap();
        }
        assert!(reader.message().unwrap_err().is_time_out());
        near.write_all(b"llo").unwrap();
        let message = patiently(|| reader.message_owned());
        assert_eq!(message.as_deref(), Some(&b"hello"[..]));
        drop(near);
        assert_eq!(patiently(|| reader.message_owned()), None);
    }
}

/// The result that is not a time-out.
fn patiently<T>(mut call: impl FnMut() -> Result<T, ReadError>) -> T {
    loop {
        match call() {
            Err(error) if error.is_time_out() => {}
            result => return result.unwrap(),
        }
    }
}

#[test]
fn a_write_that_timed_out_is_repeated_and_nothing_is_torn() {
    for (wire, size) in [
        (Wire::Tcp, 1000),
        (Wire::Tcp, 300_000),
        (Wire::Unix, 40_000),
    ] {
        let (near, far) = pair(wire);
        near.set_write_timeout(SHORT).unwrap();
        SockRef::from(&near).set_send_buffer_size(10_000).unwrap();
        let mut writer = blocking::Writer::new(near, Framing::default().client());
        let message = bytes(size);
        let expected = message.clone();
        let mut accepted = 0;
        // Nobody reads, so that the socket is full some time.
        loop {
            match writer.write(&message) {
                Ok(()) => accepted += 1,
                Err(error) if error.is_time_out() => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(accepted > 0);
        assert!(writer.flush().unwrap_err().is_time_out());
        let reading = thread::spawn(move || {
            let mut reader = blocking::Reader::new(far, Framing::default().client());
            let mut received = Vec::new();
            while let Some(message) = reader.message().unwrap() {
                received.push(message == expected);
            }
            received
        });
        insist(|| writer.write(b"the last"));
        insist(|| writer.flush());
        drop(writer);
        let mut all = vec![true; accepted];
        all.push(false);
        assert_eq!(reading.join().unwrap(), all);
    }
}

fn insist(mut call: impl FnMut() -> Result<(), WriteError>) {
    while let Err(error) = call() {
        assert!(error.is_time_out(), "{error}");
    }
}
