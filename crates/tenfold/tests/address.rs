//! Addresses as people write them, and the sockets behind them.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tenfold::Address;

const PATIENT: Option<Duration> = Some(Duration::from_secs(30));

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn an_address_is_read_and_printed() {
    for (text, address, printed) in [
        ("localhost:80", tcp("localhost", 80), "localhost:80"),
        ("127.0.0.1:0", tcp("127.0.0.1", 0), "127.0.0.1:0"),
        (":10010", tcp("127.0.0.1", 10010), "127.0.0.1:10010"),
        ("[::1]:65535", tcp("::1", 65535), "[::1]:65535"),
        ("[fe80::1%3]:1", tcp("fe80::1%3", 1), "[fe80::1%3]:1"),
        (
            "tcp://a-b.example:7",
            tcp("a-b.example", 7),
            "a-b.example:7",
        ),
        ("tcp://:7", tcp("127.0.0.1", 7), "127.0.0.1:7"),
        (
            "tls://a.example:7",
            tcp("a.example", 7).over_tls(),
            "tls://a.example:7",
        ),
        ("tls://[::1]:7", tcp("::1", 7).over_tls(), "tls://[::1]:7"),
        (
            "unix:/run/x y",
            Address::Unix("/run/x y".into()),
            "unix:/run/x y",
        ),
    ] {
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string(), printed);
        assert_eq!(Address::parse(printed), Ok(address));
    }
}

#[test]
fn an_address_over_tls_is_that_of_tcp_and_more() {
    let plain = tcp("a.example", 7);
    let secure = plain.clone().over_tls();
    assert!(secure.is_tls() && !plain.is_tls());
    assert_eq!(secure.clone().over_tls(), secure);
    assert_eq!(secure.without_tls(), plain);
    let unix = Address::Unix("/run/x".into());
    assert_eq!(unix.clone().over_tls(), unix);
}

#[test]
fn everything_else_is_not_an_address_and_the_error_says_why() {
    for (text, why) in [
        ("", "no port"),
        ("-", "no port"),
        ("messages.frames", "no port"),
        ("localhost", "no port"),
        ("localhost:", "\"\" is not a port"),
        ("localhost:http", "as a number"),
        ("5000", "write a port as :5000"),
        ("tls://a.example", "no port"),
        ("tls://a:b:1", "brackets"),
        ("ssl://a.example:443", "write tls://a.example:443"),
        ("localhost:+80", "\"+80\" is not a port"),
        ("localhost:65536", "\"65536\" is not a port"),
        ("::1:80", "brackets"),
        ("[::1]", "\"1]\" is not a port"),
        ("[localhost]:80", "not an IPv6 address"),
        ("./directory:80", "neither a name nor an IP address"),
        (
            "http://host:80/path",
            "http is not spoken here; write host:80, or tls://host:80 for TLS",
        ),
        ("unix:", "path"),
    ] {
        let error = Address::parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("\"{text}\" is not an address: ")),
            "{error}"
        );
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_port_that_the_system_chose_is_told() {
    let listener = Address::parse(":0").unwrap().listen().unwrap();
    let address = listener.local_address().unwrap();
    assert!(matches!(&address, Address::Tcp { host, port: 1.. } if host == "127.0.0.1"));
    let mut near = address.connect_blocking(PATIENT).unwrap();
    let mut far = listener.accept().unwrap();
    near.write_all(b"through").unwrap();
    drop(near);
    let mut received = String::new();
    far.read_to_string(&mut received).unwrap();
    assert_eq!(received, "through");
}

#[test]
fn a_name_is_tried_at_all_of_its_addresses() {
    // Where `localhost` is ::1 first, nobody listens there.
    let listener = Address::parse("127.0.0.1:0").unwrap().listen().unwrap();
    let Address::Tcp { port, .. } = listener.local_address().unwrap() else {
        unreachable!();
    };
    tcp("localhost", port).connect_blocking(PATIENT).unwrap();
}

#[test]
fn nobody_there_is_refused() {
    // The port is taken, so that nobody else can come to listen there.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let address = Address::from(address);
    for time_out in [None, PATIENT] {
        let error = address.connect_blocking(time_out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_port_can_be_listened_at_again_at_once() {
    let listener = Address::parse(":0").unwrap().listen().unwrap();
    let address = listener.local_address().unwrap();
    let near = address.connect_blocking(PATIENT).unwrap();
    // The side that closes first is the one that keeps the port busy for a while.
    drop(listener.accept().unwrap());
    drop(listener);
    drop(near);
    address.listen().unwrap();
}

fn unix(directory: &Path) -> Address {
    Address::Unix(directory.join("socket"))
}

#[test]
fn a_name_in_the_abstract_namespace_has_no_file_and_is_free_again_at_once() {
    let address: Address = format!("unix:@tenfold-test-{}", std::process::id())
        .parse()
        .unwrap();
    for _ in 0..2 {
        let listener = address.listen().unwrap();
        assert_eq!(listener.local_address().unwrap(), address);
        assert_eq!(address.listen().unwrap_err().kind(), ErrorKind::AddrInUse);
        let mut near = address.connect_blocking(PATIENT).unwrap();
        near.write_all(b"hello").unwrap();
        drop(near);
        let mut received = String::new();
        listener
            .accept()
            .unwrap()
            .read_to_string(&mut received)
            .unwrap();
        assert_eq!(received, "hello");
    }
    let error = address.connect_blocking(PATIENT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_socket_file_is_removed_with_its_listener() {
    let directory = tempfile::tempdir().unwrap();
    let address = unix(directory.path());
    let listener = address.listen().unwrap();
    assert_eq!(listener.local_address().unwrap(), address);
    address.connect_blocking(PATIENT).unwrap();
    drop(listener);
    assert!(!directory.path().join("socket").exists());
}

#[test]
fn a_socket_file_that_was_taken_is_removed_when_its_new_owner_drops_it() {
    let directory = tempfile::tempdir().unwrap();
    let address = unix(directory.path());
    let mut listener = address.listen().unwrap();
    let file = listener.take_socket_file().unwrap();
    assert!(listener.take_socket_file().is_none());
    assert_eq!(listener.local_address().unwrap(), address);
    drop(listener);
    assert!(directory.path().join("socket").exists());
    drop(file);
    assert!(!directory.path().join("socket").exists());
}

#[test]
fn a_socket_file_that_was_left_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(directory.path().join("socket")).unwrap());
    let listener = unix(directory.path()).listen().unwrap();
    unix(directory.path()).connect_blocking(PATIENT).unwrap();
    drop(listener);
}

#[test]
fn a_socket_where_somebody_listens_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = unix(directory.path()).listen().unwrap();
    let error = unix(directory.path()).listen().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("another process listens at"));
    unix(directory.path()).connect_blocking(PATIENT).unwrap();
    drop(first);
}

#[test]
fn a_file_that_is_not_a_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    fs::write(&path, "precious").unwrap();
    let error = unix(directory.path()).listen().unwrap_err();
    assert!(error.to_string().contains("is not a socket"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_socket_file_of_somebody_else_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = unix(directory.path()).listen().unwrap();
    // Another server takes the name over, as careless ones do.
    let other = UnixListener::bind(directory.path().join("other")).unwrap();
    fs::rename(directory.path().join("other"), &path).unwrap();
    drop(listener);
    assert!(path.exists());
    drop(other);
}

#[test]
fn a_unix_listener_with_a_full_backlog_does_not_hang_a_connection_with_a_time_out() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
    SockRef::from(&listener).listen(0).unwrap();
    let address = unix(directory.path());
    let mut waiting = Vec::new();
    let error = loop {
        match address.connect_blocking(Some(Duration::from_millis(20))) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
