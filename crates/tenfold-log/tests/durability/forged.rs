//! A directory that came from somebody else, whose every CRC is right and whose numbers are not. Nothing panics,
//! nothing goes on forever, and no memory is taken for what is not there.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;
use tenfold_log::storage::Disk;
use tenfold_log::{Opened, ReadError, Storage, repair, stats, verify};

use crate::damage::directory;
use crate::is_full;
use crate::support::{reset, send, settle, small};

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, byte)
}

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

/// Puts a number into a field of a file's bytes, and makes the CRC right.
type Forge = fn(&mut Vec<u8>, where_: usize, number: u64);

fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// A field of a record of an index.
#[expect(
    clippy::ptr_arg,
    reason = "texts change their length, and have the same signature"
)]
fn index(bytes: &mut Vec<u8>, at: usize, number: u64) {
    const RECORD: usize = 48;
    let segment = bytes[8..16].to_vec();
    let records = bytes.len() / RECORD;
    let start = at % records * RECORD;
    let field = at / records % 5;
    let record = &mut bytes[start..start + RECORD];
    match field {
        4 => record[32..36].copy_from_slice(&number.to_le_bytes()[..4]),
        field => put(record, field * 8, number),
    }
    let check = match start {
        0 => crc(&record[..44]),
        _ => crc(&[&record[..44], &segment].concat()),
    };
    record[44..].copy_from_slice(&check.to_le_bytes());
}

/// A number of a text whose last line is its CRC.
fn text(bytes: &mut Vec<u8>, at: usize, number: u64) {
    let old = String::from_utf8(bytes.clone()).unwrap();
    let mut words: Vec<Vec<String>> = old
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect();
    words.pop();
    let is_number = |word: &&mut String| word.bytes().all(|byte| byte.is_ascii_digit());
    let numbers: Vec<&mut String> = words
        .iter_mut()
        .skip(1)
        .flatten()
        .filter(is_number)
        .collect();
    let count = numbers.len().max(1);
    if let Some(word) = numbers.into_iter().nth(at % count) {
        *word = number.to_string();
    }
    let lines = words.iter().map(|line| line.join(" ") + "\n");
    let text: String = lines.collect();
    *bytes = format!("{text}crc {:08x}\n", crc(text.as_bytes())).into_bytes();
}

/// A field of the header of a journal, or of a batch's head and its records.
#[expect(
    clippy::ptr_arg,
    reason = "texts change their length, and have the same signature"
)]
fn journal(bytes: &mut Vec<u8>, at: usize, number: u64) {
    const BLOCK: usize = 4096;
    let heads: Vec<usize> = (BLOCK..bytes.len())
        .step_by(BLOCK)
        .filter(|&at| &bytes[at..at + 4] == b"TFB1")
        .collect();
    let which = at % (heads.len() + 1);
    let at = at / (heads.len() + 1);
    if which == 0 {
        put(bytes, 8 + at % 4 * 8, number);
        let check = crc(&bytes[..44]);
        bytes[44..48].copy_from_slice(&check.to_le_bytes());
        return;
    }
    let start = heads[which - 1];
    let length = u32::from_le_bytes(bytes[start + 4..start + 8].try_into().unwrap()) as usize;
    let end = bytes.len().min(start + length);
    let head = &mut bytes[start..end];
    // Any eight bytes after the magic, but for the CRC: fields of the head, and of its records.
    let at = 4 + at % (head.len() - 12);
    put(head, at, number);
    if (41..=52).contains(&at) && head.len() < 60 {
        return;
    }
    let check = crc(&[&head[..48], &head[52..]].concat());
    head[48..52].copy_from_slice(&check.to_le_bytes());
}

fn kind_of(path: &str) -> Option<Forge> {
    match path {
        _ if path.ends_with(".index") => Some(index),
        _ if path.ends_with("/snapshot") || path == "STARTS" => Some(text),
        _ if path.starts_with("journal/") => Some(journal),
        _ => None,
    }
}

/// Reads all that can be read of a channel.
fn read(opened: &Opened) {
    for channel in opened.log.channels() {
        let _ = channel.at_time(SystemTime::UNIX_EPOCH);
        let _ = channel.at_time(SystemTime::now());
        let mut reader = channel.reader(channel.first());
        for _ in 0..1000 {
            let before = reader.seq();
            match reader.read(300) {
                Ok(_) => assert!(reader.seq() > before),
                Err(ReadError::Corrupt { next, .. }) => {
                    assert!(next > before, "{next} after {before}");
                    reader = channel.reader(next);
                }
                Err(_) => break,
            }
        }
    }
}

/// Everything that is done with a directory.
fn use_it(storage: &Arc<dyn Storage>) {
    let _ = stats(storage);
    let _ = verify(storage, &mut |_, _| {});
    if let Ok(mut opened) = tenfold_log::open(Arc::clone(storage), small()) {
        read(&opened);
        for name in ["a", "b", "new"] {
            send(&opened, name, Some("p"), &[b"more".to_vec()]);
        }
        settle(&mut opened);
        read(&opened);
    }
    let _ = repair(storage, small());
    if let Ok(opened) = tenfold_log::open(Arc::clone(storage), small()) {
        read(&opened);
    }
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
