//! A directory of the real file system.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Advice, AtFlags, CWD, Dir, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::{fs, io as rio};

use super::failed::Failed;
use super::{File, Sharing, Storage};

/// A directory of the real file system. It stays the same one if it is moved while it is open.
///
/// Every error but `WouldBlock` of a cached read names the path. None of the calls is repeated
/// when it is interrupted.
#[derive(Debug)]
pub struct Disk {
    root: OwnedFd,
    path: PathBuf,
    /// Space that was reserved can run out all the same: the file system cannot reserve, or writes what is
    /// overwritten to another place.
    is_unsure: Arc<AtomicBool>,
}

/// What is kept free where space cannot be reserved for sure: a 64th of the file system, within these.
const LEAST_KEPT: u64 = 1 << 20;
const MOST_KEPT: u64 = 64 << 20;
/// What is made is for its owner alone, whatever the umask leaves: messages can be secrets.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
/// The permission that everybody has to write.
const OTHERS_WRITE: u32 = 0o002;
/// File systems that write to another place what is overwritten: btrfs, bcachefs, ZFS, NILFS.
const COPY_ON_WRITE: [i128; 4] = [0x9123_683e, 0xca45_1a4e, 0x2fc1_2fc1, 0x3434];

impl Disk {
    /// Opens a directory that is there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let root = open_dir(CWD, path).map_err(at("open", path))?;
        // The field's type is the machine's.
        let kind = i128::from(fs::fstatfs(&root).map_err(at("statfs", path))?.f_type);
        let is_unsure = COPY_ON_WRITE.contains(&kind);
        Ok(Self {
            root,
            path: path.to_owned(),
            is_unsure: Arc::new(AtomicBool::new(is_unsure)),
        })
    }

    /// Opens a directory; makes it and those above it, durably and for this user alone, where they are not
    /// there. One that everybody may write to is refused: anybody could put other files in the place of ours.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        create_durably(path)?;
        let disk = Self::open(path)?;
        let mode = fs::fstat(&disk.root).map_err(at("fstat", path))?.st_mode;
        if mode & OTHERS_WRITE != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{path}: everybody may write to this directory (its mode is {:o}), so anybody could replace what is \
                     in it; say `chmod o-w {path}` first",
                    mode & 0o7777,
                    path = path.display()
                ),
            ));
        }
        Ok(disk)
    }

    /// The directory's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says in an error which call it is of, and what it is about.
    fn at(&self, call: &'static str, path: &str) -> impl Fn(Errno) -> io::Error {
        let (path, shown) = (path.to_owned(), self.shown(path));
        move |errno| Failed::error(call, &path, &shown, errno)
    }

    /// A path within the directory as the user knows it.
    fn shown(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.path.clone()
        } else {
            self.path.join(path)
        }
    }

    /// Opens a file for reading and writing, or else, if it is there, for reading only; and says
    /// what writing was refused with.
    fn open_file(&self, path: &str, create: bool) -> rio::Result<(OwnedFd, Option<Errno>)> {
        let flags = OFlags::CLOEXEC | OFlags::NOCTTY;
        let write = if create {
            flags | OFlags::RDWR | OFlags::CREATE
        } else {
            flags | OFlags::RDWR
        };
        match fs::openat(&self.root, path, write, Mode::from_raw_mode(PRIVATE_FILE)) {
            Ok(fd) => Ok((fd, None)),
            Err(errno @ (Errno::ACCESS | Errno::ROFS | Errno::PERM)) => {
                let read = flags | OFlags::RDONLY;
                match fs::openat(&self.root, path, read, Mode::empty()) {
                    Ok(fd) => Ok((fd, Some(errno))),
                    Err(Errno::NOENT) if !create => Err(Errno::NOENT),
                    Err(_) => Err(errno),
                }
            }
            Err(errno) => Err(errno),
        }
    }
}

/// Flushes that a disk is given at once. A disk for servers takes them together, and one that does not loses
/// nothing.
const FLUSHES: usize = 32;

impl Storage for Disk {
    fn flushes_at_once(&self) -> usize {
        FLUSHES
    }

    /// A file that may only be read is opened as well; what would change it fails.
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        let (fd, refused) = self
            .open_file(path, create)
            .map_err(self.at("open", path))?;
        Ok(Arc::new(DiskFile {
            fd,
            path: path.to_owned(),
            shown: self.shown(path),
            refused,
            direct: OnceLock::new(),
            is_unsure: Arc::clone(&self.is_unsure),
        }))
    }

    /// A name that is not UTF-8 is listed with U+FFFD in it, so nothing is found under it.
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = names(&self.root, path).map_err(self.at("readdir", path))?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]).filter(|&end| end > 0) {
            make_dir(&self.root, &path[..end]).map_err(self.at("mkdir", path))?;
        }
        // Something else may have the name.
        open_dir(&self.root, Path::new(path)).map_err(self.at("open", path))?;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::renameat(&self.root, from, &self.root, to).map_err(self.at("rename", from))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::unlinkat(&self.root, path, AtFlags::empty()).map_err(self.at("unlink", path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::unlinkat(&self.root, path, AtFlags::REMOVEDIR).map_err(self.at("rmdir", path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let directory = open_dir(&self.root, Path::new(path)).map_err(self.at("open", path))?;
        fs::fsync(directory).map_err(self.at("fsync", path))
    }

    fn has_space(&self, bytes: u64) -> io::Result<()> {
        if !self.is_unsure.load(Relaxed) {
            return Ok(());
        }
        let stat = fs::fstatvfs(&self.root).map_err(self.at("statvfs", ""))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let all = stat.f_blocks.saturating_mul(stat.f_frsize);
        let kept = (all / 64).clamp(LEAST_KEPT, MOST_KEPT);
        if free < bytes.saturating_add(kept) {
            return Err(self.at("statvfs", "")(Errno::NOSPC));
        }
        Ok(())
    }

    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let (fd, _) = self.open_file(path, true).map_err(self.at("open", path))?;
        let operation = match sharing {
            Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
        };
        fs::flock(&fd, operation).map_err(self.at("flock", path))?;
        Ok(Box::new(Locked { _fd: fd }))
    }
}

/// Opens a directory. The empty path is the one that it starts from.
fn open_dir(from: impl AsFd, path: &Path) -> rio::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(from, path, flags, Mode::empty())
}

/// Makes a directory; tells whether it was not there.
fn make_dir(from: impl AsFd, path: impl rustix::path::Arg) -> rio::Result<bool> {
    match fs::mkdirat(from, path, Mode::from_raw_mode(PRIVATE_DIRECTORY)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Makes a directory and those above it, and makes the names durable that are new.
fn create_durably(path: &Path) -> io::Result<()> {
    let made = match make_dir(CWD, path) {
        Err(Errno::NOENT) if path.parent().is_some() => {
            create_durably(path.parent().unwrap_or(path))?;
            make_dir(CWD, path)
        }
        result => result,
    };
    if made.map_err(at("mkdir", path))? {
        let above = path.parent().unwrap_or(path);
        open_dir(CWD, above)
            .and_then(fs::fsync)
            .map_err(at("fsync", above))?;
    }
    Ok(())
}

/// The names in a directory, without `.` and `..`, in no order.
fn names(root: &OwnedFd, path: &str) -> rio::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::new(open_dir(root, Path::new(path))?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// A lock that is held. It ends when the file is closed.
#[derive(Debug)]
struct Locked {
    _fd: OwnedFd,
}

/// An open file.
#[derive(Debug)]
struct DiskFile {
    fd: OwnedFd,
    /// The name that it was opened with, and the one that the user knows.
    path: String,
    shown: PathBuf,
    /// What writing is refused with, if the file could be opened for reading only.
    refused: Option<Errno>,
    /// The file once more, opened for reads past the page cache; `None` if that is not supported.
    direct: OnceLock<Option<OwnedFd>>,
    is_unsure: Arc<AtomicBool>,
}

impl DiskFile {
    /// Says in an error which file it is about: by the name that it was opened with.
    fn result<T>(&self, call: &'static str, result: rio::Result<T>) -> io::Result<T> {
        result.map_err(|errno| Failed::error(call, &self.path, &self.shown, errno))
    }

    /// Does what changes the file, unless that was refused when it was opened.
    fn change<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(&OwnedFd) -> rio::Result<T>,
    ) -> io::Result<T> {
        let result = match self.refused {
            Some(errno) => Err(errno),
            None => call(&self.fd),
        };
        self.result(name, result)
    }

    /// The file opened with `O_DIRECT`, if the file system has that. It is opened through `/proc`,
    /// for its name may be another by now.
    fn direct(&self) -> Option<&OwnedFd> {
        let open = || {
            let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
            let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
            fs::open(path, flags, Mode::empty()).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }
}

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.result("read", rio::pread(&self.fd, buffer, offset))
    }

    /// Where the file system or the system does not know `RWF_NOWAIT`, it is always `WouldBlock`.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let empty = buffer.is_empty();
        let slices = &mut [IoSliceMut::new(buffer)];
        match rio::preadv2(&self.fd, slices, offset, ReadWriteFlags::NOWAIT) {
            // Linux 5.9 and 5.10 can say 0 before the end of the file.
            Ok(0) if !empty && offset < self.length()? => Err(ErrorKind::WouldBlock.into()),
            Err(Errno::AGAIN | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err(ErrorKind::WouldBlock.into())
            }
            result => self.result("read", result),
        }
    }

    /// With `O_DIRECT`. Where that is not supported, the system is asked to forget the range, and
    /// then it is read in the ordinary way: a file system in memory has nothing else to read.
    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let direct = self.direct().map(|fd| read_direct(fd, buffer, offset));
        let read = match direct {
            None | Some(Err(Errno::INVAL | Errno::OPNOTSUPP)) => {
                read_forgotten(&self.fd, buffer, offset)
            }
            Some(result) => result,
        };
        self.result("read", read)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.change("write", |fd| rio::pwritev(fd, slices, offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.result("fdatasync", fs::fdatasync(&self.fd))
    }

    fn length(&self) -> io::Result<u64> {
        let stat = self.result("fstat", fs::fstat(&self.fd))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change("ftruncate", |fd| fs::ftruncate(fd, length))
    }

    /// On a file system that cannot reserve this succeeds: [`Storage::has_space`] then keeps something free.
    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        self.change("fallocate", |fd| {
            match fs::fallocate(fd, FallocateFlags::KEEP_SIZE, offset, length) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.is_unsure.store(true, Relaxed);
                    Ok(())
                }
                result => result,
            }
        })
    }
}

/// What offset, length and address of a direct read are multiples of: no less than any block of a
/// device that is in use.
const BLOCK: usize = 4096;

/// The most that one direct read takes, which bounds its buffer.
const MOST_DIRECT: usize = 1 << 20;

/// Reads past the page cache, in whole blocks through a buffer of its own.
fn read_direct(fd: &OwnedFd, buffer: &mut [u8], offset: u64) -> rio::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is less than a block")]
    let skip = (offset % BLOCK as u64) as usize;
    let wanted = buffer.len().min(MOST_DIRECT);
    let length = (skip + wanted).next_multiple_of(BLOCK);
    let mut blocks = vec![0; length + BLOCK];
    let start = blocks.as_ptr().align_offset(BLOCK);
    let blocks = &mut blocks[start..start + length];

    let read = rio::pread(fd, &mut *blocks, offset - skip as u64)?;
    let read = read.saturating_sub(skip).min(wanted);
    buffer[..read].copy_from_slice(&blocks[skip..skip + read]);
    Ok(read)
}

/// Reads after the system was asked to drop what it keeps of the range.
fn read_forgotten(fd: &OwnedFd, buffer: &mut [u8], offset: u64) -> rio::Result<usize> {
    // Whole pages only are dropped; the range is widened so that it has those at its ends.
    let block = BLOCK as u64;
    let start = offset - offset % block;
    let end = (offset + buffer.len() as u64).next_multiple_of(block);
    fs::fadvise(fd, start, (end - start).try_into().ok(), Advice::DontNeed)?;
    rio::pread(fd, buffer, offset)
}

/// Says in an error of a call what it is about, for a path of the file system.
fn at(call: &'static str, path: &Path) -> impl Fn(Errno) -> io::Error {
    move |errno| Failed::error(call, &path.to_string_lossy(), path, errno)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path()).unwrap();
        (dir, disk)
    }

    fn write(file: &dyn File, bytes: &[u8], offset: u64) {
        let written = file.write_at(&[IoSlice::new(bytes)], offset).unwrap();
        assert_eq!(written, bytes.len());
    }

    #[test]
    fn slices_are_written_one_after_another_and_read_at_any_offset() {
        let (_dir, disk) = disk();
        let file = disk.open("file", true).unwrap();
        let slices = [
            IoSlice::new(b"one"),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(file.write_at(&slices, 2).unwrap(), 6);
        let mut buffer = [9; 10];
        assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 8);
        assert_eq!(&buffer[..8], b"\0\0onetwo");
        assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 2);
        assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 0);
        assert_eq!(file.read_at(&mut buffer, 100).unwrap(), 0);
    }

    #[test]
    fn a_durable_read_needs_no_alignment_and_ends_with_the_file() {
        let (_dir, disk) = disk();
        let file = disk.open("file", true).unwrap();
        let bytes: Vec<u8> = (0..10_001u32).map(|n| (n % 251) as u8).collect();
        write(&*file, &bytes, 0);
        file.sync().unwrap();
        // The name may change meanwhile.
        disk.rename("file", "other").unwrap();
        for (offset, length) in [
            (0, 10_001),
            (1, 4_096),
            (4_095, 2),
            (4_096, 4_096),
            (9_999, 10),
        ] {
            let mut buffer = vec![0; length];
            let read = file.read_durable_at(&mut buffer, offset as u64).unwrap();
            let end = bytes.len().min(offset + length);
            assert_eq!(buffer[..read], bytes[offset..end], "{offset} {length}");
        }
        for offset in [10_001, 12_288, 1 << 40] {
            assert_eq!(file.read_durable_at(&mut [0; 10], offset).unwrap(), 0);
        }
        assert_eq!(file.read_durable_at(&mut [], 3).unwrap(), 0);
    }

    #[test]
    fn without_direct_reads_a_durable_read_is_an_ordinary_one() {
        let (_dir, disk) = disk();
        let (fd, _) = disk.open_file("file", true).unwrap();
        rio::pwrite(&fd, b"0123456789", 0).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_forgotten(&fd, &mut buffer, 3).unwrap(), 4);
        assert_eq!(&buffer, b"3456");
    }

    #[test]
    fn a_cached_read_is_right_or_would_block() {
        let (_dir, disk) = disk();
        let file = disk.open("file", true).unwrap();
        write(&*file, b"cached", 0);
        let mut buffer = [0; 10];
        match file.read_cached_at(&mut buffer, 1) {
            Ok(read) => assert_eq!(&buffer[..read], b"ached"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }

    #[test]
    fn length_is_set_and_reserving_does_not_change_it() {
        let (_dir, disk) = disk();
        let file = disk.open("file", true).unwrap();
        file.reserve(0, 0).unwrap();
        file.reserve(0, 1 << 16).unwrap();
        assert_eq!(file.length().unwrap(), 0);
        write(&*file, b"123456", 0);
        file.set_length(3).unwrap();
        file.set_length(5).unwrap();
        let mut buffer = [9; 10];
        assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 5);
        assert_eq!(&buffer[..5], b"123\0\0");
    }

    #[test]
    fn where_space_cannot_be_reserved_for_sure_a_part_of_the_file_system_is_kept_free() {
        let (_dir, disk) = disk();
        disk.is_unsure.store(true, Relaxed);
        disk.has_space(0).unwrap();
        let stat = fs::fstatvfs(&disk.root).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let error = disk.has_space(free).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        disk.is_unsure.store(false, Relaxed);
        disk.has_space(free).unwrap();
    }

    #[test]
    fn directories_are_made_with_those_above_listed_and_removed() {
        let (_dir, disk) = disk();
        disk.create_dir("a/b/c").unwrap();
        disk.create_dir("a/b/c").unwrap();
        disk.open("a/b/2", true).unwrap();
        disk.open("a/b/1", true).unwrap();
        disk.sync_dir("a/b").unwrap();
        disk.sync_dir("").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a"]);
        assert_eq!(disk.list("a/b").unwrap(), ["1", "2", "c"]);
        disk.rename("a/b/1", "a/b/2").unwrap();
        disk.remove("a/b/2").unwrap();
        assert!(disk.remove_dir("a/b").is_err());
        disk.remove_dir("a/b/c").unwrap();
        assert_eq!(disk.list("a/b").unwrap(), [""; 0]);
        disk.open("file", true).unwrap();
        let error = disk.create_dir("file").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }

    #[test]
    fn the_directory_itself_is_made_with_those_above() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x/y/z");
        assert_eq!(Disk::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        Disk::create(&path).unwrap();
        let disk = Disk::create(&path).unwrap();
        assert_eq!(disk.path(), path);
        assert_eq!(disk.list("").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("x/y");
        let disk = Disk::create(&root).unwrap();
        disk.create_dir("a/b").unwrap();
        disk.open("a/b/file", true).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, expected) in [
            ("x", 0o700),
            ("x/y", 0o700),
            ("x/y/a", 0o700),
            ("x/y/a/b", 0o700),
            ("x/y/a/b/file", 0o600),
        ] {
            assert_eq!(mode(&dir.path().join(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_directory_that_everybody_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let allow = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path(), permissions).unwrap();
        };
        for mode in [0o777, 0o1777, 0o702] {
            allow(mode);
            let error = Disk::create(dir.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("chmod o-w"), "{error}");
        }
        allow(0o775);
        Disk::create(dir.path()).unwrap();
    }

    #[test]
    fn an_error_has_its_kind_its_path_and_its_source() {
        let (dir, disk) = disk();
        let error = disk.open("not/there", false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.starts_with(dir.path().to_str().unwrap()), "{text}");
        assert!(text.contains("not/there: No such file"), "{text}");
        let inner = error.get_ref().and_then(Error::source).unwrap();
        let inner = inner.downcast_ref::<io::Error>().unwrap();
        assert_eq!(inner.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::INTR] {
            let kind = io::Error::from(errno).kind();
            assert_eq!(at("open", Path::new("x"))(errno).kind(), kind);
        }
    }

    #[test]
    fn a_lock_is_held_by_one_or_shared_until_it_is_dropped() {
        let (dir, disk) = disk();
        let other = Disk::open(dir.path()).unwrap();
        let kind = |sharing| other.lock("lock", sharing).map_err(|error| error.kind());
        let lock = disk.lock("lock", Sharing::Exclusive).unwrap();
        assert_eq!(kind(Sharing::Exclusive).unwrap_err(), ErrorKind::WouldBlock);
        assert_eq!(kind(Sharing::Shared).unwrap_err(), ErrorKind::WouldBlock);
        drop(lock);
        let _shared = disk.lock("lock", Sharing::Shared).unwrap();
        assert!(kind(Sharing::Shared).is_ok());
        assert_eq!(kind(Sharing::Exclusive).unwrap_err(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_file_that_may_only_be_read_says_so_when_it_is_written() {
        let (_dir, disk) = disk();
        let (fd, _) = disk.open_file("file", true).unwrap();
        let file = DiskFile {
            fd,
            path: "file".into(),
            shown: "dir/file".into(),
            refused: Some(Errno::ROFS),
            direct: OnceLock::new(),
            is_unsure: Arc::default(),
        };
        let error = file.write_at(&[IoSlice::new(b"x")], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
        assert!(file.set_length(3).is_err());
        assert!(file.reserve(0, 3).is_err());
        assert_eq!(file.length().unwrap(), 0);
    }
}
