//! The storage and its files: every call is noted, judged, and then carried out.

use std::fmt::{self, Debug};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, MutexGuard};

use super::super::{File, Sharing, Storage};
use super::Memory;
use super::change::{Change, Id, Pending};
use super::content::Content;
use super::fault::{Call, EIO, EMFILE, Kind, Verdict};
use super::state::{State, error, gone, pending};

impl Memory {
    /// Notes a call whose work the caller does: with the lock, and as the verdict says.
    fn enter(&self, mut call: Call) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        let mut state = self.state();
        match state.begin(&mut call) {
            Verdict::Fail(error, _) => Err(error),
            Verdict::Stop | Verdict::Gone => Err(gone()),
            verdict => Ok((state, verdict)),
        }
    }

    /// A call that changes names as planned.
    fn change<T>(
        &self,
        mut call: Call,
        plan: impl FnOnce(&mut State, &Call) -> io::Result<(T, Vec<Pending>)>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let verdict = state.begin(&mut call);
        match (plan(&mut state, &call), verdict) {
            (Ok((value, changes)), verdict) => {
                state.carry_out(verdict, changes)?;
                Ok(value)
            }
            (Err(error), Verdict::Go | Verdict::Short) => Err(error),
            (Err(_), verdict) => state.carry_out(verdict, Vec::new()).and(Err(gone())),
        }
    }
}

impl Storage for Memory {
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        let call = Call::new(Kind::Open, path);
        let id = self.change(call, |state, call| {
            if state.has_too_many_open() {
                return Err(call.error(io::Error::from_raw_os_error(EMFILE)));
            }
            state.plan_open(call, create)
        })?;
        self.state().opened(id);
        Ok(Arc::new(MemoryFile {
            memory: self.clone(),
            id,
            path: path.to_owned(),
        }))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let (mut state, _) = self.enter(Call::new(Kind::List, path))?;
        let directory = state.directory(path)?;
        Ok(state.volatile.names(directory).keys().cloned().collect())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.change(Call::new(Kind::CreateDir, path), |state, call| {
            Ok(((), state.plan_create_dir(call)?))
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut call = Call::new(Kind::Rename, from);
        call.to = Some(to.to_owned());
        self.change(call, |state, call| Ok(((), state.plan_rename(call, to)?)))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change(Call::new(Kind::Remove, path), |state, call| {
            Ok(((), state.plan_remove(call)?))
        })
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.change(Call::new(Kind::RemoveDir, path), |state, call| {
            Ok(((), state.plan_remove(call)?))
        })
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let verdict = state.begin(&mut Call::new(Kind::SyncDir, path));
        let directory = state.directory(path);
        match verdict {
            Verdict::Go | Verdict::Short => state.sync_dir(directory?),
            Verdict::Fail(error, landing) => {
                state.fail_sync_dir(directory?, landing);
                return Err(error);
            }
            Verdict::Stop | Verdict::Gone => return Err(gone()),
        }
        Ok(())
    }

    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let call = Call::new(Kind::Lock, path);
        let id = self.change(call, |state, call| state.plan_open(call, true))?;
        let mut state = self.state();
        match (state.locks.get_mut(&id), sharing) {
            (None, Sharing::Exclusive) => state.locks.insert(id, 0),
            (None, Sharing::Shared) => state.locks.insert(id, 1),
            (Some(held), Sharing::Shared) if *held > 0 => {
                *held += 1;
                None
            }
            _ => return Err(error(ErrorKind::WouldBlock, path)),
        };
        drop(state);
        Ok(Box::new(Locked {
            memory: self.clone(),
            id,
        }))
    }
}

/// A lock that is held.
struct Locked {
    memory: Memory,
    id: Id,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        match state.locks.get_mut(&self.id) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                state.locks.remove(&self.id);
            }
        }
    }
}

impl Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked").finish_non_exhaustive()
    }
}

/// An open file. It stays the same one if its name changes.
struct MemoryFile {
    memory: Memory,
    id: Id,
    path: String,
}

impl MemoryFile {
    fn call(&self, kind: Kind) -> Call {
        Call::new(kind, &self.path)
    }

    fn read(
        &self,
        kind: Kind,
        buffer: &mut [u8],
        offset: u64,
        of: impl FnOnce(&mut State) -> Content,
    ) -> io::Result<usize> {
        let call = self.call(kind).range(offset, buffer.len() as u64);
        let (mut state, verdict) = self.memory.enter(call)?;
        let length = match verdict {
            Verdict::Short => buffer.len().div_ceil(2),
            _ => buffer.len(),
        };
        Ok(of(&mut state).read(&mut buffer[..length], offset))
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read(Kind::Read, buffer, offset, |state| {
            state.volatile.file(self.id).clone()
        })
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read(Kind::ReadCached, buffer, offset, |state| {
            state.volatile.file(self.id).clone()
        })
    }

    /// Like a direct read on Linux, it first writes what waits to be written, and so sees it. That does not
    /// make it durable.
    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read(Kind::ReadDurable, buffer, offset, |state| {
            state.on_disk(self.id)
        })
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let mut call = self.call(Kind::Write).range(offset, bytes.len() as u64);
        let mut state = self.memory.state();
        let verdict = state.begin(&mut call);
        if bytes.is_empty() {
            return state.carry_out(verdict, Vec::new()).and(Ok(0));
        }
        if matches!(verdict, Verdict::Short) {
            bytes.truncate(bytes.len().div_ceil(2));
        }
        let room = state.room(self.id, offset, bytes.len() as u64);
        bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        if bytes.is_empty() {
            let full = Err(call.error(ErrorKind::StorageFull));
            return state.carry_out(verdict, Vec::new()).and(full);
        }
        let written = bytes.len();
        call.length = written as u64;
        let bytes = bytes.into();
        let change = pending(&call, self.id, Change::Write { offset, bytes });
        state.carry_out(verdict, vec![change])?;
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.memory.state();
        match state.begin(&mut self.call(Kind::Sync)) {
            Verdict::Go | Verdict::Short => {
                state.sync(self.id);
                if state.untold.remove(&self.id) {
                    return Err(io::Error::from_raw_os_error(EIO));
                }
            }
            Verdict::Fail(error, landing) => {
                state.untold.remove(&self.id);
                state.fail_sync(self.id, landing);
                return Err(error);
            }
            Verdict::Stop | Verdict::Gone => return Err(gone()),
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let (mut state, _) = self.memory.enter(self.call(Kind::Length))?;
        Ok(state.volatile.file(self.id).length())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let call = self.call(Kind::SetLength).range(0, length);
        self.memory.change(call, |_, call| {
            let change = Change::SetLength(length);
            Ok(((), vec![pending(call, self.id, change)]))
        })
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        let call = self.call(Kind::Reserve).range(offset, length);
        let (mut state, _) = self.memory.enter(call.clone())?;
        if !state.reserve(self.id, offset, length) {
            return Err(call.error(ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.memory.state().closed(self.id);
    }
}

impl Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Keep};
    use super::*;
    use crate::storage::{Disk, FewFiles};

    fn memory() -> (Memory, Arc<dyn File>) {
        let memory = Memory::new();
        memory.write("d/file", b"0123456789");
        let file = memory.open("d/file", false).unwrap();
        (memory, file)
    }

    fn write(file: &Arc<dyn File>, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(&[IoSlice::new(bytes)], offset)
    }

    fn read(file: &Arc<dyn File>) -> Vec<u8> {
        let mut buffer = [0; 100];
        let read = file.read_at(&mut buffer, 0).unwrap();
        buffer[..read].to_vec()
    }

    fn read_durable(file: &Arc<dyn File>) -> Vec<u8> {
        let mut buffer = [0; 100];
        let read = file.read_durable_at(&mut buffer, 0).unwrap();
        buffer[..read].to_vec()
    }

    /// What is promised of every storage.
    fn behaves(storage: &dyn Storage) {
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        let open = |path, create| storage.open(path, create).map(drop);
        assert_eq!(kind(open("file", false)), ErrorKind::NotFound);
        assert_eq!(kind(open("no/file", true)), ErrorKind::NotFound);
        assert_eq!(kind(storage.list("no").map(drop)), ErrorKind::NotFound);
        assert_eq!(kind(storage.remove("no")), ErrorKind::NotFound);
        assert_eq!(kind(storage.remove_dir("no")), ErrorKind::NotFound);
        assert_eq!(kind(storage.rename("no", "other")), ErrorKind::NotFound);
        assert_eq!(kind(storage.sync_dir("no")), ErrorKind::NotFound);

        storage.create_dir("a/b").unwrap();
        storage.create_dir("a/b").unwrap();
        storage.create_dir("a/c").unwrap();
        storage.create_dir("").unwrap();
        let file = storage.open("a/b/2", true).unwrap();
        let slices = [
            IoSlice::new(b"one"),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(file.write_at(&slices, 2).unwrap(), 6);
        assert_eq!(file.write_at(&[], 100).unwrap(), 0);
        file.reserve(0, 100_000).unwrap();
        assert_eq!(file.length().unwrap(), 8);
        file.set_length(4).unwrap();
        file.set_length(6).unwrap();
        file.sync().unwrap();
        assert_eq!(read(&file), b"\0\0on\0\0");
        assert_eq!(read_durable(&file), b"\0\0on\0\0");
        assert_eq!(file.read_at(&mut [0; 3], 5).unwrap(), 1);
        assert_eq!(file.read_at(&mut [0; 3], 6).unwrap(), 0);
        assert_eq!(file.read_durable_at(&mut [0; 3], 600_000).unwrap(), 0);

        assert_eq!(storage.open("a/b/2", true).unwrap().length().unwrap(), 6);
        storage.open("a/b/1", true).unwrap();
        assert_eq!(storage.list("a/b").unwrap(), ["1", "2"]);
        assert_eq!(kind(open("a/b/1/c", true)), ErrorKind::NotADirectory);
        assert_eq!(kind(storage.create_dir("a/b/1")), ErrorKind::NotADirectory);
        assert_eq!(
            kind(storage.create_dir("a/b/1/c")),
            ErrorKind::NotADirectory
        );
        assert_eq!(kind(open("a/b", false)), ErrorKind::IsADirectory);
        assert_eq!(
            kind(storage.list("a/b/1").map(drop)),
            ErrorKind::NotADirectory
        );
        assert_eq!(kind(storage.remove_dir("a/b/1")), ErrorKind::NotADirectory);
        assert_eq!(
            kind(storage.remove_dir("a/b")),
            ErrorKind::DirectoryNotEmpty
        );
        assert_eq!(
            kind(storage.rename("a/b/1", "a/c")),
            ErrorKind::IsADirectory
        );
        assert_eq!(
            kind(storage.rename("a/c", "a/b/1")),
            ErrorKind::NotADirectory
        );
        assert_eq!(
            kind(storage.rename("a/c", "a/b")),
            ErrorKind::DirectoryNotEmpty
        );
        storage.create_dir("e").unwrap();
        storage.rename("a/b", "e/f").unwrap();
        assert_eq!(storage.list("e/f").unwrap(), ["1", "2"]);
        storage.rename("e/f", "a/c").unwrap();
        storage.rename("a/c", "a/b").unwrap();
        storage.remove_dir("e").unwrap();
        storage.rename("a/b/1", "a/b/1").unwrap();
        storage.rename("a/b/2", "a/1").unwrap();
        storage.rename("a/1", "a/b/1").unwrap();
        assert_eq!(storage.list("a").unwrap(), ["b"]);
        assert_eq!(storage.list("a/b").unwrap(), ["1"]);
        assert_eq!(storage.open("a/b/1", false).unwrap().length().unwrap(), 6);
        storage.remove("a/b/1").unwrap();
        assert_eq!(read(&file), b"\0\0on\0\0", "it is still open");
        storage.remove_dir("a/b").unwrap();
        storage.sync_dir("a").unwrap();
        storage.sync_dir("").unwrap();
        assert_eq!(storage.list("").unwrap(), ["a"]);

        let lock = |sharing| storage.lock("lock", sharing);
        let held = lock(Sharing::Exclusive).unwrap();
        assert_eq!(
            kind(lock(Sharing::Exclusive).map(drop)),
            ErrorKind::WouldBlock
        );
        assert_eq!(kind(lock(Sharing::Shared).map(drop)), ErrorKind::WouldBlock);
        drop(held);
        let (one, two) = (
            lock(Sharing::Shared).unwrap(),
            lock(Sharing::Shared).unwrap(),
        );
        drop(one);
        assert_eq!(
            kind(lock(Sharing::Exclusive).map(drop)),
            ErrorKind::WouldBlock
        );
        drop(two);
        drop(lock(Sharing::Exclusive).unwrap());
        assert_eq!(storage.list("").unwrap(), ["a", "lock"]);
    }

    #[test]
    fn all_storages_behave_alike() {
        let disk = |directory: &tempfile::TempDir| Disk::open(directory.path()).unwrap();
        behaves(&Memory::new());
        let directory = tempfile::tempdir().unwrap();
        behaves(&disk(&directory));
        behaves(&FewFiles::new(Arc::new(Memory::new()), 1));
        let directory = tempfile::tempdir().unwrap();
        behaves(&FewFiles::new(Arc::new(disk(&directory)), 1));
    }

    #[test]
    fn only_so_many_files_are_open_at_once() {
        let (memory, file) = memory();
        memory.set_files(2);
        let other = memory.open("other", true).unwrap();
        let error = memory.open("d/file", false).unwrap_err();
        assert!(crate::storage::is_out_of_files(&error), "{error}");
        drop(file);
        memory.open("d/file", false).unwrap();
        drop(other);
    }

    #[test]
    fn when_nobody_has_a_file_open_a_refused_write_may_be_forgotten() {
        for is_open in [true, false] {
            let (memory, file) = memory();
            memory.forget_errors_of_closed_files();
            write(&file, b"abc", 10).unwrap();
            let file = is_open.then_some(file);
            memory.refuse_writes();
            drop(file);
            let again = memory.open("d/file", false).unwrap();
            again.sync().unwrap();
            assert_eq!(read_durable(&again)[..10], *b"0123456789");
            assert_eq!(memory.read_durable("d/file").unwrap()[..10], *b"0123456789");
        }
    }

    #[test]
    fn an_image_has_no_locks() {
        let memory = Memory::new();
        let _held = memory.lock("lock", Sharing::Exclusive).unwrap();
        memory
            .image_kept()
            .lock("lock", Sharing::Exclusive)
            .unwrap();
        memory.lock("lock", Sharing::Exclusive).unwrap_err();
    }

    #[test]
    fn calls_are_counted_and_noted() {
        let (memory, file) = memory();
        write(&file, b"ab", 3).unwrap();
        memory.rename("d/file", "d/other").unwrap();
        let trace = memory.trace();
        assert_eq!(memory.calls(), 3);
        assert_eq!(trace[0], Call::new(Kind::Open, "d/file"));
        let (number, write) = (1, Call::new(Kind::Write, "d/file").range(3, 2));
        assert_eq!(trace[1], Call { number, ..write });
        assert_eq!(
            (trace[2].number, trace[2].to.as_deref()),
            (2, Some("d/other"))
        );
        assert!(trace[2].kind.changes() && !Kind::Read.changes());
    }

    #[test]
    fn a_call_fails_once_by_number_kind_or_path() {
        let (memory, file) = memory();
        memory.fail(Fault::at(memory.calls() + 1));
        file.length().unwrap();
        let error = file.length().unwrap_err();
        assert_eq!(error.to_string(), "d/file: Input/output error (os error 5)");
        file.length().unwrap();

        memory.fail(
            Fault::next(Kind::Write)
                .after(1)
                .error(ErrorKind::StorageFull),
        );
        write(&file, b"a", 0).unwrap();
        let error = write(&file, b"b", 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(&read(&file)[..2], b"a1");

        memory.fail(Fault::next(Kind::Sync).on("other"));
        memory.fail(Fault::next(Kind::Sync).on("file").errno(4));
        let error = file.sync().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        file.sync().unwrap();
        assert_eq!(memory.faults(), 1);

        memory.fail(Fault::next(Kind::Remove).forever());
        memory.remove("d/file").unwrap_err();
        memory.remove("d/file").unwrap_err();
        memory.forget_faults();
        memory.remove("d/file").unwrap();
    }

    #[test]
    fn a_short_call_does_half() {
        let (memory, file) = memory();
        memory.fail(Fault::next(Kind::Write).short());
        memory.fail(Fault::next(Kind::Read).short());
        assert_eq!(write(&file, b"abc", 0).unwrap(), 2);
        assert_eq!(memory.pending()[0].length, 2);
        assert_eq!(file.read_at(&mut [0; 7], 0).unwrap(), 4);
        assert_eq!(read(&file), b"ab23456789");
    }

    #[test]
    fn a_call_that_fails_may_have_done_its_work() {
        let (memory, file) = memory();
        memory.fail(Fault::next(Kind::Write).landing(Keep::Prefix(1)));
        memory.fail(Fault::next(Kind::Rename).landing(Keep::All));
        write(&file, b"abc", 0).unwrap_err();
        assert_eq!(read(&file), b"a123456789");
        memory.rename("d/file", "d/other").unwrap_err();
        assert_eq!(memory.list("d").unwrap(), ["other"]);
        memory.fail(Fault::next(Kind::Sync).landing(Keep::All));
        file.sync().unwrap_err();
        assert_eq!(memory.read_durable("d/other").unwrap(), b"a123456789");
    }

    #[test]
    fn a_failed_sync_says_so_once_and_the_next_is_a_lie() {
        let (memory, file) = memory();
        write(&file, b"abc", 0).unwrap();
        memory.fail(Fault::next(Kind::Sync));
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(read(&file), b"abc3456789");
        assert_eq!(read_durable(&file), b"0123456789");
        // A write to another block leaves this one as it is.
        write(&file, b"x", 5000).unwrap();
        assert_eq!(file.read_durable_at(&mut [0; 9000], 0).unwrap(), 5001);
        file.sync().unwrap();
        assert_eq!(read_durable(&file)[..10], *b"0123456789");
        // A write to the same block writes the whole block.
        write(&file, b"y", 9).unwrap();
        assert_eq!(read_durable(&file)[..10], *b"abc345678y");
        assert_eq!(memory.read_durable("d/file").unwrap()[..10], *b"0123456789");
        file.sync().unwrap();
        assert_eq!(memory.read_durable("d/file").unwrap()[..10], *b"abc345678y");
    }

    #[test]
    fn a_refused_write_is_told_once_and_its_bytes_stay_out_of_that_file() {
        let (memory, file) = memory();
        write(&file, b"abc", 10).unwrap();
        memory.refuse_writes();
        let again = memory.open("d/file", false).unwrap();
        assert_eq!(again.sync().unwrap_err().raw_os_error(), Some(5));
        again.sync().unwrap();
        write(&again, b"abcd", 10).unwrap();
        again.sync().unwrap();
        assert_eq!(read(&file), b"0123456789abcd");
        assert_eq!(read_durable(&file), b"0123456789\0\0\0d");
        let other = memory.open("d/other", true).unwrap();
        write(&other, b"0123456789abcd", 0).unwrap();
        other.sync().unwrap();
        assert_eq!(memory.read_durable("d/other").unwrap(), b"0123456789abcd");
        let image = memory.image(|_| Keep::All);
        image.open("d/file", false).unwrap().sync().unwrap();
    }

    #[test]
    fn a_failed_sync_of_a_directory_says_so_once_and_the_next_is_a_lie() {
        let (memory, _) = memory();
        memory.open("d/new", true).unwrap();
        memory.fail(Fault::next(Kind::SyncDir));
        memory.sync_dir("d").unwrap_err();
        memory.sync_dir("d").unwrap();
        assert_eq!(memory.list("d").unwrap(), ["file", "new"]);
        assert_eq!(memory.image(|_| Keep::All).list("d").unwrap(), ["file"]);
    }

    #[test]
    fn space_runs_out_in_blocks_and_comes_back() {
        let (memory, file) = memory();
        memory.set_space(3 * 4096);
        assert_eq!(memory.used_space(), 4096);
        write(&file, b"x", 10).unwrap();
        assert_eq!(write(&file, &[1; 16_000], 11).unwrap(), 3 * 4096 - 11);
        let error = write(&file, b"x", 3 * 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        write(&file, b"rewritten", 0).unwrap();

        file.set_length(4096).unwrap();
        let other = memory.open("other", true).unwrap();
        let error = other.reserve(0, 3 * 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        other.reserve(0, 2 * 4096).unwrap();
        assert_eq!(memory.used_space(), 3 * 4096);
        write(&file, b"x", 4096).unwrap_err();
        write(&other, &[1; 2 * 4096], 0).unwrap();
        memory.set_space(4 * 4096);
        write(&file, b"x", 4096).unwrap();
        memory.remove("other").unwrap();
        assert_eq!(memory.used_space(), 2 * 4096);
        other.set_length(0).unwrap();
    }

    #[test]
    fn what_tests_do_is_durable_at_once() {
        let memory = Memory::new();
        memory.write("a/b/file", b"abc");
        memory.flip("a/b/file", 9);
        memory.write("a/other", b"x");
        memory.truncate("a/b/file", 2);
        memory.remove_file("a/other");
        let image = memory.image(|_| Keep::None);
        assert_eq!(image.files(), [("a/b/file".to_owned(), 2)]);
        assert_eq!(image.read("a/b/file").unwrap(), b"a`");
        assert_eq!(memory.calls(), 0);
        assert_eq!(image.read("nothing"), None);
    }
}
