//! Bits flip and files are cut, while no hub runs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tenfold_log::storage::{Keep, Memory};
use tenfold_log::{OpenError, Opened, repair, verify};

use crate::is_full;
use crate::model::{Expected, expected};
use crate::script::run;
use crate::support::{Fate, Read, read, reopen, send, settle, small};

/// A directory, and what was acknowledged of what is in it.
pub(crate) struct Directory {
    pub(crate) memory: Memory,
    channels: BTreeMap<String, Expected>,
    firsts: BTreeMap<String, u64>,
}

/// After a clean stop, or after the end of the process.
pub(crate) fn directory(is_clean: bool) -> Directory {
    let memory = Memory::new();
    let run = run(&memory, is_clean);
    let channels = expected(&run);
    assert!(run.all_went_well());
    drop(run);
    let opened = reopen(memory.copy(), small()).unwrap();
    let opened = opened.log.channels();
    let firsts = opened
        .iter()
        .map(|channel| (channel.name().to_owned(), channel.first()));
    Directory {
        firsts: firsts.collect(),
        memory: memory.copy(),
        channels,
    }
}

/// Opens a damaged directory. Nothing wrong may be served, and nothing may be missing that is not told.
pub(crate) fn look(directory: &Directory, damaged: &Memory) {
    let mut opened = match reopen(damaged.clone(), small()) {
        Ok(opened) => opened,
        // Its text says what is wrong.
        Err(OpenError::Format(_) | OpenError::NotALog) => return,
        Err(error) => panic!("{error:?}"),
    };
    let nexts = compare(directory, &opened);
    for (name, (next, is_known)) in &nexts {
        let sent = send(&opened, name, None, &[b"more".to_vec()]);
        settle(&mut opened);
        let Fate::Written { first, .. } = sent.fate() else {
            panic!("{name}: {:?}", sent.fate());
        };
        assert_eq!(first, *next, "{name}");
        let expected = &directory.channels[name];
        if *is_known {
            assert!(
                first >= expected.messages.len() as u64,
                "{name}: seq {first} is given again"
            );
        }
    }
}

/// What a channel goes on with: its next seq, and whether the epoch before is one of its epochs.
type Next = (u64, bool);

fn compare(directory: &Directory, opened: &Opened) -> BTreeMap<String, Next> {
    let mut nexts = BTreeMap::new();
    let report = &opened.report;
    for (name, expected) in &directory.channels {
        let channels = opened.log.channels();
        let Some(channel) = channels.iter().find(|channel| channel.name() == name) else {
            assert!(report.is_damaged(), "channel {name} is gone: {report:#?}");
            continue;
        };
        let Read {
            first,
            next,
            messages,
            damaged,
        } = read(channel);
        for (seq, message) in &messages {
            let index = usize::try_from(*seq).unwrap();
            assert!(
                index < expected.messages.len(),
                "{name} has a message {seq}"
            );
            assert_eq!(
                *message, expected.messages[index].0,
                "{name}, message {seq}"
            );
        }
        let all = expected.messages.len() as u64;
        let end = channel.end_of(expected.epoch);
        assert!(end.is_none_or(|end| end <= next), "{name}: {end:?}, {next}");
        let is_whole = first == directory.firsts[name] && next == all && damaged.is_empty();
        let producers: u64 = channel
            .producers()
            .iter()
            .map(|producer| producer.messages)
            .sum();
        let sent = expected
            .messages
            .iter()
            .filter(|(_, id)| id.is_some())
            .count() as u64;
        if first > directory.firsts[name] || next < all || producers != sent {
            assert!(
                report.is_damaged() || !report.findings.is_empty(),
                "{name}: {first} to {next}, {producers}: nothing is said"
            );
        }
        if next < all || producers != sent {
            let is_cut = report
                .findings
                .iter()
                .any(|finding| finding.text.contains("is not whole"));
            assert!(
                end.is_none() || is_cut,
                "{name}: an epoch of the same history, {next} of {all}, {report:#?}"
            );
        }
        if !is_whole {
            let served = messages.len() as u64;
            let told: u64 = damaged.iter().map(|(first, next)| next - first).sum();
            assert_eq!(served + told, next - first, "{name}");
        }
        nexts.insert(name.clone(), (next, end.is_some()));
    }
    nexts
}

/// Damages a copy, and says which damage it was if something is wrong.
fn with(directory: &Directory, words: &str, damage: impl FnOnce(&Memory)) {
    let damaged = directory.memory.copy();
    damage(&damaged);
    let seen = catch_unwind(AssertUnwindSafe(|| look(directory, &damaged)));
    if let Err(panic) = seen {
        eprintln!("{words}");
        resume_unwind(panic);
    }
}

/// The bits that are flipped: in zeros only now and then, unless all of them are wanted.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u64> {
    let mut bits = Vec::new();
    for (at, chunk) in bytes.chunks(8).enumerate() {
        let is_empty = chunk.iter().all(|byte| *byte == 0);
        for n in 0..chunk.len() as u64 {
            let byte = at as u64 * 8 + n;
            match (is_full(), is_empty) {
                (true, _) => bits.extend(byte * 8..byte * 8 + 8),
                (false, true) if !byte.is_multiple_of(64) => {}
                (false, _) => bits.push(byte * 8 + (byte * 5) % 8),
            }
        }
    }
    bits
}

pub(crate) fn flip_each_bit(directory: &Directory, only: impl Fn(&str) -> bool) {
    let mut flips = 0;
    for (path, _) in directory.memory.files() {
        if !only(&path) {
            continue;
        }
        for bit in bits(&directory.memory.read(&path).unwrap()) {
            flips += 1;
            with(
                directory,
                &format!("{path}: bit {bit} flipped"),
                |damaged| damaged.flip(&path, bit),
            );
        }
    }
    assert!(flips > 0);
}

pub(crate) fn cut_everywhere(directory: &Directory, only: impl Fn(&str) -> bool) {
    let mut cuts = 0;
    for (path, length) in directory.memory.files() {
        if !only(&path) {
            continue;
        }
        let stride = if is_full() || length < 2000 { 1 } else { 37 };
        for end in (0..length).step_by(stride) {
            cuts += 1;
            with(
                directory,
                &format!("{path}: cut to {end} of {length} bytes"),
                |damaged| damaged.truncate(&path, end),
            );
        }
        with(directory, &format!("{path} is gone"), |damaged| {
            damaged.remove_file(&path);
        });
    }
    assert!(cuts > 0);
}

fn is_journal(path: &str) -> bool {
    path.starts_with("journal/")
}

/// The machine ends when nothing but the journal is durable, and one message in it is damaged.
#[test]
pub(crate) fn what_stands_after_a_damaged_batch_is_kept() {
    let memory = Memory::new();
    let run = run(&memory, false);
    let channels = expected(&run);
    let durable = memory.image(|_| Keep::None);
    let (last, before) = run.sent.split_last().unwrap();
    assert!(matches!(last.fate(), Fate::Written { .. }));
    let mut flips = 0;
    for sent in before {
        for message in &sent.messages {
            let damaged = durable.copy();
            for path in ["journal/0.journal", "journal/1.journal"] {
                let bytes = damaged.read(path).unwrap();
                for at in memchr::memmem::find_iter(&bytes, message) {
                    damaged.flip(path, at as u64 * 8 + 1);
                    flips += 1;
                }
            }
            let opened = reopen(damaged, small()).unwrap();
            for (name, expected) in &channels {
                let channel = opened.log.channel(name, 0);
                let all = expected.messages.len() as u64;
                assert_eq!(
                    channel.end_of(expected.epoch),
                    Some(all),
                    "{name}: {:#?}",
                    opened.report
                );
                assert_eq!(channel.next(), all, "{name}");
                let read = read(&channel);
                let missing: u64 = read.damaged.iter().map(|(first, next)| next - first).sum();
                assert!(missing == 0 || opened.report.is_damaged());
                assert!(
                    missing <= sent.messages.len() as u64,
                    "{name} has lost {missing}"
                );
                for (seq, message) in &read.messages {
                    assert_eq!(
                        *message,
                        expected.messages[usize::try_from(*seq).unwrap()].0
                    );
                }
            }
        }
    }
    assert!(flips > 5, "{flips}");
}

#[test]
pub(crate) fn a_newest_segment_that_is_gone_is_told_and_its_seqs_are_not_given_again() {
    let directory = directory(true);
    for channel in ["channels/a/", "channels/b/"] {
        let files = directory.memory.files().into_iter().map(|(path, _)| path);
        let is_one = |path: &String| path.starts_with(channel) && path.ends_with(".frames");
        let path = files.rev().find(is_one).unwrap();
        let damaged = directory.memory.copy();
        damaged.remove_file(&path);
        damaged.remove_file(&path.replace(".frames", ".index"));
        look(&directory, &damaged);
    }
}

#[test]
fn a_flipped_bit_of_the_journal_is_never_served_and_never_silent() {
    flip_each_bit(&directory(false), is_journal);
    flip_each_bit(&directory(true), is_journal);
}

#[test]
fn a_flipped_bit_of_any_other_file_is_never_served_and_never_silent() {
    flip_each_bit(&directory(false), |path| !is_journal(path));
    flip_each_bit(&directory(true), |path| !is_journal(path));
}

#[test]
fn a_cut_file_is_never_silent() {
    cut_everywhere(&directory(false), |_| true);
    cut_everywhere(&directory(true), |_| true);
}

#[test]
fn verification_finds_each_flipped_bit_of_segments_and_what_proves_them() {
    let directory = directory(true);
    for (path, _) in directory.memory.files() {
        if !path.starts_with("channels/") {
            continue;
        }
        for bit in bits(&directory.memory.read(&path).unwrap()) {
            let damaged = directory.memory.copy();
            damaged.flip(&path, bit);
            let report = verify(&(Arc::new(damaged) as _), &mut |_, _| {}).unwrap();
            assert!(report.is_damaged(), "{path}: bit {bit}");
        }
    }
    let report = verify(&(Arc::new(directory.memory) as _), &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_damaged_index_is_repaired_from_the_frames() {
    let directory = directory(true);
    let mut repaired = 0;
    for (path, length) in directory.memory.files() {
        if !path.ends_with(".index") {
            continue;
        }
        for record in 0..length / 48 {
            let damaged = directory.memory.copy();
            damaged.flip(&path, record * 48 * 8 + 3);
            let storage = Arc::new(damaged.clone()) as _;
            repair(&storage, small()).unwrap();
            let opened = reopen(damaged.copy(), small()).unwrap();
            assert_eq!(opened.report.findings, [], "{path}, record {record}");
            let channels = opened.log.channels();
            for channel in &channels {
                assert_eq!(read(channel).damaged, [], "{path}, record {record}");
                assert_eq!(
                    channel.next(),
                    directory.channels[channel.name()].messages.len() as u64
                );
            }
            compare(&directory, &opened);
            repaired += 1;
        }
    }
    assert!(repaired > 10);
}

#[test]
pub(crate) fn frames_that_nothing_proves_are_read_strictly() {
    let directory = directory(true);
    let newest = directory.memory.files().into_iter().map(|(path, _)| path);
    let path = newest
        .rev()
        .find(|path| path.starts_with("channels/a/") && path.ends_with(".frames"))
        .unwrap();
    let damaged = directory.memory.copy();
    let mut bytes = damaged.read(&path).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(b"5         whole");
    bytes.extend_from_slice(b"05        wrong");
    damaged.write(&path, &bytes);
    let opened = reopen(damaged.clone(), small()).unwrap();
    let channel = opened.log.channel("a", 0);
    let all = directory.channels["a"].messages.len() as u64;
    assert_eq!(channel.next(), all + 1);
    assert_eq!(channel.end_of(directory.channels["a"].epoch), None);
    assert_eq!(read(&channel).messages[&all], b"whole");
    assert_eq!(damaged.read(&path).unwrap().len(), whole + 15);
    let (aside, _) = damaged
        .files()
        .into_iter()
        .find(|(path, _)| path.starts_with("aside/"))
        .unwrap();
    assert_eq!(damaged.read(&aside).unwrap(), b"05        wrong");
}
