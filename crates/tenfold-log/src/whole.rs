//! Calls to the storage that are carried through: interrupted ones are repeated, short ones go on.
//! Syncs are not among them: a sync that failed is never repeated.

use std::io::{self, ErrorKind, IoSlice};

use crate::storage::{Failed, File, SyncFailed, is_out_of_files, number_of};

/// Repeats a call for as long as it is interrupted. Not for syncs.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// How a file is read.
pub(crate) type ReadAt = fn(&dyn File, &mut [u8], u64) -> io::Result<usize>;

/// Waits for the disk if it has to.
pub(crate) const WAITING: ReadAt = |file, buffer, offset| file.read_at(buffer, offset);
/// Only what the system has in memory: `WouldBlock` otherwise.
pub(crate) const CACHED: ReadAt = |file, buffer, offset| file.read_cached_at(buffer, offset);
/// What the disk holds, past the system's memory.
pub(crate) const DURABLE: ReadAt = |file, buffer, offset| file.read_durable_at(buffer, offset);

/// Fills the buffer as far as the file goes; returns how much that is.
pub(crate) fn read_at(
    file: &dyn File,
    buffer: &mut [u8],
    offset: u64,
    how: ReadAt,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = offset + filled as u64;
        match uninterrupted(|| how(file, &mut buffer[filled..], at))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Fills the whole buffer; a file that is shorter is `UnexpectedEof`.
pub(crate) fn read_exact_at(
    file: &dyn File,
    buffer: &mut [u8],
    offset: u64,
    how: ReadAt,
) -> io::Result<()> {
    let read = read_at(file, buffer, offset, how)?;
    if read < buffer.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads a file as a whole; nothing if it has more than `most` bytes. A file may be one hole of a terabyte.
pub(crate) fn read_all(file: &dyn File, most: u64, how: ReadAt) -> io::Result<Option<Vec<u8>>> {
    let length = uninterrupted(|| file.length())?;
    let Some(length) = usize::try_from(length).ok().filter(|_| length <= most) else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    let read = read_at(file, &mut bytes, 0, how)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// The most slices that one call takes.
const MOST_SLICES: usize = 512;

/// Writes all of the slices, one after the other.
pub(crate) fn write_all_at(file: &dyn File, slices: &[&[u8]], mut offset: u64) -> io::Result<()> {
    for slices in slices.chunks(MOST_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = slices
            .iter()
            .filter(|slice| !slice.is_empty())
            .map(|slice| IoSlice::new(slice))
            .collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = uninterrupted(|| file.write_at(rest, offset))?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

/// What a sync has returned. After a failed sync it is not known what is durable, so its error must not be
/// taken for one that passes, such as an interrupted call or a full disk. A directory that could not even
/// be opened was not synced, and nothing has been given up.
pub(crate) fn synced(result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| match Failed::of(&error) {
        Some(Failed { call: "open", .. }) => error,
        _ => io::Error::other(SyncFailed(error)),
    })
}

/// Whether an error says that there is no space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Whether an error is that of the sync of a directory. What names it has durably is not known after that, and
/// a second sync would not tell.
pub(crate) fn is_failed_sync_of_names(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let failed = inner.and_then(|inner| inner.downcast_ref::<SyncFailed>());
    let call = failed.and_then(|SyncFailed(error)| Failed::of(error));
    call.is_some_and(|failed| failed.call == "fsync")
}

/// Whether what a checkpoint or retention has failed with may be tried again: for want of something, or
/// because of a name that could not be opened, made, changed or removed. Nothing was written by halves.
pub(crate) fn may_pass(error: &io::Error) -> bool {
    let of_a_name = Failed::of(error)
        .is_some_and(|failed| matches!(failed.call, "open" | "mkdir" | "rename" | "unlink"));
    of_a_name || is_full(error) || is_momentary(error)
}

/// Whether an error says that the process, or the system, has something too little of at the moment: open
/// files or memory.
pub(crate) fn is_momentary(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    is_out_of_files(error) || number_of(error) == Some(ENOMEM)
}
