//! Looking at a log changes nothing, and shows what a start would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use tenfold_log::storage::{Keep, Memory};
use tenfold_log::{Opened, Storage, backup, stats, verify};

use crate::script::run;
use crate::support::{Fate, reopen, reset, send, send_to, small, until};

fn storage(memory: &Memory) -> Arc<dyn Storage> {
    Arc::new(memory.clone())
}

/// The files, and what is in them.
fn contents(memory: &Memory) -> Vec<(String, Option<Vec<u8>>)> {
    let files = memory.files().into_iter().map(|(path, _)| path);
    // The files that are locked are made for that.
    let files = files.filter(|path| !["LOCK", "CHECKPOINT"].contains(&&**path));
    files
        .map(|path| (path.clone(), memory.read(&path)))
        .collect()
}

/// What stands in the table of `tenfold log stats`, of a log that is open.
fn numbers(opened: &Opened) -> Vec<(String, Option<u64>, u64, u64, u64, usize)> {
    let channels = opened.log.channels();
    let numbers = channels.iter().map(|channel| {
        let name = channel.name().to_owned();
        let producers = channel.producers().len();
        let (first, next) = (channel.first(), channel.next());
        let epoch = Some(channel.epoch());
        (name, epoch, first, next, channel.bytes(), producers)
    });
    numbers.collect()
}

fn counted(memory: &Memory) -> Vec<(String, Option<u64>, u64, u64, u64, usize)> {
    let counted = stats(&storage(memory)).unwrap().channels.into_iter();
    let numbers = counted.map(|channel| {
        let name = channel.name.to_string();
        let (first, next) = (channel.first, channel.next);
        (
            name,
            channel.epoch,
            first,
            next,
            channel.bytes,
            channel.producers,
        )
    });
    numbers.collect()
}

/// A crash at any call leaves a log that is well, and whose numbers are those of the next start.
pub(crate) fn check_image(image: &Memory) {
    let before = contents(image);
    let report = verify(&storage(image), &mut |_, _| {});
    // A directory that was being made is not a log yet.
    let Ok(report) = report else { return };
    assert!(!report.is_damaged(), "{report:#?}");
    let mut counted = counted(image);
    assert_eq!(contents(image), before);
    let opened = reopen(image.copy(), small()).unwrap();
    // The start has new epochs, in which the places of those before are good.
    for (channel, (name, epoch, _, next, ..)) in opened.log.channels().iter().zip(&mut counted) {
        assert_eq!(
            epoch.and_then(|epoch| channel.end_of(epoch)),
            Some(*next),
            "{name}"
        );
        *epoch = Some(channel.epoch());
    }
    assert_eq!(counted, numbers(&opened));
}

#[test]
fn the_numbers_of_a_log_in_use_are_those_of_what_is_committed() {
    let memory = Memory::new();
    let run = run(&memory, false);
    let opened = run.opened.unwrap();
    assert_eq!(counted(&memory), numbers(&opened));
    let stats = stats(&storage(&memory)).unwrap();
    assert!(stats.is_live && stats.waiting > 0);
    let report = verify(&storage(&memory), &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_new_log_that_ends_before_its_first_message_has_nothing_torn() {
    for is_live in [true, false] {
        reset();
        let memory = Memory::new();
        let opened = reopen(memory.clone(), small()).unwrap();
        let opened = Some(opened).filter(|_| is_live);
        let copy = Memory::new();
        let report = backup(&storage(&memory), &storage(&copy), small(), &mut |_, _| {});
        assert_eq!(report.unwrap().findings, []);
        let report = verify(&storage(&memory), &mut |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        drop(opened);
        for image in [memory.image(|_| Keep::None), memory.image_kept(), copy] {
            assert_eq!(reopen(image, small()).unwrap().report.findings, []);
        }
    }
}

/// Looks and copies while another thread publishes, so that segments roll and the journal turns over.
#[test]
fn a_log_that_is_written_meanwhile_is_never_said_to_be_damaged_and_is_copied_whole() {
    let memory = Memory::new();
    let (log, _, threads) = reopen(memory.clone(), small()).unwrap().start().unwrap();
    let (written, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut looks = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if is_over.load(SeqCst) {
                    return;
                }
                let message = format!("{number:0150}").into_bytes();
                let sent = send_to(&log, "a", Some("p"), &[message]);
                until(|| matches!(sent.fate(), Fate::Written { .. }));
                written.store(number + 1, SeqCst);
            }
        });
        while looks < 60 || written.load(SeqCst) < 200 {
            looks += 1;
            let before = written.load(SeqCst);
            let stats = stats(&storage(&memory)).unwrap();
            let next = stats.channels.first().map_or(0, |channel| channel.next);
            assert!(next >= before, "{next} of {before}");
            let report = verify(&storage(&memory), &mut |_, _| {}).unwrap();
            assert_eq!(report.findings, []);
            let copy = Memory::new();
            let before = written.load(SeqCst);
            let report = backup(&storage(&memory), &storage(&copy), small(), &mut |_, _| {});
            assert_eq!(report.unwrap().findings, []);
            let opened = reopen(copy, small()).unwrap();
            let channel = opened.log.channel("a", 0);
            assert!(channel.next() >= before, "{} of {before}", channel.next());
            assert_eq!(
                channel.producers().first().map_or(0, |p| p.messages),
                channel.next()
            );
        }
        is_over.store(true, SeqCst);
    });
    assert!(threads.stop());
}

#[test]
fn strange_files_beside_the_channels_are_said_once_and_left_alone() {
    let memory = Memory::new();
    reset();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let sent = send(&opened, "a", None, &[b"one".to_vec()]);
    crate::support::settle(&mut opened);
    assert!(matches!(sent.fate(), Fate::Written { .. }));
    assert!(opened.stop());
    let strange = ["channels/notes", "channels/README", "channels/a/diary"];
    for path in strange {
        memory.write(path, b"mine");
    }
    let opened = reopen(memory.clone(), small()).unwrap();
    let texts: Vec<_> = opened
        .report
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(!opened.report.is_damaged(), "{texts:?}");
    for path in &strange[..2] {
        let said = texts.iter().filter(|text| text.starts_with(path));
        assert_eq!(said.count(), 1, "{path}: {texts:?}");
    }
    assert_eq!(opened.log.channels().len(), 1);
    assert!(opened.stop());
    assert!(
        !verify(&storage(&memory), &mut |_, _| {})
            .unwrap()
            .is_damaged()
    );
    assert_eq!(counted(&memory).len(), 1);
    let copy = Memory::new();
    backup(&storage(&memory), &storage(&copy), small(), &mut |_, _| {}).unwrap();
    assert_eq!(reopen(copy, small()).unwrap().log.channels().len(), 1);
    for path in strange {
        assert_eq!(memory.read(path).unwrap(), b"mine");
    }
}
