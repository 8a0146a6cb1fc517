//! A log on a real disk: what goes in comes out, in the same process and in the next.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Fate, advance, clock, frames, random, read, send, settle, small};
use tenfold_log::storage::{Disk, FewFiles};
use tenfold_log::{OpenError, Options, ReadError, open, verify};

fn words(words: &str) -> Vec<Vec<u8>> {
    words
        .split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn disk(directory: &tempfile::TempDir) -> Arc<Disk> {
    Arc::new(Disk::open(directory.path()).unwrap())
}

#[test]
fn what_is_committed_is_read_by_this_process_and_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(disk(&directory), Options::new(random)).unwrap();
    assert_eq!(opened.report.findings, []);
    let sent = send(&opened, "ticks", Some("p"), &words("a bb ccc"));
    let other = send(&opened, "other", None, &words("x"));
    assert!(opened.committer.step());
    assert_eq!(sent.fate(), Fate::Written { first: 0, total: 3 });
    assert_eq!(other.fate(), Fate::Written { first: 0, total: 0 });
    let again = send(&opened, "ticks", Some("p"), &words("d"));
    settle(&mut opened);
    assert_eq!(again.fate(), Fate::Written { first: 3, total: 4 });
    assert_eq!(opened.log.numbers().batches, 2);
    let channel = opened.log.channel("ticks", 0);
    assert_eq!(read(&channel).all(), words("a bb ccc d"));
    let epoch = channel.epoch();
    // A crash of the process: nothing is closed.
    drop((opened, channel));
    let opened = open(disk(&directory), Options::new(random)).unwrap();
    assert_eq!(opened.report.findings, []);
    assert_eq!(opened.report.replayed, 2);
    let channel = opened.log.channel("ticks", 0);
    assert_ne!(channel.epoch(), epoch);
    assert_eq!((channel.end_of(epoch), channel.next()), (Some(4), 4));
    assert_eq!(read(&channel).all(), words("a bb ccc d"));
    let producers: Vec<_> = channel
        .producers()
        .into_iter()
        .map(|producer| (producer.id, producer.messages))
        .collect();
    assert_eq!(producers, [("p".into(), 4)]);
    assert!(opened.stop());
    let opened = open(disk(&directory), Options::new(random)).unwrap();
    assert_eq!(
        (opened.report.replayed, opened.report.findings.len()),
        (0, 0)
    );
    assert_eq!(
        read(&opened.log.channel("ticks", 0)).all(),
        words("a bb ccc d")
    );
}

#[test]
fn the_segments_of_a_channel_are_the_wire() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(disk(&directory), small()).unwrap();
    let mut all = Vec::new();
    for number in 0..50 {
        let message = format!("message {number}").repeat(5).into_bytes();
        all.push(message.clone());
        send(&opened, "a", None, &[message]);
        settle(&mut opened);
    }
    let mut names: Vec<_> = std::fs::read_dir(directory.path().join("channels/a"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "frames"))
        .collect();
    names.sort();
    assert!(names.len() > 5, "{names:?}");
    let bytes: Vec<u8> = names
        .iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_eq!(bytes, frames(&all));
    assert!(opened.log.numbers().checkpoints > 2);
    drop(opened);
    let report = verify(&(disk(&directory) as _), &mut |_, _| {}).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
}

#[test]
fn retention_keeps_whole_segments_and_all_counts() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(disk(&directory), small()).unwrap();
    for number in 0..100 {
        let message = vec![b'x'; 90 + number % 3];
        send(
            &opened,
            "b",
            Some(if number < 3 { "early" } else { "late" }),
            &[message],
        );
        settle(&mut opened);
    }
    let channel = opened.log.channel("b", 0);
    assert!(channel.first() > 80, "{}", channel.first());
    assert!(channel.next() - channel.first() >= 8);
    assert!(
        matches!(channel.reader(0).read(1), Err(ReadError::Trimmed { first }) if first == channel.first())
    );
    let first = channel.first();
    drop((opened, channel));
    let opened = open(disk(&directory), small()).unwrap();
    let channel = opened.log.channel("b", 0);
    assert_eq!((channel.first(), channel.next()), (first, 100));
    let producers: Vec<_> = channel
        .producers()
        .into_iter()
        .map(|producer| (producer.id.to_string(), producer.messages))
        .collect();
    assert_eq!(
        producers,
        [("early".to_owned(), 3), ("late".to_owned(), 97)]
    );
}

#[test]
fn more_channels_than_may_be_open_are_written_to_by_way_of_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = small();
    options.journal = 1 << 20;
    let few = FewFiles::new(disk(&directory), 24);
    let mut opened = open(Arc::new(few), options).unwrap();
    for round in 0..3 {
        for number in 0..10 {
            send(&opened, &format!("c{number}"), Some("p"), &[vec![round; 5]]);
            settle(&mut opened);
        }
    }
    let checkpoints = opened.log.numbers().checkpoints;
    assert!((6..=10).contains(&checkpoints), "{checkpoints}");
    drop(opened);
    let opened = open(disk(&directory), small()).unwrap();
    for number in 0..10 {
        let channel = opened.log.channel(&format!("c{number}"), 0);
        let expected: Vec<_> = (0..3).map(|round| vec![round; 5]).collect();
        assert_eq!(read(&channel).all(), expected);
    }
}

#[test]
fn a_time_is_the_first_message_that_was_committed_then_or_later_and_each_message_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(disk(&directory), small()).unwrap();
    let mut times = Vec::new();
    for number in 0..40 {
        advance(1 + number % 4);
        times.push(clock());
        send(&opened, "a", None, &words("some words"));
        settle(&mut opened);
    }
    let channel = opened.log.channel("a", 0);
    for (number, time) in times.iter().enumerate() {
        assert_eq!(channel.at_time(*time).unwrap(), number as u64 * 2);
        assert_eq!(
            channel.at_time(*time - Duration::from_nanos(1)).unwrap(),
            number as u64 * 2
        );
    }
    let after = *times.last().unwrap() + Duration::from_nanos(1);
    assert_eq!(channel.at_time(after).unwrap(), 80);
    // Seen from any message, in segments and in what can still grow.
    let expected: Vec<_> = (0..80)
        .zip(times.iter().flat_map(|time| [*time; 2]))
        .collect();
    for (seq, _) in &expected {
        let mut told = Vec::new();
        let mut next = *seq;
        while next < 80 {
            for committed in channel.times(next).unwrap() {
                assert_eq!(committed.first, next);
                next += committed.messages;
                told.extend((committed.first..next).map(|seq| (seq, committed.time)));
            }
        }
        let from_there = expected.iter().skip_while(|(other, _)| other < seq);
        assert!(told.iter().eq(from_there), "from {seq}: {told:?}");
    }
    assert!(matches!(channel.times(80), Err(ReadError::End)));
    assert!(matches!(channel.times(81), Err(ReadError::Future)));
}

#[test]
fn a_second_hub_is_refused_as_long_as_the_first_one_runs() {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(disk(&directory), Options::new(random)).unwrap();
    assert!(matches!(
        open(disk(&directory), Options::new(random)),
        Err(OpenError::Locked)
    ));
    drop(opened);
    open(disk(&directory), Options::new(random)).unwrap();
}

#[test]
fn a_directory_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("photo.jpg"), "x").unwrap();
    assert!(matches!(
        open(disk(&directory), Options::new(random)),
        Err(OpenError::NotALog)
    ));
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_newer_format_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(disk(&directory), small()).unwrap());
    let path = directory.path().join("FORMAT");
    let newer = std::fs::read_to_string(&path)
        .unwrap()
        .replace("index 1", "index 2");
    std::fs::write(&path, newer).unwrap();
    let error = open(disk(&directory), small()).unwrap_err();
    assert!(error.to_string().contains("\"index 2\""), "{error}");
}

#[test]
fn the_log_runs_on_threads_of_its_own_and_stops_clean() {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(disk(&directory), Options::new(random)).unwrap();
    let sent: Vec<_> = (0..1000)
        .map(|_| send(&opened, "a", Some("p"), &words("a b")))
        .collect();
    let (log, _, threads) = opened.start().unwrap();
    assert!(threads.stop());
    for (number, sent) in (0..).zip(&sent) {
        let fate = Fate::Written {
            first: number * 2,
            total: number * 2 + 2,
        };
        assert_eq!(sent.fate(), fate);
    }
    drop(log);
    let opened = open(disk(&directory), Options::new(random)).unwrap();
    assert_eq!(opened.report.replayed, 0);
    assert_eq!(opened.log.channel("a", 0).next(), 2000);
}
