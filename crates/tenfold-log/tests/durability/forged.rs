//! A directory that came from somebody else, whose every CRC is right and whose numbers are not. Nothing panics,
//! nothing goes on forever, and no memory is taken for what is not there.

use std::fs::File;
use std::sync::Arc;

use proptest::prelude::*;
use tenfold_log::Storage;
use tenfold_log::storage::Disk;

use crate::damage::directory;
use crate::fuzzed::{Forge, index, journal, kind_of, recovery, text, use_it};
use crate::is_full;
use crate::support::reset;

/// Numbers at the edges of what arithmetic can do.
fn edge() -> impl Strategy<Value = u64> {
    let around =
        |middle: u64| (0..3_u64).prop_map(move |more| middle.wrapping_add(more).wrapping_sub(1));
    prop_oneof![
        around(0),
        around(4096),
        around(1 << 31),
        around(1 << 32),
        around(1 << 40),
        around(1 << 62),
        around(1 << 63),
        around(u64::MAX),
        0..100_000_u64,
        any::<u64>(),
    ]
}

#[test]
fn what_is_forged_has_the_right_check() {
    reset();
    let memory = directory(true).memory;
    for (path, _) in memory.files() {
        let bytes = memory.read(&path).unwrap();
        let mut forged = bytes.clone();
        if path.ends_with(".index") && bytes.len() > 48 {
            index(
                &mut forged,
                1,
                u64::from_le_bytes(bytes[48..56].try_into().unwrap()),
            );
        } else if path == "STARTS" {
            text(&mut forged, 0, 1);
        } else if path.starts_with("journal/") && bytes.starts_with(b"TF") {
            journal(
                &mut forged,
                0,
                u64::from_le_bytes(bytes[8..16].try_into().unwrap()),
            );
        }
        assert_eq!(forged, bytes, "{path}");
    }
}

#[test]
fn numbers_of_any_size_with_the_right_check_panic_nowhere() {
    let cases = if is_full() { 20_000 } else { 500 };
    reset();
    let made = [directory(true).memory, directory(false).memory];
    let files: Vec<Vec<(String, Forge)>> = made
        .each_ref()
        .map(|memory| {
            let files = memory.files().into_iter().filter(|(_, length)| *length > 0);
            files
                .filter_map(|(path, _)| kind_of(&path).map(|forge| (path, forge)))
                .collect()
        })
        .into();
    let forged = prop::collection::vec((any::<usize>(), any::<usize>(), edge()), 1..4);
    proptest!(ProptestConfig::with_cases(cases), |(which in 0..2_usize, forged in forged)| {
        let memory = made[which].copy();
        for (file, at, number) in forged {
            let (path, forge) = &files[which][file % files[which].len()];
            let mut bytes = memory.read(path).unwrap();
            forge(&mut bytes, at, number);
            memory.write(path, &bytes);
        }
        let storage: Arc<dyn Storage> = Arc::new(memory);
        use_it(&storage);
    });
}

#[test]
fn a_segment_can_have_any_name() {
    reset();
    for name in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 62) - 1] {
        let memory = directory(true).memory;
        memory.write(&format!("channels/a/{name:020}.frames"), b"1         x");
        memory.write(&format!("channels/a/{name:020}.index"), &[0; 96]);
        let storage: Arc<dyn Storage> = Arc::new(memory);
        use_it(&storage);
    }
}

/// A file of a terabyte without a byte in it, in the place of each kind of file, and after each kind.
#[test]
fn a_hole_of_a_terabyte_takes_no_memory_and_little_time() {
    const TERABYTE: u64 = 1 << 40;
    reset();
    let made = directory(false).memory;
    let files: Vec<(String, Vec<u8>)> = made
        .files()
        .into_iter()
        .map(|(path, _)| (path.clone(), made.read(&path).unwrap()))
        .collect();
    let paths = [
        "FORMAT",
        "STARTS",
        "channels/a/snapshot",
        ".index",
        ".frames",
    ];
    for (path, is_whole) in paths.iter().flat_map(|path| [(path, true), (path, false)]) {
        let place = tempfile::tempdir().unwrap();
        for (name, bytes) in &files {
            let to = place.path().join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::write(&to, bytes).unwrap();
        }
        let (name, _) = files.iter().find(|(name, _)| name.ends_with(path)).unwrap();
        let file = File::options()
            .write(true)
            .open(place.path().join(name))
            .unwrap();
        if is_whole {
            file.set_len(0).unwrap();
        }
        if file.set_len(TERABYTE).is_err() {
            println!("skipped: files here have no holes of a terabyte");
            return;
        }
        let storage: Arc<dyn Storage> = Arc::new(Disk::open(place.path()).unwrap());
        use_it(&storage);
    }
}

#[test]
fn the_corpus_of_recovery_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/recovery");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        recovery(&std::fs::read(&file).unwrap());
    }
}
