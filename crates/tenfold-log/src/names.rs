//! Where things are in the directory.

use crate::plausible::is_plausible;

/// The text with the versions of the formats.
pub(crate) const FORMAT: &str = "FORMAT";
/// The starts of the log.
pub(crate) const STARTS: &str = "STARTS";
/// Locked by the hub that runs.
pub(crate) const LOCK: &str = "LOCK";
/// Locked while files change that a backup copies.
pub(crate) const CHECKPOINT: &str = "CHECKPOINT";
/// The two files of the journal.
pub(crate) const JOURNALS: [&str; 2] = ["journal/0.journal", "journal/1.journal"];
/// Their directory.
pub(crate) const JOURNAL: &str = "journal";
/// The directory of the channels.
pub(crate) const CHANNELS: &str = "channels";
/// What recovery has put aside.
pub(crate) const ASIDE: &str = "aside";
/// Channels that are deleted and whose files are being removed.
pub(crate) const DELETED: &str = "deleted";
/// What the name of a file begins with that marks a channel's directory as one that is deleted; a number follows.
pub(crate) const MARK: &str = "deleted-";
/// Space for a snapshot on a full disk.
pub(crate) const SPARE: &str = "SPARE";
/// Written and removed to see whether there is space again.
pub(crate) const PROBE: &str = "probe.new";

/// Whether a channel can have this name, which is also the name of a directory.
pub(crate) fn is_channel(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=128).contains(&bytes.len())
        && plain(bytes[0])
        && bytes
            .iter()
            .all(|&byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a producer can have this ID.
pub(crate) fn is_producer(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a file is open for as long as someone has it, where few files are open: those of the journal, and the
/// probe, which several threads can make at once and have for a moment.
pub(crate) fn is_always_open(path: &str) -> bool {
    let file = path.strip_prefix(JOURNAL);
    path == PROBE || file.is_some_and(|file| file.starts_with('/'))
}

/// The directory of a channel.
pub(crate) fn channel(name: &str) -> String {
    format!("{CHANNELS}/{name}")
}

/// What the directory of a channel is called while its name is written once more. No channel can have such a name.
pub(crate) fn renamed(name: &str) -> String {
    format!("{CHANNELS}/{name}{RENAMED_ENDING}")
}

/// The channel whose directory has this name for a while.
pub(crate) fn before_renamed(name: &str) -> Option<&str> {
    let name = name.strip_suffix(RENAMED_ENDING)?;
    is_channel(name).then_some(name)
}

const RENAMED_ENDING: &str = ".RENAMED";

/// The snapshot of a channel.
pub(crate) fn snapshot(name: &str) -> String {
    format!("{CHANNELS}/{name}/snapshot")
}

/// The frames of the segment that begins with a seq.
pub(crate) fn frames(name: &str, segment: u64) -> String {
    format!("{CHANNELS}/{name}/{segment:020}.frames")
}

/// The index of the segment that begins with a seq.
pub(crate) fn index(name: &str, segment: u64) -> String {
    format!("{CHANNELS}/{name}/{segment:020}.index")
}

/// A file that is being written to take the place of another.
pub(crate) fn new(path: &str) -> String {
    format!("{path}{NEW_ENDING}")
}

/// The seq in the name of a segment's file with this ending.
pub(crate) fn segment_of(file: &str, ending: &str) -> Option<u64> {
    let digits = file.strip_suffix(ending)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let segment: u64 = all_digits.then(|| digits.parse().ok())??;
    is_plausible(segment).then_some(segment)
}

/// The ending of a segment's frames.
pub(crate) const FRAMES_ENDING: &str = ".frames";
/// The ending of what is being written to take the place of another.
pub(crate) const NEW_ENDING: &str = ".new";
/// The ending of a segment's index.
pub(crate) const INDEX_ENDING: &str = ".index";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_by_its_first_seq() {
        assert_eq!(frames("a", 7), "channels/a/00000000000000000007.frames");
        assert_eq!(
            segment_of("00000000000000000007.frames", ".frames"),
            Some(7)
        );
        for other in [
            "7.frames",
            "0000000000000000007x.frames",
            "+0000000000000000007.frames",
            "99999999999999999999.frames",
            "00000000000000000007.index",
            "00000000000000000007.frames.new",
        ] {
            assert_eq!(segment_of(other, ".frames"), None, "{other}");
        }
    }

    #[test]
    fn a_channel_is_a_name_that_leads_nowhere_else() {
        for name in ["a", "0", "ticks.eu-1_x"] {
            assert!(is_channel(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "a/b",
            "A",
            "a b",
            &"a".repeat(129),
        ] {
            assert!(!is_channel(name), "{name}");
        }
    }
}
