//! What clients get, and that nothing any of them does changes what the others get.

mod common;

use std::net::Shutdown;
use std::time::Duration;

use common::*;
use socket2::SockRef;
use tenfold_hub::{Options, Start, WhenSlow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_everything_in_order_and_then_a_clean_end() {
    let (broadcast, address) = start(Options::default());
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(tokio::spawn(read_numbers(connect(address).await)));
    }
    broadcast.wait_clients(10).await;
    for first in (0..100_000).step_by(100) {
        broadcast
            .tail()
            .append(block(first, 100, 20))
            .await
            .unwrap();
    }
    let stats = within(broadcast.drain()).await;
    for client in clients {
        assert!(client.await.unwrap().into_iter().eq(0..100_000));
    }
    assert_eq!(stats.messages, 100_000);
    assert_eq!(stats.delivered, 1_000_000);
    assert_eq!(stats.bytes, 30_000_000);
    assert_eq!((stats.clients, stats.clients_total), (0, 10));
    assert_eq!((stats.stalled, stats.closed_slow, stats.skipped), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_clients_get_everything() {
    const CLIENTS: usize = 2000;
    tenfold_hub::raise_fd_limit().unwrap();
    let (broadcast, address) = start(Options::default());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(tokio::spawn(read_numbers(
            TcpStream::connect(address).await.unwrap(),
        )));
    }
    within(broadcast.wait_clients(CLIENTS)).await;
    for first in (0..1000).step_by(10) {
        broadcast
            .tail()
            .append(block(first, 10, 100))
            .await
            .unwrap();
    }
    within(broadcast.drain()).await;
    for client in clients {
        assert!(client.await.unwrap().into_iter().eq(0..1000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_starts_at_the_next_message() {
    let (broadcast, address) = start(Options::default());
    let mut early = connect(address).await;
    broadcast.wait_clients(1).await;
    broadcast.tail().append(block(0, 3, 20)).await.unwrap();
    assert_eq!(read_messages(&mut early, 3, 20).await, [0, 1, 2]);
    let late = connect(address).await;
    broadcast.wait_clients(2).await;
    broadcast.tail().append(block(3, 2, 20)).await.unwrap();
    let drained = tokio::spawn(broadcast.drain());
    assert_eq!(read_numbers(late).await, [3, 4]);
    assert_eq!(read_numbers(early).await, [3, 4]);
    within(drained).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_start_at_the_first_message_that_is_kept() {
    let mut options = small_buffers();
    options.start = Start::First;
    let (broadcast, address) = start(options);
    // What a client has not read is kept, so the second one gets at least that.
    let stopped = connect(address).await;
    broadcast.wait_clients(1).await;
    for first in 0..1000 {
        broadcast
            .tail()
            .append(block(first, 1, 10_000))
            .await
            .unwrap();
    }
    let late = tokio::spawn(read_numbers(connect(address).await));
    broadcast.wait_clients(2).await;
    let drained = tokio::spawn(broadcast.drain());
    assert!(read_numbers(stopped).await.into_iter().eq(0..1000));
    let late = late.await.unwrap();
    assert!(late.len() > 100 && late[0] > 0);
    assert!(late.iter().copied().eq(late[0]..1000));
    within(drained).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_welcome_comes_first() {
    let mut options = Options::default();
    options.welcome = welcome();
    let (broadcast, address) = start(options);
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    broadcast.tail().append(block(0, 2, 20)).await.unwrap();
    let drained = tokio::spawn(broadcast.drain());
    assert_eq!(read_numbers(client).await, [999, 0, 1]);
    assert_eq!(within(drained).await.unwrap().delivered, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_larger_than_the_tail_stands_alone() {
    let mut options = small_buffers();
    options.capacity = 1000;
    let (broadcast, address) = start(options);
    let clients: Vec<_> = [connect(address).await, connect(address).await]
        .map(|client| tokio::spawn(read_numbers(client)))
        .into();
    broadcast.wait_clients(2).await;
    for (first, size) in [
        (0, 100),
        (1, 5_000_000),
        (2, 100),
        (3, 3_000_000),
        (4, 3_000_000),
    ] {
        within(broadcast.tail().append(block(first, 1, size)))
            .await
            .unwrap();
    }
    within(broadcast.drain()).await;
    for client in clients {
        assert_eq!(client.await.unwrap(), [0, 1, 2, 3, 4]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_thread_can_append() {
    let mut options = small_buffers();
    options.capacity = 100_000;
    let (broadcast, address) = start(options);
    let client = tokio::spawn(read_numbers(connect(address).await));
    broadcast.wait_clients(1).await;
    let tail = broadcast.tail().clone();
    let source = std::thread::spawn(move || {
        for first in (0..100_000).step_by(100) {
            tail.append_blocking(block(first, 100, 90)).unwrap();
        }
    });
    assert!(
        within(tokio::task::spawn_blocking(|| source.join()))
            .await
            .unwrap()
            .is_ok()
    );
    within(broadcast.drain()).await;
    assert!(client.await.unwrap().into_iter().eq(0..100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_close_does_not_end_delivery() {
    let (broadcast, address) = start(Options::default());
    let mut client = connect(address).await;
    broadcast.wait_clients(1).await;
    client.shutdown().await.unwrap();
    for first in 0..100 {
        broadcast.tail().append(block(first, 1, 20)).await.unwrap();
        assert_eq!(read_messages(&mut client, 1, 20).await, [first]);
    }
    within(broadcast.drain()).await;
    assert!(read_numbers(client).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn input_is_thrown_away_and_does_not_reset_the_stream_at_the_end() {
    let (broadcast, address) = start(small_buffers());
    let mut client = connect(address).await;
    broadcast.wait_clients(1).await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    for first in (0..2000).step_by(10) {
        broadcast
            .tail()
            .append(block(first, 10, 1000))
            .await
            .unwrap();
    }
    let drained = tokio::spawn(broadcast.drain());
    client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    assert!(read_numbers(client).await.into_iter().eq(0..2000));
    within(drained).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_without_end_gets_its_messages_and_so_do_the_others() {
    let (broadcast, address) = start(Options::default());
    let noisy = TcpStream::connect(address).await.unwrap();
    let mut quiet = connect(address).await;
    broadcast.wait_clients(2).await;
    let (mut receive, mut send) = noisy.into_split();
    let sending = tokio::spawn(async move { while send.write_all(&[0; 4096]).await.is_ok() {} });
    for first in 0..1000 {
        broadcast
            .tail()
            .append(block(first, 1, 1000))
            .await
            .unwrap();
        assert_eq!(read_messages(&mut quiet, 1, 1000).await, [first]);
    }
    let mut bytes = vec![0; 1000 * 1010];
    within(receive.read_exact(&mut bytes)).await.unwrap();
    assert!(numbers(&bytes).0.into_iter().eq(0..1000));
    within(broadcast.drain()).await;
    within(sending).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_does_not_delay_one_that_does() {
    for when_slow in [WhenSlow::Close, WhenSlow::Skip] {
        let mut options = small_buffers();
        options.capacity = 100_000;
        options.when_slow = when_slow;
        options.drain = Duration::from_millis(1);
        let (broadcast, address) = start(options);
        let _stopped = connect(address).await;
        let mut reader = connect(address).await;
        broadcast.wait_clients(2).await;
        for first in 0..1000 {
            broadcast
                .tail()
                .append(block(first, 1, 10_000))
                .await
                .unwrap();
            assert_eq!(read_messages(&mut reader, 1, 10_000).await, [first]);
        }
        within(broadcast.drain()).await;
        assert!(read_numbers(reader).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_that_vanishes_is_freed() {
    let (broadcast, address) = start(Options::default());
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    until(&broadcast, |stats| stats.clients == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_after_a_half_close_is_freed_too() {
    let (broadcast, address) = start(Options::default());
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    SockRef::from(&client).shutdown(Shutdown::Write).unwrap();
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    until(&broadcast, |stats| stats.clients == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_while_it_is_behind_is_freed() {
    let (broadcast, address) = start(small_buffers());
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    broadcast
        .tail()
        .append(block(0, 1, 5_000_000))
        .await
        .unwrap();
    until(&broadcast, |stats| stats.bytes > 0).await;
    drop(client);
    until(&broadcast, |stats| stats.clients == 0).await;
    assert_eq!(broadcast.stats().delivered, 0);
}
