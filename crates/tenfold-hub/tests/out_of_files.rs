//! What happens without free file descriptors. In a file of its own, because the limit is the
//! whole process's.

mod common;

use std::os::fd::AsRawFd;

use common::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tenfold_hub::Options;
use tokio::net::TcpSocket;

#[tokio::test(flavor = "multi_thread")]
async fn accepting_goes_on_when_there_are_files_again() {
    let (broadcast, address) = start(Options::default());
    // Our own sockets are there before the files run out; the server's are not.
    let sockets: Vec<_> = (0..50).map(|_| TcpSocket::new_v4().unwrap()).collect();
    let highest = sockets.iter().map(AsRawFd::as_raw_fd).max().unwrap();
    let limit = getrlimit(Resource::Nofile);
    let low = Rlimit {
        current: Some(u64::try_from(highest).unwrap() + 10),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, low).unwrap();
    let mut clients = Vec::new();
    for socket in sockets {
        clients.push(socket.connect(address).await.unwrap());
    }
    until(&broadcast, |stats| stats.accept_errors > 0).await;
    setrlimit(Resource::Nofile, limit).unwrap();
    within(broadcast.wait_clients(clients.len())).await;
    broadcast.tail().append(block(0, 1, 20)).await.unwrap();
    let drained = tokio::spawn(broadcast.drain());
    for client in clients {
        assert_eq!(read_numbers(client).await, [0]);
    }
    within(drained).await.unwrap();
}
