//! Which channel a connection finds, and what all channels keep together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenfold::protocol::Position;

use super::*;
use crate::block::Block;
use crate::channel::Role::{Publisher, Subscriber};
use crate::claim::Claim;

fn registry(change: impl FnOnce(&mut HubOptions)) -> Arc<Registry> {
    let mut options = HubOptions::default();
    change(&mut options);
    Arc::new(Registry::new(Epoch(7), Arc::new(Live::new(options))))
}

fn enter(registry: &Arc<Registry>, name: &str, role: Role) -> Result<Visit, Option<Code>> {
    let visit = registry.enter(&name.parse().unwrap(), role);
    visit.map_err(|refusal| refusal.code)
}

fn names(registry: &Registry) -> Vec<String> {
    let channels = registry.channels();
    let names = channels.iter().map(|channel| channel.name().as_str());
    names.map(str::to_owned).collect()
}

const TIME: SystemTime = UNIX_EPOCH;

/// A block of one message that takes so much of a channel's memory.
fn block(cost: usize) -> Block {
    let length = cost - Block::OVERHEAD - tenfold::native::HEADER;
    Block::new(format!("{length:<10}{}", "x".repeat(length)), 1)
}

async fn append(visit: &Visit, cost: usize) {
    let claim = Claim::default();
    let appended = visit.channel().append(&claim, block(cost), TIME);
    assert!(appended.await.is_ok());
    visit.enforce_total();
}

fn kept(visit: &Visit) -> usize {
    visit.channel().tail().kept()
}

#[test]
fn a_name_without_messages_is_forgotten_with_its_last_connection() {
    let registry = registry(|_| ());
    let publisher = enter(&registry, "a", Publisher).unwrap();
    let subscriber = enter(&registry, "a", Subscriber).unwrap();
    assert!(Arc::ptr_eq(publisher.channel(), subscriber.channel()));
    drop(publisher);
    assert_eq!(names(&registry), ["a"]);
    drop(subscriber);
    assert_eq!(names(&registry), [""; 0]);
}

#[tokio::test]
async fn a_name_with_messages_is_kept_even_if_they_are_not() {
    let registry = registry(|_| ());
    let visit = enter(&registry, "a", Publisher).unwrap();
    append(&visit, 1000).await;
    visit.channel().tail().trim(usize::MAX);
    drop(visit);
    assert_eq!(names(&registry), ["a"]);
    assert_eq!(registry.total(), 0);
    let visit = enter(&registry, "a", Subscriber).unwrap();
    let subscription = visit.channel().subscribe(Position::Next, None).unwrap();
    assert_eq!(subscription.answer.next, 1);
}

#[test]
fn there_are_no_more_channels_than_the_limit() {
    let registry = registry(|options| options.max_channels = 2);
    let a = enter(&registry, "a", Publisher).unwrap();
    let _b = enter(&registry, "b", Publisher).unwrap();
    let c = enter(&registry, "c", Publisher);
    assert_eq!(c.err(), Some(Some(Code::Busy)));
    assert!(enter(&registry, "a", Publisher).is_ok(), "it is there");
    drop(a);
    assert!(enter(&registry, "c", Publisher).is_ok());
    assert_eq!(names(&registry), ["b"], "who was only looked at is gone");
}

#[test]
fn with_a_limit_of_zero_there_are_no_channels() {
    let registry = registry(|options| {
        options.max_channels = 0;
        options.max_empty_channels = 0;
    });
    for role in [Publisher, Subscriber] {
        let refused = enter(&registry, "a", role);
        assert_eq!(refused.err(), Some(Some(Code::Busy)));
    }
}

#[tokio::test]
async fn those_who_wait_for_a_name_take_no_places_from_those_who_publish() {
    let registry = registry(|options| {
        options.max_channels = 1;
        options.max_empty_channels = 2;
    });
    let waiting = ["a", "b"].map(|name| enter(&registry, name, Subscriber).unwrap());
    let busy = |visit: Result<Visit, Option<Code>>| {
        assert_eq!(visit.err(), Some(Some(Code::Busy)));
    };
    busy(enter(&registry, "c", Subscriber));
    // A channel that is waited for is one that counts as soon as somebody publishes to it.
    let publisher = enter(&registry, "a", Publisher).unwrap();
    let third = enter(&registry, "c", Subscriber).unwrap();
    busy(enter(&registry, "b", Publisher));
    busy(enter(&registry, "d", Publisher));
    // It has no message, so it is only a name again.
    drop(publisher);
    let publisher = enter(&registry, "b", Publisher).unwrap();
    append(&publisher, 1000).await;
    drop((publisher, waiting, third));
    busy(enter(&registry, "a", Publisher));
    assert_eq!(names(&registry), ["b"]);
    let _waiting = ["c", "d"].map(|name| enter(&registry, name, Subscriber).unwrap());
    busy(enter(&registry, "e", Subscriber));
}

#[tokio::test]
async fn a_closed_registry_refuses_to_enter_and_ends_what_is_there() {
    let registry = registry(|_| ());
    let visit = enter(&registry, "a", Publisher).unwrap();
    append(&visit, 1000).await;
    registry.close();
    for name in ["a", "b"] {
        for role in [Publisher, Subscriber] {
            let refused = enter(&registry, name, role);
            assert_eq!(refused.err(), Some(Some(Code::Shutdown)));
        }
    }
    let claim = Claim::default();
    let late = visit.channel().append(&claim, block(1000), TIME);
    assert!(late.await.is_err());
    assert_eq!(kept(&visit), 1000);
}

#[tokio::test]
async fn the_total_is_the_sum_of_what_the_channels_keep() {
    let registry = registry(|options| options.channel_memory = 5000);
    let a = enter(&registry, "a", Publisher).unwrap();
    let b = enter(&registry, "b", Publisher).unwrap();
    for step in 0..40 {
        append(&a, 300 + step * 100).await;
        append(&b, 1000).await;
        b.channel().tail().trim(step * 50);
        assert_eq!(registry.total(), kept(&a) + kept(&b));
    }
    assert!(kept(&a) <= 5000 && kept(&b) <= 5000);
}

#[tokio::test]
async fn the_largest_channel_gives_when_there_is_too_much_in_all() {
    let registry = registry(|options| options.memory = 100_000);
    let small = enter(&registry, "small", Publisher).unwrap();
    let large = enter(&registry, "large", Publisher).unwrap();
    for _ in 0..10 {
        append(&small, 1000).await;
    }
    for _ in 0..300 {
        append(&large, 1000).await;
        assert!(registry.total() <= 100_000);
    }
    assert_eq!(kept(&small), 10_000, "it was never the largest");
    assert!(kept(&large) >= 85_000, "only a small part is freed at once");
    // It is the largest that gives, not the one that grows.
    let other = enter(&registry, "other", Publisher).unwrap();
    for _ in 0..30 {
        append(&other, 1000).await;
    }
    assert_eq!((kept(&small), kept(&other)), (10_000, 30_000));
    assert!(kept(&large) <= 60_000);
}

#[tokio::test]
async fn many_channels_that_grow_alike_stay_alike() {
    let registry = registry(|options| options.memory = 64_000);
    let names = (0..8).map(|n| format!("c{n}"));
    let visits: Vec<Visit> = names
        .map(|name| enter(&registry, &name, Publisher).unwrap())
        .collect();
    for _ in 0..100 {
        for visit in &visits {
            append(visit, 500).await;
            assert!(registry.total() <= 64_000);
        }
    }
    for visit in &visits {
        assert!((5000..=9000).contains(&kept(visit)), "{}", kept(visit));
    }
}

#[tokio::test]
async fn a_message_that_alone_is_more_than_the_total_is_not_kept() {
    for memory in [0, 1, 5000] {
        let registry = registry(|options| options.memory = memory);
        let visit = enter(&registry, "a", Publisher).unwrap();
        append(&visit, 6000).await;
        assert_eq!(registry.total(), 0);
        assert_eq!(visit.channel().tail().next_seq(), 1);
    }
}

#[tokio::test]
async fn a_channel_gives_to_the_total_even_if_its_publishers_wait_for_the_slow() {
    let registry = registry(|options| {
        options.memory = 10_000;
        let wait = crate::when_slow::WhenSlow::Wait(Duration::from_secs(30));
        options.when_slow = vec![("*".parse().unwrap(), wait)];
    });
    let visit = enter(&registry, "a", Publisher).unwrap();
    append(&visit, 1000).await;
    let subscription = visit.channel().subscribe(Position::First, None).unwrap();
    for _ in 0..10 {
        append(&visit, 1000).await;
    }
    assert!(registry.total() <= 10_000);
    subscription.cursor.ending().await;
}
