//! Calls, and how they are made to fail.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::super::Failed;
use super::change::Keep;

/// A call to the storage or to one of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// How many calls were made before it.
    pub number: u64,
    /// What it was.
    pub kind: Kind,
    /// What it was about: for a file, the path that it was opened with.
    pub path: String,
    /// The new name, if it was a rename.
    pub to: Option<String>,
    /// Where it read, wrote or reserved.
    pub offset: u64,
    /// How many bytes it had to read, write or reserve, or the length that it set.
    pub length: u64,
}

impl Call {
    pub(super) fn new(kind: Kind, path: &str) -> Self {
        Self {
            number: 0,
            kind,
            path: path.to_owned(),
            to: None,
            offset: 0,
            length: 0,
        }
    }

    /// An error that it fails with, as the real storage tells of it.
    pub(super) fn error(&self, source: impl Into<io::Error>) -> io::Error {
        let call = self.kind.system_call();
        Failed::error(call, &self.path, Path::new(&self.path), source)
    }

    pub(super) fn range(self, offset: u64, length: u64) -> Self {
        Self {
            offset,
            length,
            ..self
        }
    }
}

/// What a call does: each method of [`Storage`](super::super::Storage) and [`File`](super::super::File)
/// is one.
#[expect(missing_docs, reason = "they have the names of the methods")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    Open,
    List,
    CreateDir,
    Rename,
    Remove,
    RemoveDir,
    SyncDir,
    Lock,
    Read,
    ReadCached,
    ReadDurable,
    Write,
    Sync,
    Length,
    SetLength,
    Reserve,
}

impl Kind {
    /// The system's call that the real storage makes for it.
    fn system_call(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::List => "readdir",
            Self::CreateDir => "mkdir",
            Self::Rename => "rename",
            Self::Remove => "unlink",
            Self::RemoveDir => "rmdir",
            Self::SyncDir => "fsync",
            Self::Lock => "flock",
            Self::Read | Self::ReadCached | Self::ReadDurable => "read",
            Self::Write => "write",
            Self::Sync => "fdatasync",
            Self::Length => "fstat",
            Self::SetLength => "ftruncate",
            Self::Reserve => "fallocate",
        }
    }

    /// Whether such a call can change what a crash leaves.
    pub fn changes(self) -> bool {
        let reads = matches!(self, Self::Read | Self::ReadCached | Self::ReadDurable);
        !reads && !matches!(self, Self::List | Self::Length | Self::Reserve)
    }
}

/// A call that has to fail: once, and with `EIO`, unless told otherwise.
///
/// If it is a sync, the changes that it should have made durable are given up, as Linux does it: reads
/// still see them, a later sync succeeds without them, and [`read_durable_at`] does not see them.
/// If it is any other call, it changes nothing. [`landing`](Self::landing) says otherwise.
///
/// [`read_durable_at`]: super::super::File::read_durable_at
#[derive(Clone, Debug)]
pub struct Fault {
    number: Option<u64>,
    kind: Option<Kind>,
    path: Option<String>,
    skip: u64,
    forever: bool,
    outcome: Outcome,
    landing: Keep,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Errno(i32),
    Kind(ErrorKind),
    Short,
}

/// What becomes of a call.
pub(super) enum Verdict {
    /// It is carried out.
    Go,
    /// It is carried out on half of its bytes.
    Short,
    /// It fails, and some of its changes are made.
    Fail(io::Error, Keep),
    /// The process ends while it is under way.
    Stop,
    /// The process ended before it.
    Gone,
}

/// `EIO`.
pub(super) const EIO: i32 = 5;
pub(super) const EMFILE: i32 = 24;

impl Fault {
    fn new(number: Option<u64>, kind: Option<Kind>) -> Self {
        Self {
            number,
            kind,
            path: None,
            skip: 0,
            forever: false,
            outcome: Outcome::Errno(EIO),
            landing: Keep::None,
        }
    }

    /// The call with this [number](Call::number).
    pub fn at(number: u64) -> Self {
        Self::new(Some(number), None)
    }

    /// The next call of a kind.
    pub fn next(kind: Kind) -> Self {
        Self::new(None, Some(kind))
    }

    /// Only a call whose path contains this.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Not the next such call, but the one after so many.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// That call and all such calls after it.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    /// It fails with an error of the system.
    #[must_use]
    pub fn errno(mut self, errno: i32) -> Self {
        self.outcome = Outcome::Errno(errno);
        self
    }

    /// It fails with a kind of error.
    #[must_use]
    pub fn error(mut self, kind: ErrorKind) -> Self {
        self.outcome = Outcome::Kind(kind);
        self
    }

    /// It does not fail, but reads or writes only half, rounded up.
    #[must_use]
    pub fn short(mut self) -> Self {
        self.outcome = Outcome::Short;
        self
    }

    /// Although it fails, so much of each change is made; of a sync, made durable.
    #[must_use]
    pub fn landing(mut self, keep: Keep) -> Self {
        self.landing = keep;
        self
    }

    /// Whether the fault is about a call. If so, and calls are still let through, this one is counted.
    fn strikes(&mut self, call: &Call) -> bool {
        let hit = self.number.is_none_or(|number| number == call.number)
            && self.kind.is_none_or(|kind| kind == call.kind)
            && self
                .path
                .as_ref()
                .is_none_or(|path| call.path.contains(path));
        if hit && self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        hit
    }

    fn verdict(&self, call: &Call) -> Verdict {
        let error = match self.outcome {
            Outcome::Short => return Verdict::Short,
            Outcome::Errno(errno) => io::Error::from_raw_os_error(errno),
            Outcome::Kind(kind) => kind.into(),
        };
        Verdict::Fail(call.error(error), self.landing)
    }
}

/// What the faults make of a call. The first fault that is about it strikes; later ones do not see it.
pub(super) fn judge(faults: &mut Vec<Fault>, call: &Call) -> Verdict {
    let Some(index) = faults.iter_mut().position(|fault| fault.strikes(call)) else {
        return Verdict::Go;
    };
    let verdict = faults[index].verdict(call);
    if !faults[index].forever {
        faults.remove(index);
    }
    verdict
}
