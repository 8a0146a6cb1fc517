//! Listeners, TCP and unix, under one broadcast.

mod common;

use std::net::TcpListener;
use std::path::Path;

use common::*;
use tenfold::{Address, Listener};
use tenfold_hub::{Broadcast, Options};
use tokio::net::UnixStream;

fn unix(path: &Path) -> Listener {
    Address::Unix(path.to_owned()).listen().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_and_unix_clients_get_the_same() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let listeners = [Listener::from(tcp), unix(&path)];
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
    let broadcast = Broadcast::start([unix(&path)], Options::default()).unwrap();
    let client = UnixStream::connect(&path).await.unwrap();
    broadcast.wait_clients(1).await;
    drop(client);
    until(&broadcast, |stats| stats.clients == 0).await;
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
