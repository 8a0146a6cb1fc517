//! What a start makes of files that say anything: the property that `fuzz/` calls, too. It needs nothing of the other
//! tests.

use std::sync::Arc;
use std::time::SystemTime;

use tenfold_log::storage::Memory;
use tenfold_log::{
    Commit, Opened, Options, ReadError, Receipt, Refused, Storage, Submission, open, repair, stats,
    verify,
};

struct Silent;

impl Receipt for Silent {
    fn committed(&mut self, _: Commit) {}

    fn written(self: Box<Self>) {}

    fn refused(self: Box<Self>, _: Refused) {}
}

/// Small files, so that a few messages fill several, and the same random number at all times.
fn small() -> Options {
    let mut options = Options::new(|| 0x0123_4567_89ab_cdef);
    options.clock = || SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    options.journal = 4 * 4096;
    options.segment = 500;
    options
}

fn send(opened: &Opened, channel: &str, count: usize) {
    let channel = opened.log.channel(channel, 7);
    let frames = b"20        a message as it goes".repeat(count);
    let submission = Submission::new(frames, count as u64, Silent).by("p");
    drop(opened.log.submit(&channel, submission));
}

fn settle(opened: &mut Opened) {
    while opened.committer.step() || opened.checkpointer.step() {}
}

/// A small log. Each three bytes, and the eight after them, are a file, a place in it, and a number for there.
pub(crate) fn recovery(data: &[u8]) {
    let memory = Memory::new();
    let mut opened = open(Arc::new(memory.clone()), small()).unwrap();
    for round in 0..6 {
        for channel in ["a", "b"] {
            send(&opened, channel, 1 + round * 3);
            settle(&mut opened);
        }
    }
    drop(opened);
    let memory = memory.copy();
    let files: Vec<(String, Forge)> = memory
        .files()
        .into_iter()
        .filter(|(_, length)| *length > 0)
        .filter_map(|(path, _)| kind_of(&path).map(|forge| (path, forge)))
        .collect();
    for edit in data.chunks_exact(11).take(8) {
        let (path, forge) = &files[usize::from(edit[0]) % files.len()];
        let mut bytes = memory.read(path).unwrap();
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]]));
        forge(
            &mut bytes,
            at,
            u64::from_le_bytes(edit[3..].try_into().unwrap()),
        );
        memory.write(path, &bytes);
    }
    let storage: Arc<dyn Storage> = Arc::new(memory);
    use_it(&storage);
}

/// Everything that is done with a directory.
pub(crate) fn use_it(storage: &Arc<dyn Storage>) {
    let _ = stats(storage);
    let _ = verify(storage, &mut |_, _| {});
    if let Ok(mut opened) = open(Arc::clone(storage), small()) {
        read(&opened);
        for name in ["a", "b", "new"] {
            send(&opened, name, 1);
        }
        settle(&mut opened);
        read(&opened);
    }
    let _ = repair(storage, small());
    if let Ok(opened) = open(Arc::clone(storage), small()) {
        read(&opened);
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

/// Puts a number into a field of a file's bytes, and makes the CRC right.
pub(crate) type Forge = fn(&mut Vec<u8>, where_: usize, number: u64);

fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// A field of a record of an index.
#[expect(
    clippy::ptr_arg,
    reason = "texts change their length, and have the same signature"
)]
pub(crate) fn index(bytes: &mut Vec<u8>, at: usize, number: u64) {
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
pub(crate) fn text(bytes: &mut Vec<u8>, at: usize, number: u64) {
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
pub(crate) fn journal(bytes: &mut Vec<u8>, at: usize, number: u64) {
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
    // An earlier number may have cut it.
    if head.len() < 60 {
        return;
    }
    let at = 4 + at % (head.len() - 12);
    put(head, at, number);
    let check = crc(&[&head[..48], &head[52..]].concat());
    head[48..52].copy_from_slice(&check.to_le_bytes());
}

pub(crate) fn kind_of(path: &str) -> Option<Forge> {
    match path {
        _ if path.ends_with(".index") => Some(index),
        _ if path.ends_with("/snapshot") || path == "STARTS" => Some(text),
        _ if path.starts_with("journal/") => Some(journal),
        _ => None,
    }
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, byte)
}
