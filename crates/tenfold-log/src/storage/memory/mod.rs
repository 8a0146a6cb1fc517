//! A storage in memory, for tests: it fails on command, and yields what a disk could hold after a
//! crash.
//!
//! | what | where |
//! |---|---|
//! | what is there, for reads and on disk | `state`, `content` |
//! | changes that are not durable yet | `change` |
//! | the storage and its files | `calls` |
//! | calls that fail | `fault` |
//! | what is there after a crash | `image` |

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::State;

mod calls;
mod change;
mod content;
mod fault;
mod image;
mod state;

pub use self::change::Keep;
pub use self::fault::{Call, Fault, Kind};

/// A storage in memory. A clone is the same storage; [`copy`](Self::copy) makes another one.
///
/// It keeps apart what reads see, what is durable, and the changes in between. It never makes
/// anything durable by itself: only a sync does. Everything that it does is determined by the calls.
///
/// A rename is one change, also if it is from one directory to another: a sync of either makes it
/// durable. Space is counted in blocks of 4,096 bytes.
#[derive(Clone)]
#[must_use]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("calls", &self.calls())
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}

/// Calls, and how they are made to fail.
impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::of(State::new())
    }

    fn of(mut state: State) -> Self {
        state.prune();
        let state = Arc::new(Mutex::new(state));
        Self { state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls were made: the number of the next one.
    pub fn calls(&self) -> u64 {
        self.state().trace.len() as u64
    }

    /// The calls that were made, each at the index that is its number.
    pub fn trace(&self) -> Vec<Call> {
        self.state().trace.clone()
    }

    /// Makes a call fail. Of several faults that are about the same call, the first counts.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Forgets the faults that have not struck yet, and those that strike forever.
    pub fn forget_faults(&self) {
        self.state().faults.clear();
    }

    /// How many faults have not struck yet, or strike forever.
    pub fn faults(&self) -> usize {
        self.state().faults.len()
    }

    /// Ends the process during the call with this number: that one and all after it fail. What it
    /// would have changed is among what a crash keeps or not.
    pub fn stop_at(&self, number: u64) {
        self.state().stop = Some(number);
    }

    /// Whether the process has ended.
    pub fn is_stopped(&self) -> bool {
        self.state().gone
    }

    /// The device refuses what waits to be written, and takes writes again. The changes are given up, as by a
    /// failed sync. The next sync of each such file fails with `EIO`, whoever has opened it. What would have
    /// made a file longer is not written to it later either, although syncs succeed: ext4 does that.
    pub fn refuse_writes(&self) {
        self.state().refuse_writes();
    }

    /// What a sync would tell of a refused write is forgotten as soon as nobody has the file open. A system that
    /// needs memory does that.
    pub fn forget_errors_of_closed_files(&self) {
        self.state().forgets_closed = true;
    }

    /// Limits how many files can be open at once: to open another one fails with `EMFILE`.
    pub fn set_files(&self, most: u64) {
        self.state().most_files = Some(most);
    }

    /// Limits the space for all files, in bytes. Writes are short when it runs out, and then fail
    /// with `StorageFull`; so does [`reserve`](super::File::reserve). A range that is reserved is
    /// counted together with everything in front of it.
    pub fn set_space(&self, bytes: u64) {
        self.state().space = Some(bytes);
    }

    /// Ends the limit.
    pub fn unlimit_space(&self) {
        self.state().space = None;
    }

    /// The space that the files take, in bytes.
    pub fn used_space(&self) -> u64 {
        self.state().used()
    }
}

/// For tests, without calls: what it does is durable at once.
impl Memory {
    /// The paths of all files, with their lengths, sorted.
    pub fn files(&self) -> Vec<(String, u64)> {
        let mut state = self.state();
        let files = state.volatile.named_files(|id| state.is_directory(id));
        let mut length = |id| state.volatile.file(id).length();
        files
            .into_iter()
            .map(|(path, id)| (path, length(id)))
            .collect()
    }

    /// The contents of a file as reads see them; `None` if it is not there.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let id = state.file_at(path).ok()?;
        Some(state.volatile.file(id).to_vec())
    }

    /// The contents of a file as the disk has them for certain; `None` if reads see no such file.
    pub fn read_durable(&self, path: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let id = state.file_at(path).ok()?;
        Some(state.durable.file(id).to_vec())
    }

    /// Makes a file with these contents, and the directories above it, in the place of what is there.
    ///
    /// # Panics
    ///
    /// If there is a directory of that name, or a file in the place of one of the directories.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        if let Some((above, _)) = path.rsplit_once('/') {
            let changes = state.plan_create_dir(&Call::new(Kind::CreateDir, above));
            state.change(changes.expect("directories can be made"), Keep::All);
        }
        let opened = state.plan_open(&Call::new(Kind::Open, path), true);
        let (id, changes) = opened.expect("a file can be made");
        state.change(changes, Keep::All);
        state.settle_names(path);
        let content = state.volatile.file(id);
        content.set_length(0);
        content.write(bytes, 0);
        state.settle(id);
    }

    /// Changes one bit of a file, counted from the lowest of the first byte.
    ///
    /// # Panics
    ///
    /// If the file is not there, or is shorter.
    pub fn flip(&self, path: &str, bit: u64) {
        self.edit(path, |content| {
            let mut byte = [0];
            assert_eq!(
                content.read(&mut byte, bit / 8),
                1,
                "{path} has no bit {bit}"
            );
            content.write(&[byte[0] ^ (1 << (bit % 8))], bit / 8);
        });
    }

    /// Cuts a file, or extends it with zeros.
    ///
    /// # Panics
    ///
    /// If the file is not there.
    pub fn truncate(&self, path: &str, length: u64) {
        self.edit(path, |content| content.set_length(length));
    }

    /// Removes a file.
    ///
    /// # Panics
    ///
    /// If the file is not there.
    pub fn remove_file(&self, path: &str) {
        let mut state = self.state();
        let changes = state.plan_remove(&Call::new(Kind::Remove, path));
        state.change(changes.expect("a file is there"), Keep::All);
        state.settle_names(path);
    }

    /// Makes everything durable as reads see it.
    pub fn settle(&self) {
        self.state().settle_all();
    }

    fn edit(&self, path: &str, edit: impl FnOnce(&mut content::Content)) {
        let mut state = self.state();
        let id = state.file_at(path).expect("a file is there");
        edit(state.volatile.file(id));
        state.settle(id);
    }
}
