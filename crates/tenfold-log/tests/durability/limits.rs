//! What is kept stays within its limits: after each step, by what the disk has and not by what the log says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tenfold_log::storage::Memory;
use tenfold_log::{Notice, Opened, Options, Retention};

use crate::support::{Fate, advance, clock, go_back, random, read, reopen, reset, send, settle};

const BLOCK: u64 = 4096;
const KIB: u64 = 1024;

fn options(retention: Retention) -> Options {
    let mut options = Options::new(random);
    options.clock = clock;
    options.journal = 256 * KIB;
    options.retention = Arc::new(move |_| retention);
    options
}

fn at_most(bytes: u64) -> Retention {
    let mut retention = Retention::default();
    retention.max_bytes = bytes;
    retention
}

fn for_at_most(age: Duration) -> Retention {
    let mut retention = Retention::default();
    retention.max_age = Some(age);
    retention
}

/// What there is beside the channels: the journal, the format, and the spare, whose block is reserved.
fn beside(memory: &Memory) -> u64 {
    let files = memory.files().into_iter();
    let others = files.filter(|(path, _)| !path.starts_with("channels/"));
    let blocks: u64 = others.map(|(_, length)| length.div_ceil(BLOCK)).sum();
    (blocks + 1) * BLOCK
}

/// What the channels take on disk, with what is reserved.
fn disk(memory: &Memory) -> u64 {
    memory.used_space().saturating_sub(beside(memory))
}

fn commit(opened: &mut Opened, channel: &str, messages: &[Vec<u8>]) {
    send(opened, channel, None, messages);
    settle(opened);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Short messages and long ones, many in a commit or each in a millisecond of its own.
    #[test]
    fn one_channel_takes_at_most_a_quarter_more_than_its_limit(
        steps in prop::collection::vec((0_usize..3000, 1_usize..40, 0_u64..3), 80..160),
        kib in 128_u64..1024,
    ) {
        reset();
        let memory = Memory::new();
        let limit = kib * KIB;
        let mut opened = reopen(memory.clone(), options(at_most(limit))).unwrap();
        for (length, count, wait) in steps {
            advance(wait);
            commit(&mut opened, "a", &vec![vec![b'x'; length]; count]);
            let disk = disk(&memory);
            prop_assert!(disk <= limit + limit / 4 + 2 * BLOCK, "{disk} of {limit}");
            // The snapshot is not counted there.
            let numbers = opened.log.numbers();
            prop_assert!(disk <= numbers.disk + BLOCK, "{disk}, {numbers:?}");
        }
        let channel = opened.log.channel("a", 0);
        let kept = read(&channel);
        prop_assert_eq!(kept.messages.len() as u64, kept.next - kept.first);
    }

    #[test]
    fn all_channels_take_at_most_a_quarter_more_than_their_limit_and_nothing_is_refused(
        steps in prop::collection::vec((0_usize..40, 0_usize..5000, 1_usize..20, 0_u64..3), 80..160),
        kib in 512_u64..2048,
    ) {
        reset();
        let memory = Memory::new();
        let mut options = options(Retention::default());
        options.max_disk = kib * KIB;
        let limit = options.max_disk;
        let mut opened = reopen(memory.clone(), options).unwrap();
        for (channel, length, count, wait) in steps {
            advance(wait);
            let messages = vec![vec![b'x'; length]; count];
            let sent = send(&opened, &format!("c{channel}"), None, &messages);
            settle(&mut opened);
            let is_written = matches!(sent.fate(), Fate::Written { .. });
            prop_assert!(is_written, "{:?}", sent.fate());
            let disk = disk(&memory);
            prop_assert!(disk <= limit + limit / 4, "{disk} of {limit}");
        }
        for channel in opened.log.channels() {
            let kept = read(&channel);
            prop_assert_eq!(kept.messages.len() as u64, kept.next - kept.first);
        }
    }

    #[test]
    fn a_channel_has_its_newest_messages_and_at_most_a_quarter_more(
        batches in prop::collection::vec(1_u64..50, 1..100),
        most in 1_u64..300,
    ) {
        reset();
        let mut retention = Retention::default();
        retention.max_messages = Some(most);
        let mut opened = reopen(Memory::new(), options(retention)).unwrap();
        for count in batches {
            advance(1);
            commit(&mut opened, "a", &vec![b"m".to_vec(); usize::try_from(count).unwrap()]);
            let channel = opened.log.channel("a", 0);
            let kept = channel.next() - channel.first();
            prop_assert!(kept >= most.min(channel.next()), "{kept} of {most}");
            prop_assert!(kept <= most + most / 4, "{kept} of {most}");
        }
    }
}

#[test]
fn a_thousand_channels_with_one_short_message_each_take_two_blocks_and_a_snapshot() {
    reset();
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), options(Retention::default())).unwrap();
    for number in 0..1000 {
        commit(&mut opened, &format!("c{number}"), &[vec![b'x'; 20]]);
    }
    assert_eq!(opened.log.numbers().disk, 1000 * 2 * BLOCK);
    // The storage in memory counts nothing for a directory.
    assert!(disk(&memory) <= 1000 * 3 * BLOCK, "{}", disk(&memory));
}

#[test]
fn when_all_take_too_much_the_oldest_goes_first_although_its_segment_is_the_newest_of_its_channel()
{
    reset();
    let mut options = options(Retention::default());
    options.max_disk = 1024 * KIB;
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    for number in 0..40 {
        advance(10);
        commit(
            &mut opened,
            &format!("c{number:02}"),
            &vec![vec![b'x'; 1000]; 20],
        );
    }
    let kept: Vec<u64> = opened
        .log
        .channels()
        .iter()
        .map(|channel| channel.next() - channel.first())
        .collect();
    assert_eq!((kept[0], kept[39]), (0, 20), "{kept:?}");
    assert!(kept.is_sorted(), "{kept:?}");
    // A channel of which everything is gone goes on.
    commit(&mut opened, "c00", &[b"y".to_vec()]);
    drop(opened);
    let opened = reopen(memory.image_kept(), options).unwrap();
    assert!(!opened.report.is_damaged(), "{:?}", opened.report);
    let kept = read(&opened.log.channel("c00", 0));
    assert_eq!(
        (kept.first, kept.next, kept.all()),
        (20, 21, vec![b"y".to_vec()])
    );
    assert_eq!(opened.log.channel("c01", 0).first(), 20);
}

#[test]
fn what_is_deleted_is_told_with_the_first_seq_that_is_kept() {
    reset();
    let mut options = options(at_most(64 * 1024));
    let told = Arc::new(Mutex::new(Vec::new()));
    let notices = Arc::clone(&told);
    options.notice = Arc::new(move |notice| notices.lock().unwrap().push(notice.clone()));
    let mut opened = reopen(Memory::new(), options).unwrap();
    for _ in 0..20 {
        commit(&mut opened, "a", &vec![vec![b'x'; 1000]; 20]);
    }
    commit(&mut opened, "b", &[b"short".to_vec()]);
    settle(&mut opened);
    let (mut last, mut removed) = (0, 0);
    for notice in &*told.lock().unwrap() {
        let Notice::Trimmed {
            channel,
            first,
            segments,
            ..
        } = notice
        else {
            panic!("{notice}");
        };
        assert!(**channel == *"a" && *first > last, "{notice}");
        (last, removed) = (*first, removed + *segments as u64);
    }
    assert_eq!(last, opened.log.channel("a", 0).first());
    assert_eq!(removed, opened.log.numbers().removed);
    assert!(removed > 1);
}

#[test]
fn a_channel_that_falls_silent_loses_what_is_too_old() {
    reset();
    let memory = Memory::new();
    let options = options(for_at_most(Duration::from_secs(60)));
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    commit(&mut opened, "a", &[b"one".to_vec(), b"two".to_vec()]);
    advance(60_000);
    settle(&mut opened);
    assert_eq!(opened.log.channel("a", 0).first(), 0);
    advance(1001);
    settle(&mut opened);
    assert_eq!(opened.log.channel("a", 0).first(), 2);
    // The same after a start: nobody writes to the channel.
    commit(&mut opened, "a", &[b"three".to_vec()]);
    drop(opened);
    let memory = memory.image_kept();
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    advance(61_001);
    settle(&mut opened);
    let channel = opened.log.channel("a", 0);
    assert_eq!((channel.first(), channel.next()), (3, 3));
    assert_eq!(read(&channel).all(), Vec::<Vec<u8>>::new());
    drop((opened, channel));
    let opened = reopen(memory.image_kept(), options).unwrap();
    assert!(!opened.report.is_damaged(), "{:?}", opened.report);
    let channel = opened.log.channel("a", 0);
    assert_eq!((channel.first(), channel.next()), (3, 3));
}

#[test]
fn what_is_held_is_kept_and_goes_when_it_is_held_no_more() {
    reset();
    let mut options = options(Retention::default());
    options.max_disk = 256 * KIB;
    let mut opened = reopen(Memory::new(), options).unwrap();
    commit(&mut opened, "held", &vec![vec![b'x'; 1000]; 20]);
    let held = opened.log.channel("held", 0);
    held.hold(3);
    for _ in 0..40 {
        advance(1001);
        commit(&mut opened, "other", &vec![vec![b'x'; 1000]; 20]);
    }
    assert_eq!((held.first(), held.is_held()), (0, true));
    assert!(
        opened.log.numbers().disk <= 320 * KIB,
        "{:?}",
        opened.log.numbers()
    );
    // A subscriber that has everything holds nothing.
    held.hold(20);
    advance(1001);
    settle(&mut opened);
    commit(&mut opened, "other", &vec![vec![b'x'; 1000]; 20]);
    assert_eq!((held.first(), held.is_held()), (20, false));
}

#[test]
fn what_was_stored_while_the_clock_was_ahead_is_kept_for_its_age_and_no_longer() {
    const YEAR: u64 = 365 * 24 * 3600 * 1000;
    reset();
    let memory = Memory::new();
    let mut options = options(for_at_most(Duration::from_secs(60)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let notices = Arc::clone(&told);
    options.notice = Arc::new(move |notice| notices.lock().unwrap().push(notice.clone()));
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    let began = clock();
    advance(YEAR);
    commit(&mut opened, "a", &[b"ahead".to_vec()]);
    commit(&mut opened, "silent", &[b"ahead".to_vec()]);
    go_back(YEAR);
    commit(&mut opened, "a", &[b"now".to_vec()]);
    settle(&mut opened);
    advance(2000);
    settle(&mut opened);
    assert_eq!(
        *told.lock().unwrap(),
        [Notice::ClockIsBehind(Duration::from_millis(YEAR))]
    );
    let channel = opened.log.channel("a", 0);
    assert_eq!(read(&channel).all(), [b"ahead".to_vec(), b"now".to_vec()]);
    // The second message has the right time, and the first one came before it.
    assert_eq!(channel.at_time(began).unwrap(), 0);
    assert_eq!(
        channel.at_time(began + Duration::from_millis(1)).unwrap(),
        2
    );
    advance(62_000);
    settle(&mut opened);
    for name in ["a", "silent"] {
        let channel = opened.log.channel(name, 0);
        assert_eq!(
            (channel.first(), read(&channel).all()),
            (channel.next(), Vec::new()),
            "{name}"
        );
    }
    // The same after a start that finds such times.
    advance(YEAR);
    commit(&mut opened, "a", &[b"ahead".to_vec()]);
    drop(opened);
    go_back(YEAR);
    let mut opened = reopen(memory.image_kept(), options).unwrap();
    settle(&mut opened);
    advance(62_000);
    settle(&mut opened);
    let channel = opened.log.channel("a", 0);
    assert_eq!(channel.first(), channel.next());
    assert!(told.lock().unwrap().len() >= 2);
}
