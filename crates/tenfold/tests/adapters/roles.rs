//! A program says whether it connected or listened; whose bytes it reads follows from that.

use std::io::{Read, Write};

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use tenfold::{Framing, blocking};

use crate::wires::{Wire, pair};

/// Its sides differ from the first message on.
fn framing() -> Framing {
    "u8 // delim:\\n".parse().unwrap()
}

#[test]
fn a_program_that_connected_writes_as_the_client_and_reads_the_servers_bytes() {
    let (mut near, mut far) = pair(Wire::Unix);
    let mut writer = blocking::Writer::connecting(&mut near, &framing());
    writer.write(b"hello").unwrap();
    writer.flush().unwrap();
    let mut wire = [0; 6];
    far.read_exact(&mut wire).unwrap();
    assert_eq!(&wire, b"\x05hello");

    far.write_all(b"welcome\n").unwrap();
    let mut reader = blocking::Reader::connecting(near, &framing());
    assert_eq!(reader.message().unwrap(), Some(&b"welcome"[..]));
}

#[test]
fn a_program_that_listened_writes_as_the_server_and_reads_the_clients_bytes() {
    let (mut near, mut far) = pair(Wire::Tcp);
    let mut writer = blocking::Writer::listening(&mut near, &framing());
    writer.write(b"welcome").unwrap();
    writer.flush().unwrap();
    let mut wire = [0; 8];
    far.read_exact(&mut wire).unwrap();
    assert_eq!(&wire, b"welcome\n");

    far.write_all(b"\x05hello").unwrap();
    let mut reader = blocking::Reader::listening(near, &framing());
    assert_eq!(reader.message().unwrap(), Some(&b"hello"[..]));
}

#[::tokio::test]
async fn the_roles_are_the_same_over_tokio() {
    let (near, mut far) = ::tokio::io::duplex(100);
    let (mut read, mut write) = ::tokio::io::split(near);
    let mut wire = [0; 6];

    let mut writer = tenfold::asynchronous::Writer::connecting(&mut write, &framing());
    writer.write(b"hello").await.unwrap();
    writer.flush().await.unwrap();
    far.read_exact(&mut wire).await.unwrap();
    assert_eq!(&wire, b"\x05hello");

    let mut writer = tenfold::asynchronous::Writer::listening(&mut write, &framing());
    writer.write(b"hello").await.unwrap();
    writer.flush().await.unwrap();
    far.read_exact(&mut wire).await.unwrap();
    assert_eq!(&wire, b"hello\n");

    far.write_all(b"welcome\n\x03you").await.unwrap();
    let mut reader = tenfold::asynchronous::Reader::connecting(&mut read, &framing());
    assert_eq!(reader.message().await.unwrap(), Some(&b"welcome"[..]));
    let (read, decoder) = reader.into_parts();
    // What it had read on is for the next reader.
    let rest = AsyncReadExt::chain(decoder.rest(), read);
    let mut reader = tenfold::asynchronous::Reader::listening(rest, &framing());
    assert_eq!(reader.message().await.unwrap(), Some(&b"you"[..]));
}
