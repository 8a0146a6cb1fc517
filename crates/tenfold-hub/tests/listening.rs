//! Listeners: TCP and unix, and what is left behind in the file system.

mod common;

use std::fs;
use std::net::TcpListener;

use common::*;
use tenfold_hub::{Broadcast, ListenError, Listener, Options};
use tokio::net::UnixStream;

#[tokio::test(flavor = "multi_thread")]
async fn tcp_and_unix_clients_get_the_same() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let listeners = [Listener::from(tcp), Listener::unix(&path).unwrap()];
    let broadcast = Broadcast::start(listeners, Options::default()).unwrap();
    let tcp = tokio::spawn(read_numbers(connect(address).await));
    let unix = tokio::spawn(read_numbers(UnixStream::connect(&path).await.unwrap()));
    broadcast.wait_clients(2).await;
    for first in 0..1000 {
        broadcast
            .tail()
            .append(block(first, 1, 3000))
            .await
            .unwrap();
    }
    within(broadcast.drain()).await;
    assert!(tcp.await.unwrap().into_iter().eq(0..1000));
    assert!(unix.await.unwrap().into_iter().eq(0..1000));
    assert!(!path.exists(), "the socket file is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_unix_client_that_closes_is_freed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let broadcast = Broadcast::start([Listener::unix(&path).unwrap()], Options::default()).unwrap();
    let client = UnixStream::connect(&path).await.unwrap();
    broadcast.wait_clients(1).await;
    drop(client);
    until(&broadcast, |stats| stats.clients == 0).await;
}

#[test]
fn the_socket_file_of_a_dead_server_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    // The standard library's listener leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::unix(&path).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let _first = Listener::unix(&path).unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::InUse(_))));
    assert!(path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notes.txt");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(
        Listener::unix(&path),
        Err(ListenError::NotASocket(_))
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_file_that_another_server_has_put_there_is_not_removed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let first = Listener::unix(&path).unwrap();
    fs::rename(&path, place.path().join("moved")).unwrap();
    let _second = Listener::unix(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_over_the_limit_wait_for_a_place() {
    let mut options = Options::default();
    options.max_clients = 2;
    let (broadcast, address) = start(options);
    let first = connect(address).await;
    let _second = connect(address).await;
    broadcast.wait_clients(2).await;
    let mut third = connect(address).await;
    broadcast.tail().append(block(0, 1, 20)).await.unwrap();
    socket2::SockRef::from(&first)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(first);
    until(&broadcast, |stats| stats.clients_total == 3).await;
    broadcast.tail().append(block(1, 1, 20)).await.unwrap();
    assert_eq!(read_messages(&mut third, 1, 20).await, [1]);
}
