//! Finding the other side of a connection.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use tenfold::{Address, Listener, Stream};
use tenfold_hub::pause_after;

use crate::failure::Failure;
use crate::flow::input::is_ready_within;
use crate::flow::listening::listening;
use crate::flow::options::{ListenOptions, PeerOptions, Retry};
use crate::flow::port_file;
use crate::words::Words;

/// The first and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Connects, again and again if that is wanted.
pub(crate) fn connect(
    address: &Address,
    options: &PeerOptions,
    words: &Words,
) -> Result<Stream, Failure> {
    connect_patiently(address, options.retry, options.timeout, words)
}

/// Connects, within `timeout` each time.
pub(crate) fn connect_patiently(
    address: &Address,
    retry: Option<Retry>,
    timeout: Option<Duration>,
    words: &Words,
) -> Result<Stream, Failure> {
    let start = Instant::now();
    let mut pause = PAUSES.0;
    let mut told = false;
    loop {
        // The last attempt ends when the time of trying does.
        let most = match retry {
            Some(Retry::For(time)) => {
                let left = time.saturating_sub(start.elapsed()).max(PAUSES.0);
                Some(timeout.map_or(left, |timeout| timeout.min(left)))
            }
            None | Some(Retry::Forever) => timeout,
        };
        let error = match address.connect_blocking(most) {
            Ok(stream) => {
                words.detail(format_args!("connected to {address}"));
                return Ok(stream);
            }
            Err(error) => error,
        };
        let left = match retry {
            None => Duration::ZERO,
            Some(Retry::Forever) => Duration::MAX,
            Some(Retry::For(time)) => time.saturating_sub(start.elapsed()),
        };
        if left.is_zero() {
            let hint = if retry.is_none() {
                " (is it running? --retry waits for it)"
            } else {
                ""
            };
            return Err(Failure::Connect(format!(
                "cannot connect to {address}: {error}{hint}"
            )));
        }
        if !told {
            words.note(format_args!(
                "cannot connect to {address}: {error}; trying again"
            ));
            told = true;
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Listens, and says where; `command` is what connects from another machine, as `send ADDR`.
pub(crate) fn listen(
    address: &Address,
    options: &ListenOptions,
    command: &str,
    words: &Words,
) -> Result<Listener, Failure> {
    let (listener, place) = bind(address, options)?;
    words.note(listening(&place, command));
    if let Some(path) = &options.port_file {
        port_file::write(path, &[place])?;
    }
    Ok(listener)
}

/// Listens; the address is the one that peers can connect to.
pub(crate) fn bind(
    address: &Address,
    options: &ListenOptions,
) -> Result<(Listener, Address), Failure> {
    let failed = |error| cannot_listen(address, &error);
    let listener = match options.socket_mode {
        Some(mode) => address.listen_with_mode(mode),
        None => address.listen(),
    };
    let listener = listener.map_err(failed)?;
    let place = listener.local_address().map_err(failed)?;
    Ok((listener, place))
}

pub(crate) fn cannot_listen(address: &Address, error: &io::Error) -> Failure {
    let hint = match (address, error.kind()) {
        (Address::Tcp { .. }, io::ErrorKind::AddrInUse) => " (port 0 takes a free one)",
        _ => "",
    };
    Failure::Other(format!("cannot listen on {address}: {error}{hint}"))
}

/// Waits for one connection, with the patience of `--timeout`.
pub(crate) fn accept(
    listener: &Listener,
    timeout: Option<Duration>,
    words: &Words,
) -> Result<(Stream, String), Failure> {
    let failed = |error: io::Error| Failure::Other(format!("cannot accept a connection: {error}"));
    if let Some(timeout) = timeout
        && !is_ready_within(listener.as_fd(), timeout).map_err(failed)?
    {
        return Err(Failure::TimedOut(format!(
            "nobody connected for {timeout:?} (--timeout)"
        )));
    }
    let stream = listener.accept().map_err(failed)?;
    let peer = peer_name(&stream);
    words.detail(format_args!("{peer} connected"));
    Ok((stream, peer))
}

/// Waits for a connection that brings something, with the patience of `--timeout`. Who ends without having
/// sent a byte, as a probe does that only looks whether somebody listens, is not a sender.
pub(crate) fn accept_sender(
    listener: &Listener,
    timeout: Option<Duration>,
    words: &Words,
) -> Result<(Stream, String), Failure> {
    loop {
        let (stream, peer) = accept(listener, timeout, words)?;
        if let Some(timeout) = timeout
            && let Ok(false) = is_ready_within(stream.as_fd(), timeout)
        {
            // The first read waits once more, and says what is missing.
            return Ok((stream, peer));
        }
        if matches!(
            recv(&stream, &mut [0_u8; 1][..], RecvFlags::PEEK),
            Ok((1.., _))
        ) {
            return Ok((stream, peer));
        }
        words.note(format_args!(
            "{peer} went away before it had sent anything; waiting for the next"
        ));
    }
}

/// Waits for a connection. If the system refuses it, or the peer has gone already, that is said, and
/// after a pause the caller may try again.
pub(crate) fn accept_or_pause(listener: &Listener, words: &Words) -> Option<Stream> {
    match listener.accept() {
        Ok(stream) => Some(stream),
        Err(error) => {
            words.warning(format_args!("cannot accept a connection: {error}"));
            if let Some(pause) = pause_after(&error) {
                thread::sleep(pause);
            }
            None
        }
    }
}

/// What to call the peer of a connection.
pub(crate) fn peer_name(stream: &Stream) -> String {
    match stream {
        Stream::Tcp(stream) => match stream.peer_addr() {
            Ok(address) => address.to_string(),
            Err(_) => "a sender that has gone".to_owned(),
        },
        Stream::Unix(_) => "a process on the unix socket".to_owned(),
        _ => "the peer".to_owned(),
    }
}
