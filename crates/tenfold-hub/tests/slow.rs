//! Slow clients, under each policy.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use tenfold_hub::{ClientEvent, ClientReport, End, Observer, Options, WhenSlow};

/// More than the tail and the kernel's buffers hold together, in messages of 10 kB.
const MANY: u64 = 1000;

fn options(when_slow: WhenSlow) -> Options {
    let mut options = small_buffers();
    options.capacity = 100_000;
    options.when_slow = when_slow;
    options.drain = LONG;
    options
}

/// Collects what is reported about clients that have ended.
fn reports(options: &mut Options) -> Arc<Mutex<Vec<ClientReport>>> {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    options.observer = Observer::new(move |event| {
        if let ClientEvent::Ended(report) = event {
            sink.lock().unwrap().push(report);
        }
    });
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn skipping_drops_whole_messages_and_counts_each() {
    let mut options = options(WhenSlow::Skip);
    let reports = reports(&mut options);
    let (broadcast, address) = start(options);
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    for first in (0..MANY).step_by(5) {
        broadcast
            .tail()
            .append(block(first, 5, 10_000))
            .await
            .unwrap();
    }
    let drained = tokio::spawn(broadcast.drain());
    let got = read_numbers(client).await;
    let stats = within(drained).await.unwrap();
    assert!(got.is_sorted() && got.last() == Some(&(MANY - 1)));
    assert!(got.len() < 500, "most did not fit");
    assert_eq!(got.len() as u64 + stats.skipped, MANY);
    assert_eq!((stats.stalled, stats.closed_slow), (0, 0));
    let report = reports.lock().unwrap()[0];
    assert_eq!((report.end, report.torn), (End::Complete, false));
    assert_eq!(
        (report.messages, report.skipped),
        (got.len() as u64, stats.skipped)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_the_slow_client_on_a_frame_boundary() {
    let mut options = options(WhenSlow::Close);
    let reports = reports(&mut options);
    let (broadcast, address) = start(options);
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    for first in 0..MANY {
        broadcast
            .tail()
            .append(block(first, 1, 10_000))
            .await
            .unwrap();
    }
    let got = read_numbers(client).await;
    assert!(got.len() < 500 && got.iter().copied().eq(0..got.len() as u64));
    until(&broadcast, |stats| stats.clients == 0).await;
    assert_eq!(broadcast.stats().closed_slow, 1);
    assert_eq!(reports.lock().unwrap()[0].end, End::Slow);
    assert!(!reports.lock().unwrap()[0].torn);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_loses_nothing() {
    let (broadcast, address) = start(options(WhenSlow::Wait(LONG)));
    let client = connect(address).await;
    broadcast.wait_clients(1).await;
    let tail = broadcast.tail().clone();
    let source = tokio::spawn(async move {
        for first in 0..MANY {
            tail.append(block(first, 1, 10_000)).await.unwrap();
        }
    });
    // The source gets ahead by what fits somewhere, and then it is held.
    until(&broadcast, |stats| stats.messages > 8).await;
    assert!(!source.is_finished());
    let got = tokio::spawn(read_numbers(client));
    within(source).await.unwrap();
    let stats = within(broadcast.drain()).await;
    assert!(got.await.unwrap().into_iter().eq(0..MANY));
    assert_eq!((stats.skipped, stats.closed_slow), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_closing_the_client_in_the_way() {
    let (broadcast, address) = start(options(WhenSlow::Wait(Duration::from_secs(2))));
    let stopped = connect(address).await;
    let reader = tokio::spawn(read_numbers(connect(address).await));
    broadcast.wait_clients(2).await;
    for first in 0..MANY {
        within(broadcast.tail().append(block(first, 1, 10_000)))
            .await
            .unwrap();
    }
    let got = read_numbers(stopped).await;
    assert!(got.len() < 500 && got.iter().copied().eq(0..got.len() as u64));
    let stats = within(broadcast.drain()).await;
    assert_eq!(stats.closed_slow, 1);
    assert!(reader.await.unwrap().into_iter().eq(0..MANY));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_a_client_that_takes_nothing_is_cut_and_cannot_take_it_for_the_end() {
    let mut options = options(WhenSlow::Wait(LONG));
    options.capacity = 100_000_000;
    options.drain = Duration::from_millis(50);
    let reports = reports(&mut options);
    let (broadcast, address) = start(options);
    let stopped = connect(address).await;
    broadcast.wait_clients(1).await;
    broadcast
        .tail()
        .append(block(0, 1, 10_000_000))
        .await
        .unwrap();
    let stats = within(broadcast.drain()).await;
    assert_eq!((stats.stalled, stats.clients), (1, 0));
    let report = reports.lock().unwrap()[0];
    assert_eq!(
        (report.end, report.torn, report.messages),
        (End::Stalled, true, 0)
    );
    let (bytes, end) = read_to_end(stopped).await;
    assert!(end.is_err(), "a reset, not an end of stream");
    assert!(bytes.len() < 10_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_a_slow_client_that_keeps_reading_gets_everything() {
    let mut options = small_buffers();
    options.capacity = 100_000_000;
    let (broadcast, address) = start(options);
    let mut client = connect(address).await;
    broadcast.wait_clients(1).await;
    for first in 0..MANY {
        broadcast
            .tail()
            .append(block(first, 1, 10_000))
            .await
            .unwrap();
    }
    let drained = tokio::spawn(broadcast.drain());
    for first in 0..MANY {
        assert_eq!(read_messages(&mut client, 1, 10_000).await, [first]);
        tokio::task::yield_now().await;
    }
    assert!(read_numbers(client).await.is_empty());
    assert_eq!(within(drained).await.unwrap().delivered, MANY);
}
