//! A disk with troubles of its own: calls take time, and fail, as a seed says.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenfold_log::storage::{Fault, File, Keep, Kind, Memory, Sharing, Storage};

use super::random::Random;
use super::turns;

/// A storage in memory, whose calls take time and fail. A clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// What is on it for the machine that runs now.
    pub(crate) memory: Memory,
    state: Arc<Mutex<State>>,
    /// How many files a log may have open at once, as it is told.
    files: usize,
}

/// What is the matter with a disk, whatever is on it.
#[derive(Debug)]
struct State {
    random: Random,
    /// The longest that a sync takes.
    sync: Duration,
    now: Troubles,
    /// What is on the disk now: the space there is limited.
    memory: Memory,
}

/// What is the matter with a disk. 0: nothing of that kind.
#[derive(Clone, Copy, Debug, Default)]
struct Troubles {
    /// One in so many calls fails with `EIO`.
    eio: u64,
    /// One in so many files cannot be opened: there are too many.
    emfile: u64,
    /// One in so many calls takes up to `stall`.
    slow: u64,
    stall: Duration,
    /// There is space for so many bytes more.
    space: Option<u64>,
    /// Somebody else holds the lock that a checkpoint needs.
    is_locked: bool,
}

/// Something that can be the matter with a disk for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Errors,
    TooManyFiles,
    NoSpace,
    Slow,
    RefusedWrites,
    /// A backup is being made, and may be suspended in the middle.
    HeldLock,
}

impl Trouble {
    /// No such trouble lasts longer than this.
    pub(crate) fn longest(self) -> Duration {
        match self {
            // Longer than frames wait for it.
            Self::HeldLock => Duration::from_secs(45),
            _ => Duration::from_secs(4),
        }
    }
}

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    path: String,
    file: Arc<dyn File>,
}

const EIO: i32 = 5;
const EMFILE: i32 = 24;

/// How long a call takes that is not a sync, if it takes any time.
const CALL: Duration = Duration::from_millis(2);

impl Disk {
    pub(crate) fn new(mut random: Random) -> Self {
        let sync = Duration::from_micros(random.one_of(&[200, 3000, 20_000]));
        let memory = Memory::new();
        let state = State {
            random,
            sync,
            now: Troubles::default(),
            memory: memory.clone(),
        };
        Self {
            memory,
            state: Arc::new(Mutex::new(state)),
            files: usize::MAX,
        }
    }

    /// The same, where a log may have so many files open.
    pub(crate) fn with_files(self, files: usize) -> Self {
        Self { files, ..self }
    }

    /// The same disk with what is on it after the end of the process or of the machine.
    pub(crate) fn after(&self, memory: Memory) -> Self {
        let mut state = self.state();
        state.memory = memory.clone();
        state.limit_space();
        Self {
            memory,
            state: Arc::clone(&self.state),
            files: self.files,
        }
    }

    /// Something begins to be the matter with it.
    pub(crate) fn have_trouble(&self, random: &mut Random) -> Trouble {
        let kinds = [
            Trouble::Errors,
            Trouble::TooManyFiles,
            Trouble::TooManyFiles,
            Trouble::NoSpace,
            Trouble::NoSpace,
            Trouble::Slow,
            Trouble::Slow,
            Trouble::RefusedWrites,
            Trouble::HeldLock,
        ];
        let trouble = random.one_of(&kinds);
        let mut state = self.state();
        let now = &mut state.now;
        match trouble {
            Trouble::Errors => now.eio = random.one_of(&[5, 50, 300]),
            Trouble::TooManyFiles => now.emfile = random.one_of(&[1, 2, 6]),
            Trouble::NoSpace => now.space = Some(random.one_of(&[0, 5000, 40_000])),
            Trouble::Slow => {
                now.slow = 6;
                now.stall = Duration::from_millis(random.one_of(&[500, 3000, 20_000]));
            }
            Trouble::RefusedWrites => state.memory.refuse_writes(),
            Trouble::HeldLock => now.is_locked = true,
        }
        state.limit_space();
        trouble
    }

    /// That is over.
    pub(crate) fn end(&self, trouble: Trouble) {
        let mut state = self.state();
        let now = &mut state.now;
        match trouble {
            Trouble::Errors => now.eio = 0,
            Trouble::TooManyFiles => now.emfile = 0,
            Trouble::NoSpace => now.space = None,
            Trouble::Slow => now.slow = 0,
            Trouble::RefusedWrites => {}
            Trouble::HeldLock => now.is_locked = false,
        }
        state.limit_space();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes before a call: it takes its time, and then it fails or not.
    fn before(&self, kind: Kind, path: &str) {
        let time = self.state().time(kind);
        if let Some(time) = time {
            // Nothing that others need is locked while these are synced.
            let lets_others =
                kind == Kind::Sync && (!path.contains(".new") || path.contains("snapshot"));
            turns::take(time, lets_others);
        }
        if let Some(fault) = self.state().fault(kind) {
            self.memory.fail(fault);
        }
    }
}

impl State {
    fn limit_space(&self) {
        match self.now.space {
            Some(more) => self.memory.set_space(self.memory.used_space() + more),
            None => self.memory.unlimit_space(),
        }
    }

    fn time(&mut self, kind: Kind) -> Option<Duration> {
        let Troubles { slow, stall, .. } = self.now;
        if slow > 0 && self.random.one_in(slow) {
            return Some(self.random.time(stall));
        }
        match kind {
            Kind::Sync | Kind::SyncDir => Some(self.random.time(self.sync)),
            Kind::Write | Kind::Open | Kind::Rename if self.random.one_in(4) => {
                Some(self.random.time(CALL))
            }
            _ => None,
        }
    }

    fn fault(&mut self, kind: Kind) -> Option<Fault> {
        let Troubles { eio, emfile, .. } = self.now;
        let may_open = matches!(kind, Kind::Open | Kind::Lock);
        if may_open && emfile > 0 && self.random.one_in(emfile) {
            return Some(Fault::next(kind).errno(EMFILE));
        }
        if eio == 0 || !self.random.one_in(eio) {
            return None;
        }
        let part = self.random.index(5000);
        let seed = self.random.next();
        let landing = [
            Keep::None,
            Keep::All,
            Keep::Prefix(part),
            Keep::Sectors(seed),
        ];
        Some(
            Fault::next(kind)
                .errno(EIO)
                .landing(self.random.one_of(&landing)),
        )
    }

    /// Whether the system has something in memory.
    fn has_cached(&mut self) -> bool {
        !self.random.one_in(4)
    }
}

impl Storage for Disk {
    fn files_at_once(&self) -> usize {
        self.files
    }

    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        self.before(Kind::Open, path);
        Ok(Arc::new(DiskFile {
            file: self.memory.open(path, create)?,
            path: path.to_owned(),
            disk: self.clone(),
        }))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.before(Kind::List, path);
        self.memory.list(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.before(Kind::CreateDir, path);
        self.memory.create_dir(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.before(Kind::Rename, from);
        self.memory.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.before(Kind::Remove, path);
        self.memory.remove(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.before(Kind::RemoveDir, path);
        self.memory.remove_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.before(Kind::SyncDir, path);
        self.memory.sync_dir(path)
    }

    fn lock(
        &self,
        path: &str,
        sharing: Sharing,
    ) -> io::Result<Box<dyn std::fmt::Debug + Send + Sync>> {
        self.before(Kind::Lock, path);
        if path == "CHECKPOINT" && self.state().now.is_locked {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.memory.lock(path, sharing)
    }
}

impl DiskFile {
    fn before(&self, kind: Kind) {
        self.disk.before(kind, &self.path);
    }
}

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.before(Kind::Read);
        self.file.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if !self.disk.state().has_cached() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.before(Kind::ReadCached);
        self.file.read_cached_at(buffer, offset)
    }

    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.before(Kind::ReadDurable);
        self.file.read_durable_at(buffer, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.before(Kind::Write);
        self.file.write_at(slices, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.before(Kind::Sync);
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.before(Kind::Length);
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.before(Kind::SetLength);
        self.file.set_length(length)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        self.before(Kind::Reserve);
        self.file.reserve(offset, length)
    }
}
