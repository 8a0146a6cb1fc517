//! Finding the other side of a connection.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use tenfold::tls::{Client, Server};
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
    options.tls.check(&[address])?;
    let client = options.tls.client(address)?;
    connect_patiently(
        address,
        client.as_ref(),
        options.retry,
        options.timeout,
        words,
    )
}

/// Connects, within `timeout` each time.
pub(crate) fn connect_patiently(
    address: &Address,
    client: Option<&Client>,
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
        let connected = match client {
            Some(client) => address.connect_as(client, most),
            None => address.connect_blocking(most),
        };
        let error = match connected {
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
            let hint = match (tls_hint(address, &error), retry) {
                (Some(hint), _) => hint,
                (None, None) => " (is it running? --retry waits for it)",
                (None, Some(_)) => "",
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

/// What to do when there is no connection to a hub.
pub(crate) fn hint_to_connect(server: &Address, error: &io::Error) -> &'static str {
    tls_hint(server, error).unwrap_or(" (is `tenfold serve` running?)")
}

/// What to do when it may be TLS on which the two sides do not agree.
pub(crate) fn tls_hint(address: &Address, error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::InvalidData => Some(
            " (--tls-ca FILE is whom to trust; --tls-cert FILE and --tls-key FILE are what to show)",
        ),
        // Whoever listens there may wait for something else than TLS.
        io::ErrorKind::TimedOut if address.is_tls() => {
            Some(" (if no TLS is spoken there, write the address without tls://)")
        }
        _ => None,
    }
}

/// Listens, and says where; `command` is what connects from another machine, as `send ADDR`.
pub(crate) fn listen(
    address: &Address,
    options: &PeerOptions,
    command: &str,
    words: &Words,
) -> Result<Listener, Failure> {
    options.tls.check(&[address])?;
    let server = options.tls.server(address, words)?;
    listen_as(server.as_ref(), address, &options.listening, command, words)
}

/// The same, over TLS if there is something to show.
pub(crate) fn listen_as(
    server: Option<&Server>,
    address: &Address,
    options: &ListenOptions,
    command: &str,
    words: &Words,
) -> Result<Listener, Failure> {
    let (listener, place) = bind_as(server, address, options)?;
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
    bind_as(None, address, options)
}

/// The same, over TLS if there is something to show.
pub(crate) fn bind_as(
    server: Option<&Server>,
    address: &Address,
    options: &ListenOptions,
) -> Result<(Listener, Address), Failure> {
    let failed = |error| cannot_listen(address, &error);
    let listener = match (server, options.socket_mode) {
        (Some(server), _) => address.listen_as(server),
        (None, Some(mode)) => address.listen_with_mode(mode),
        (None, None) => address.listen(),
    };
    let listener = listener.map_err(failed)?;
    let place = listener.local_address().map_err(failed)?;
    Ok((listener, place))
}

pub(crate) fn cannot_listen(address: &Address, error: &io::Error) -> Failure {
    let hint = match (address, error.kind()) {
        (Address::Tcp { .. } | Address::Tls { .. }, io::ErrorKind::AddrInUse) => {
            " (port 0 takes a free one)"
        }
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
    loop {
        if let Some(timeout) = timeout
            && !is_ready_within(listener.as_fd(), timeout).map_err(|error| cannot_accept(&error))?
        {
            return Err(Failure::TimedOut(format!(
                "nobody connected for {timeout:?} (--timeout)"
            )));
        }
        let stream = listener.accept().map_err(|error| cannot_accept(&error))?;
        let peer = peer_name(&stream);
        if let Stream::Tls(secure) = &stream
            && let Err(error) = secure.shake_hands()
        {
            words.note(format_args!("{peer}: {error}; waiting for the next"));
            continue;
        }
        words.detail(format_args!("{peer} connected"));
        return Ok((stream, peer));
    }
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
        if let Stream::Tls(secure) = &stream {
            let there = match timeout {
                Some(time) => secure.peek_within(time),
                None => secure.peek(),
            };
            match there {
                Ok(true) => return Ok((stream, peer)),
                // The first read waits once more, and says what is missing.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((stream, peer));
                }
                Ok(false) | Err(_) => {
                    went_away(&peer, words);
                    continue;
                }
            }
        }
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
        went_away(&peer, words);
    }
}

fn went_away(peer: &str, words: &Words) {
    words.note(format_args!(
        "{peer} went away before it had sent anything; waiting for the next"
    ));
}

fn cannot_accept(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot accept a connection: {error}"))
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
    let address = match stream {
        Stream::Tcp(stream) => stream.peer_addr(),
        Stream::Tls(stream) => stream.peer_addr(),
        Stream::Unix(_) => return "a process on the unix socket".to_owned(),
        _ => return "the peer".to_owned(),
    };
    address.map_or_else(
        |_| "a sender that has gone".to_owned(),
        |address| address.to_string(),
    )
}
