//! Connections over TLS: messages, ends, time-outs, and peers that do not speak it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tenfold::blocking::{Reader, Writer};
use tenfold::tls::rustls::pki_types::ServerName;
use tenfold::tls::rustls::{ClientConnection, StreamOwned};
use tenfold::tls::{Client, ClientOptions, Server};
use tenfold::{Address, Framing, Listener, ReadError, Stream, closing};

use crate::authority::{Authority, Files, trusting};

/// Longer than anything takes, unless it never happens.
const BOUND: Option<Duration> = Some(Duration::from_secs(30));

fn listen(server: &Server) -> (Listener, Address) {
    let listener = "tls://127.0.0.1:0"
        .parse::<Address>()
        .unwrap()
        .listen_as(server)
        .unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

fn pair(server: &Server, client: &Client) -> (Stream, Stream) {
    let (listener, address) = listen(server);
    thread::scope(|scope| {
        let accepting = scope.spawn(|| {
            let stream = listener.accept().unwrap();
            let Stream::Tls(tls) = &stream else {
                unreachable!()
            };
            tls.shake_hands().unwrap();
            stream
        });
        let connected = address.connect_as(client, BOUND).unwrap();
        (connected, accepting.join().unwrap())
    })
}

#[test]
fn messages_of_all_sizes_go_both_ways_at_once() {
    let (server, client) = trusting();
    let (near, far) = pair(&server, &client);
    let messages: Vec<Vec<u8>> = [0, 1, 100, 16_384, 16_385, 70_000, 3_000_000]
        .iter()
        .map(|&length| (0..=250).cycle().take(length).collect())
        .collect();
    let framing = Framing::default();
    let write = |stream: &Stream, mut writer: Writer<Stream>| {
        for message in &messages {
            writer.write(message).unwrap();
        }
        writer.flush().unwrap();
        closing::end_writing(stream).unwrap();
    };
    let read = |mut reader: Reader<Stream>| {
        for message in &messages {
            assert!(reader.message().unwrap().unwrap() == message);
        }
        assert_eq!(reader.message().unwrap(), None);
    };
    let copy = |stream: &Stream| stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| write(&near, Writer::connecting(copy(&near), &framing)));
        scope.spawn(|| write(&far, Writer::listening(copy(&far), &framing)));
        scope.spawn(|| read(Reader::connecting(copy(&near), &framing)));
        scope.spawn(|| read(Reader::listening(copy(&far), &framing)));
    });
}

#[test]
fn one_record_is_pending_where_the_peer_takes_nothing() {
    let (server, client) = trusting();
    let (mut near, mut far) = pair(&server, &client);
    near.set_nonblocking(true).unwrap();
    let block = [7; 16 * 1024];
    let mut written = 0;
    loop {
        match near.write(&block) {
            Ok(n) => written += n,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    assert!(near.owes());
    assert_eq!(near.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).map(|_| bytes)
    });
    near.set_nonblocking(false).unwrap();
    near.flush().unwrap();
    assert!(!near.owes());
    closing::finish(&near).unwrap();
    assert_eq!(reading.join().unwrap().unwrap().len(), written);
}

#[test]
fn a_read_that_finds_nothing_in_time_loses_nothing() {
    let (server, client) = trusting();
    let (mut near, mut far) = pair(&server, &client);
    near.set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let mut buffer = [0; 100];
    assert_eq!(
        near.read(&mut buffer).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    far.write_all(b"here").unwrap();
    near.set_read_timeout(BOUND).unwrap();
    assert_eq!(near.read(&mut buffer[..1]).unwrap(), 1);
    assert!(
        near.is_readable(),
        "the rest of the record is there already"
    );
    assert_eq!(near.read(&mut buffer).unwrap(), 3);
    assert!(!near.is_readable());
}

/// What a publisher sends, record by record, as it is on the wire after the handshake.
fn encrypted(stream: &mut StreamOwned<ClientConnection, TcpStream>, end: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    for record in [
        &b"5         hel"[..],
        b"lo",
        b"5         world3         end",
    ] {
        stream.conn.writer().write_all(record).unwrap();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut wire).unwrap();
        }
    }
    if end {
        stream.conn.send_close_notify();
        stream.conn.write_tls(&mut wire).unwrap();
    }
    wire
}

/// A client that is done with the handshake.
fn raw_client(address: &Address, client: &Client) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(address.clone().without_tls().to_string()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(client.config()), name).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

#[test]
fn an_end_at_any_byte_without_close_notify_is_a_cut_after_the_whole_messages() {
    let (server, client) = trusting();
    let (listener, address) = listen(&server);
    let mut ends = Vec::new();
    for cut in 0.. {
        let sending = {
            let (address, client) = (address.clone(), client.clone());
            thread::spawn(move || {
                let mut stream = raw_client(&address, &client);
                let wire = encrypted(&mut stream, true);
                let cut = wire.len().min(cut);
                stream.sock.write_all(&wire[..cut]).unwrap();
                stream.sock.shutdown(Shutdown::Write).unwrap();
                // The other side has everything when it has ended.
                let _ = stream.sock.read_to_end(&mut Vec::new());
                cut == wire.len()
            })
        };
        let accepted = listener.accept().unwrap();
        accepted.set_read_timeout(BOUND).unwrap();
        let mut reader = Reader::listening(accepted, &Framing::default());
        let mut messages = 0;
        let end = loop {
            match reader.message() {
                Ok(Some(_)) => messages += 1,
                end => break end.map(|_| ()),
            }
        };
        drop(reader);
        let is_whole = sending.join().unwrap();
        match end {
            Ok(()) => assert!(is_whole, "cut after {cut} bytes"),
            Err(ReadError::Io(error)) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
                assert!(
                    error.to_string().starts_with("the connection was cut"),
                    "{error}"
                );
            }
            Err(other) => panic!("cut after {cut} bytes: {other}"),
        }
        ends.push(messages);
        if is_whole {
            break;
        }
    }
    assert!(ends.is_sorted(), "{ends:?}");
    assert_eq!(ends.first(), Some(&0));
    // The second record completes the first message, the third has two more.
    for messages in [1, 3] {
        assert!(ends.contains(&messages), "{ends:?}");
    }
    assert!(!ends.contains(&2), "a record comes as a whole: {ends:?}");
}

#[test]
fn who_does_not_speak_tls_is_told_apart_from_who_does() {
    let (server, client) = trusting();
    // A client with TLS at a server without.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(plain.local_addr().unwrap()).over_tls();
    let answering = thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(b"5         hello").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let words = address.connect_as(&client, BOUND).unwrap_err().to_string();
    assert!(words.starts_with("what it sends is not TLS"), "{words}");
    answering.join().unwrap();
    // A client without TLS at a server with.
    let (listener, address) = listen(&server);
    let mut near = address.without_tls().connect_blocking(BOUND).unwrap();
    near.write_all(b"5         hello").unwrap();
    let words = listener
        .accept()
        .unwrap()
        .read(&mut [0; 10])
        .unwrap_err()
        .to_string();
    assert!(words.starts_with("what it sends is not TLS"), "{words}");
}

#[test]
fn a_peer_that_is_silent_or_sends_one_byte_is_given_five_seconds() {
    let (server, client) = trusting();
    thread::scope(|scope| {
        for bytes in [&b""[..], &[22]] {
            let server = &server;
            scope.spawn(move || {
                let (listener, address) = listen(server);
                let mut silent = address.without_tls().connect_blocking(BOUND).unwrap();
                silent.write_all(bytes).unwrap();
                let start = Instant::now();
                let error = listener.accept().unwrap().read(&mut [0; 10]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                assert!(start.elapsed() > Duration::from_secs(4));
            });
        }
        scope.spawn(|| {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = Address::from(silent.local_addr().unwrap()).over_tls();
            let time = Some(Duration::from_millis(100));
            let error = address.connect_as(&client, time).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        });
    });
}

#[test]
fn what_is_wrong_with_a_servers_certificate_is_the_error_of_the_connection() {
    let (server, _) = trusting();
    let files = Files::new();
    let other = Authority::new("another");
    let client = ClientOptions::new()
        .ca(files.ca("ca", &other))
        .load()
        .unwrap();
    let (listener, address) = listen(&server);
    let accepting = thread::spawn(move || listener.accept().unwrap().read(&mut [0; 1]));
    let words = address.connect_as(&client, BOUND).unwrap_err().to_string();
    assert!(
        words.starts_with("its certificate is not from a CA that is trusted here"),
        "{words}"
    );
    let words = accepting.join().unwrap().unwrap_err().to_string();
    assert_eq!(
        words,
        "it does not trust the CA of the certificate that it was shown"
    );
}

#[test]
fn who_listens_over_tls_needs_a_certificate_and_an_address_over_tls() {
    let (server, _) = trusting();
    let secure: Address = "tls://127.0.0.1:0".parse().unwrap();
    assert!(
        secure
            .listen()
            .unwrap_err()
            .to_string()
            .contains("needs a certificate")
    );
    let plain: Address = "127.0.0.1:0".parse().unwrap();
    let words = plain.listen_as(&server).unwrap_err().to_string();
    assert!(
        words.contains("127.0.0.1:0 is not an address over TLS"),
        "{words}"
    );
    let (_listener, address) = listen(&server);
    assert!(address.to_string().starts_with("tls://127.0.0.1:"));
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use tenfold::asynchronous::{Reader, TlsStream, Writer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_go_both_ways_in_a_runtime_and_end_with_close_notify() {
        let (server, client) = trusting();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::from(listener.local_addr().unwrap()).over_tls();
        let large = vec![7; 1_000_000];
        let expected = large.clone();
        let serving = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let stream = TlsStream::accept(socket, &server).await.unwrap();
            let (input, output) = tokio::io::split(stream);
            let mut reader = Reader::listening(input, &Framing::default());
            let mut writer = Writer::listening(output, &Framing::default());
            while let Some(message) = reader.message().await.unwrap() {
                writer.write(message).await.unwrap();
            }
            writer.flush().await.unwrap();
            writer.get_mut().shutdown().await.unwrap();
        });
        let stream = TlsStream::connect(&address, &client).await.unwrap();
        let (input, output) = tokio::io::split(stream);
        let sending = tokio::spawn(async move {
            let mut writer = Writer::connecting(output, &Framing::default());
            for _ in 0..5 {
                writer.write(&large).await.unwrap();
                writer.write(b"small").await.unwrap();
            }
            writer.flush().await.unwrap();
            writer.get_mut().shutdown().await.unwrap();
        });
        let mut reader = Reader::connecting(input, &Framing::default());
        for _ in 0..5 {
            assert!(reader.message().await.unwrap().unwrap() == expected);
            assert_eq!(reader.message().await.unwrap().unwrap(), b"small");
        }
        assert_eq!(reader.message().await.unwrap(), None);
        sending.await.unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_cut_is_an_error_in_a_runtime_as_well() {
        let (server, client) = trusting();
        let (listener, address) = listen(&server);
        let sending = thread::spawn(move || {
            let mut stream = raw_client(&address, &client);
            let wire = encrypted(&mut stream, false);
            stream.sock.write_all(&wire).unwrap();
        });
        let Stream::Tls(accepted) = listener.accept().unwrap() else {
            unreachable!()
        };
        let mut stream = TlsStream::from_blocking(accepted).unwrap();
        let mut bytes = Vec::new();
        let error = stream.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(bytes, b"5         hello5         world3         end");
        sending.join().unwrap();
    }

    #[tokio::test]
    async fn a_write_of_nobody_who_reads_waits_and_goes_on() {
        let (server, client) = trusting();
        let (near, mut far) = pair(&server, &client);
        let Stream::Tls(near) = near else {
            unreachable!()
        };
        let mut near = TlsStream::from_blocking(near).unwrap();
        let block = vec![1; 64 * 1024];
        let mut written = 0;
        while let Ok(n) = tokio::time::timeout(Duration::from_millis(200), near.write(&block)).await
        {
            written += n.unwrap();
        }
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).map(|_| bytes)
        });
        near.flush().await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(reading.join().unwrap().unwrap().len(), written);
    }
}
