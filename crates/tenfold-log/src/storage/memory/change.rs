//! Changes that are not durable yet, and what a crash keeps of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::Content;
use super::fault::Call;

/// How much of a change a crash keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// All of it.
    All,
    /// Nothing.
    None,
    /// The first bytes of a write; any other change as a whole.
    Prefix(usize),
    /// Those 512-byte sectors of a write that this seed picks, and the length that it gave the file;
    /// any other change as a whole.
    Sectors(u64),
}

/// The fewest bytes that a disk writes at once.
const SECTOR: u64 = 512;

/// A file or a directory, whatever its name.
pub(super) type Id = u64;

/// The directory that everything is in.
pub(super) const ROOT: Id = 0;

/// A change that is not durable.
#[derive(Clone)]
pub(super) struct Pending {
    /// The call that made it.
    pub(super) call: Call,
    /// The file or the directory that is changed.
    pub(super) id: Id,
    pub(super) change: Change,
}

/// A change of a file or a directory.
#[derive(Clone)]
pub(super) enum Change {
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
    },
    Extend(u64),
    SetLength(u64),
    /// Gives a name to a file or directory that has none.
    Link {
        name: String,
        id: Id,
    },
    /// Takes a name away from a file or directory.
    Unlink {
        name: String,
        id: Id,
    },
    /// Gives a file or directory another name, perhaps in another directory, in the place of whatever had it.
    Move {
        id: Id,
        to: Id,
        name: String,
    },
}

impl Change {
    /// What a sync of a directory makes durable: what is named in it, and what is moved from or
    /// to it.
    pub(super) fn touches(&self, of: Id, directory: Id) -> bool {
        let to = matches!(self, Self::Move { to, .. } if *to == directory);
        self.named().is_some() && (of == directory || to)
    }

    /// The file or directory that it gives a name to, or takes one from.
    pub(super) fn named(&self) -> Option<Id> {
        match self {
            Self::Link { id, .. } | Self::Unlink { id, .. } | Self::Move { id, .. } => Some(*id),
            Self::Write { .. } | Self::Extend(_) | Self::SetLength(_) => None,
        }
    }

    /// What a crash that keeps so much leaves of this change.
    pub(super) fn keep(self, keep: Keep) -> Vec<Self> {
        match (keep, self) {
            (Keep::None, _) => Vec::new(),
            (Keep::Prefix(length), Self::Write { offset, bytes }) => {
                let bytes = bytes[..length.min(bytes.len())].into();
                vec![Self::Write { offset, bytes }]
            }
            (Keep::Sectors(seed), Self::Write { offset, bytes }) => {
                let mut kept = sectors(seed, offset, &bytes);
                kept.push(Self::Extend(offset + bytes.len() as u64));
                kept
            }
            (_, change) => vec![change],
        }
    }

    /// Makes this change.
    pub(super) fn make(&self, of: Id, view: &mut View) {
        match self {
            Self::Write { offset, bytes } => view.file(of).write(bytes, *offset),
            Self::Extend(length) => view.file(of).extend(*length),
            Self::SetLength(length) => view.file(of).set_length(*length),
            Self::Link { name, id } => {
                view.names(of).insert(name.clone(), *id);
            }
            Self::Unlink { name, id } => {
                if view.names(of).get(name) == Some(id) {
                    view.names(of).remove(name);
                }
            }
            Self::Move { id, to, name } => {
                view.names(of).retain(|_, other| other != id);
                view.names(*to).retain(|_, other| other != id);
                view.names(*to).insert(name.clone(), *id);
            }
        }
    }
}

/// By chance one half of the sectors of a write.
fn sectors(seed: u64, offset: u64, bytes: &[u8]) -> Vec<Change> {
    let mut chance = Chance::new(seed);
    let mut kept = Vec::new();
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done as u64;
        let left = usize::try_from(SECTOR - at % SECTOR).unwrap_or(1);
        let end = bytes.len().min(done + left);
        if chance.below(2) == 0 {
            let bytes = bytes[done..end].into();
            kept.push(Change::Write { offset: at, bytes });
        }
        done = end;
    }
    kept
}

/// Files and directories as the running system sees them, or as a disk has them after a crash.
#[derive(Clone, Default)]
pub(super) struct View {
    pub(super) files: BTreeMap<Id, Content>,
    pub(super) directories: BTreeMap<Id, BTreeMap<String, Id>>,
}

impl View {
    /// What a file holds: nothing, if nothing was written.
    pub(super) fn file(&mut self, id: Id) -> &mut Content {
        self.files.entry(id).or_default()
    }

    /// What a directory holds: nothing, if nothing was made in it.
    pub(super) fn names(&mut self, id: Id) -> &mut BTreeMap<String, Id> {
        self.directories.entry(id).or_default()
    }

    /// Every file that has a name, with its path.
    pub(super) fn named_files(&self, is_directory: impl Fn(Id) -> bool) -> Vec<(String, Id)> {
        let (mut files, mut open) = (Vec::new(), vec![(String::new(), ROOT)]);
        while let Some((path, directory)) = open.pop() {
            for (name, &id) in self.directories.get(&directory).into_iter().flatten() {
                let path = format!("{path}{name}");
                if is_directory(id) {
                    open.push((path + "/", id));
                } else {
                    files.push((path, id));
                }
            }
        }
        files.sort();
        files
    }
}

/// A series of numbers from a seed (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
