//! An end that arrives.

use std::io::{Read, Write};
use std::thread;

use tenfold::{Framing, blocking, closing};

use crate::script::bytes;
use crate::wires::{Wire, pair};

#[test]
fn what_was_sent_arrives_although_input_was_not_read() {
    let framing = Framing::default();
    for wire in [Wire::Tcp, Wire::Unix] {
        let (near, mut far) = pair(wire);
        far.write_all(&bytes(100_000)).unwrap();
        let closing = thread::spawn(move || {
            let mut writer = blocking::Writer::listening(&near, &Framing::default());
            writer.write(&bytes(2_000_000)).unwrap();
            writer.flush().unwrap();
            closing::finish(&near).unwrap();
        });
        let mut reader = blocking::Reader::connecting(far, &framing);
        assert!(reader.message().unwrap() == Some(&bytes(2_000_000)));
        assert!(reader.message().unwrap().is_none());
        drop(reader);
        closing.join().unwrap();
    }
}

#[test]
fn a_peer_that_goes_on_sending_is_left_in_the_end() {
    let (near, far) = pair(Wire::Tcp);
    let sending = thread::spawn(move || {
        let mut far = far;
        while far.write_all(&[0; 10_000]).is_ok() {}
    });
    assert!(!closing::finish(&near).unwrap());
    drop(near);
    sending.join().unwrap();
}

#[test]
fn a_peer_that_is_gone_is_not_a_failure() {
    for wire in [Wire::Tcp, Wire::Unix] {
        let (near, far) = pair(wire);
        drop(far);
        assert!(closing::finish(&near).unwrap());
        assert_eq!((&near).read(&mut [0]).unwrap(), 0);
    }
}

/// The near end of a link in memory, for programs with a runtime.
struct Link(tokio::io::DuplexStream);

impl closing::Discard for Link {
    async fn discard(&mut self) -> std::io::Result<Option<usize>> {
        let n = tokio::io::AsyncReadExt::read(&mut self.0, &mut [0; 4096]).await?;
        Ok((n > 0).then_some(n))
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_runtime_the_wait_for_the_peers_end_has_the_same_bounds() {
    let (near, far) = tokio::io::duplex(64);
    let wait = tokio::spawn(closing::until_peer_ends(Link(near)));
    drop(far);
    assert!(wait.await.unwrap().unwrap(), "the peer has ended");

    let (near, far) = tokio::io::duplex(64);
    let before = tokio::time::Instant::now();
    assert!(!closing::until_peer_ends(Link(near)).await.unwrap());
    let waited = before.elapsed();
    let moment = std::time::Duration::from_millis(10);
    assert!(
        waited >= closing::WAIT && waited < closing::WAIT + moment,
        "the peer was silent for {waited:?}"
    );
    drop(far);

    let (near, far) = tokio::io::duplex(64);
    let wait = tokio::spawn(closing::until_peer_ends(Link(near)));
    tokio::task::yield_now().await;
    tokio::time::advance(60 * closing::WAIT).await;
    tokio::time::sleep(closing::WAIT / 2).await;
    drop(far);
    assert!(
        wait.await.unwrap().unwrap(),
        "the process was stopped while the peer ended"
    );

    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while let Ok(n) = tokio::io::AsyncWriteExt::write(&mut far, &[0; 4096]).await {
            sent += n;
        }
        sent
    });
    assert!(!closing::until_peer_ends(Link(near)).await.unwrap());
    let sent = sending.await.unwrap();
    let bounds = closing::DISCARD..2 * closing::DISCARD;
    assert!(bounds.contains(&sent), "{sent}");
}
