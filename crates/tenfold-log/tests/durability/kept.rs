//! Directories that earlier versions have written can be opened, and nothing of them is lost.
//!
//! They are in `tests/data`: one directory for each version of the format, with `clean`, which was
//! stopped, and `crashed`, which was not, each with a text of what it must hold. They are never
//! changed. `TENFOLD_KEEP_DATA=DIR cargo test -p tenfold-log --all-features kept` writes what this
//! version leaves into `DIR`, to be kept when the format gets a new version.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenfold_log::storage::{Disk, Keep, Memory};
use tenfold_log::{Opened, open, verify};

use crate::script::run;
use crate::support::{read, reopen, reset, send, settle, small};

const EXPECTED: &str = "expected.txt";

/// Everything that a log holds, as text. A place that was told under an epoch of an expected text is one in
/// this history, so it stands here again.
fn describe(opened: &Opened, expected: &str) -> String {
    let mut text = String::new();
    for channel in opened.log.channels() {
        let read = read(&channel);
        assert_eq!(read.damaged, []);
        let name = channel.name();
        let line = expected
            .lines()
            .find_map(|line| line.strip_prefix(&format!("channel {name} ")));
        let epoch = line.map(|line| u64::from_str_radix(&line[..16], 16).unwrap());
        let epoch = epoch.filter(|epoch| channel.end_of(*epoch) == Some(read.next));
        let epoch = epoch.unwrap_or_else(|| channel.epoch());
        let _ = writeln!(
            text,
            "channel {name} {epoch:016x} {} {}",
            read.first, read.next
        );
        for producer in channel.producers() {
            let _ = writeln!(text, "producer {} {}", producer.id, producer.messages);
        }
        for (seq, message) in read.messages {
            let _ = writeln!(text, "message {seq} {}", message.escape_ascii());
        }
    }
    text
}

/// What the script leaves on disk: of what was not synced, nothing, so that the journal is needed; and the
/// epochs that it was told, as text.
fn left(is_stopped: bool) -> (Memory, String) {
    let memory = Memory::new();
    let mut told = String::new();
    for sent in run(&memory, is_stopped).sent {
        let _ = writeln!(told, "channel {} {:016x}", sent.channel, sent.epoch);
    }
    (memory.image(|_| Keep::None), told)
}

fn write((memory, told): &(Memory, String), directory: &Path) {
    for (path, _) in memory.files() {
        let file = directory.join(&path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, memory.read(&path).unwrap()).unwrap();
    }
    let opened = reopen(memory.copy(), small()).unwrap();
    fs::write(directory.join(EXPECTED), describe(&opened, told)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != EXPECTED {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The kept directories: each has a text of what it must hold.
fn kept() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let list = |path: &Path| {
        let entries = fs::read_dir(path).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let of_all_versions = list(&data).into_iter().flat_map(|version| list(&version));
    of_all_versions.collect()
}

#[test]
fn what_earlier_versions_have_written_is_read_whole_and_can_be_written_on() {
    if let Some(directory) = std::env::var_os("TENFOLD_KEEP_DATA") {
        write(&left(true), &Path::new(&directory).join("clean"));
        write(&left(false), &Path::new(&directory).join("crashed"));
    }
    // So a version that cannot read what is written now refuses it.
    let new = Memory::new();
    drop(reopen(new.clone(), small()).unwrap());
    let newest = new.read("FORMAT").unwrap();
    let kept = kept();
    assert!(kept.len() >= 6, "{kept:?}");
    for path in kept {
        let expected = fs::read_to_string(path.join(EXPECTED)).unwrap();
        let place = tempfile::tempdir().unwrap();
        copy(&path, place.path());
        reset();
        let disk = Arc::new(Disk::open(place.path()).unwrap());
        let mut opened = open(disk, small()).unwrap();
        assert_eq!(opened.report.findings, [], "{}", path.display());
        assert_eq!(describe(&opened, &expected), expected, "{}", path.display());
        let format = fs::read(place.path().join("FORMAT")).unwrap();
        assert_eq!(format, newest, "{}", path.display());
        // Retention may delete something now; nothing else changes.
        let next = opened.log.channel("a", 0).next();
        send(&opened, "a", Some("p"), &[b"a new one".to_vec()]);
        settle(&mut opened);
        assert!(opened.stop());
        let disk = Arc::new(Disk::open(place.path()).unwrap());
        let report = verify(&(disk as _), &mut |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        let again = open(Arc::new(Disk::open(place.path()).unwrap()), small()).unwrap();
        assert_eq!(
            read(&again.log.channel("a", 0)).messages[&next],
            b"a new one"
        );
    }
}
