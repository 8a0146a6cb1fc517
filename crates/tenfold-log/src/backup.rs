//! Copying a log, also while a hub uses it.

use std::io;
use std::sync::Arc;

use crate::deleted::mark_in;
use crate::directory::sync_dir;
use crate::error::OpenError;
use crate::format;
use crate::look::wait_for_checkpoint;
use crate::names;
use crate::open::{TornEnd, open_with};
use crate::options::Options;
use crate::recovery::older_first;
use crate::report::Report;
use crate::side_by_side::each;
use crate::storage::{File, Sharing, Storage};
use crate::whole::{WAITING, read_at, uninterrupted, write_all_at};

/// How many bytes are copied at once.
const AT_ONCE: usize = 1024 * 1024;

/// A file, and how many of its bytes are copied.
struct Source {
    path: String,
    file: Arc<dyn File>,
    length: u64,
}

/// Copies the log in a directory to an empty one and recovers the copy. If a hub uses it, the copy is
/// what was committed when the copying began, or a little more. A hub that runs on it has epochs of its own,
/// as after each start. `progress` is told the bytes that were copied, and of how many.
///
/// The source is not changed, and nothing of the copy is deleted, whatever the options say of limits. A
/// copy that is not complete has no `FORMAT`, so a hub refuses it.
pub fn backup(
    from: &Arc<dyn Storage>,
    to: &Arc<dyn Storage>,
    options: Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, OpenError> {
    format::check_whole(&**from)?;
    if format::check(&**to)? {
        let error = io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the directory is a log already",
        );
        return Err(OpenError::Io("making the copy", error));
    }
    let idle = match uninterrupted(|| from.lock(names::LOCK, Sharing::Exclusive)) {
        Ok(lock) => Some(lock),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => return Err(OpenError::io("locking the directory")(error)),
    };
    copy(&**from, &**to, progress).map_err(OpenError::io("copying"))?;
    format::copy(&**from, &**to).map_err(OpenError::io("writing FORMAT"))?;
    // The end of the journal of a hub that runs may have been copied while it was written.
    let torn = if idle.is_some() {
        TornEnd::Keep
    } else {
        TornEnd::Drop
    };
    let opened = open_with(Arc::clone(to), options.keeping_everything(), torn)?;
    let report = opened.report.clone();
    if !opened.stop() {
        let error = io::Error::other("the copy could not be closed");
        return Err(OpenError::Io("recovering the copy", error));
    }
    Ok(report)
}

fn copy(
    from: &dyn Storage,
    to: &dyn Storage,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<()> {
    let lock = wait_for_checkpoint(from)?;
    let segments = sources(from)?;
    let mut done = 0;
    let segment_bytes: u64 = segments.iter().map(|source| source.length).sum();
    let mut journals = Vec::new();
    for number in older_first(from)? {
        journals.extend(source_if_there(from, names::JOURNALS[number])?);
    }
    let all = segment_bytes + journals.iter().map(|source| source.length).sum::<u64>();
    let mut told = |bytes: u64| {
        done += bytes;
        progress(done, all);
    };
    for directory in [names::CHANNELS, names::JOURNAL] {
        uninterrupted(|| to.create_dir(directory))?;
    }
    let mut directories = Vec::new();
    let mut snapshots = Vec::new();
    for name in channels(from)? {
        let directory = names::channel(&name);
        uninterrupted(|| to.create_dir(&directory))?;
        directories.push(directory);
        snapshots.extend(source_if_there(from, &names::snapshot(&name))?);
    }
    copy_files(&snapshots, to, &mut told)?;
    copy_files(&journals, to, &mut told)?;
    let starts = source_if_there(from, names::STARTS)?;
    copy_files(starts.as_slice(), to, &mut told)?;
    // What the segments had when the journal was copied does not change, and can be read for as long as they are
    // open, whatever the hub does. Those that cannot be open at once are copied before it goes on.
    let (open, others) = segments.split_at(segments.len().min(from.files_at_once() / 2));
    let kept = open.iter().map(|source| source.file.keep_open());
    let _kept = kept.collect::<io::Result<Vec<_>>>()?;
    copy_files(others, to, &mut told)?;
    drop(lock);
    copy_files(open, to, &mut told)?;
    let sync = |directory: &String| sync_dir(to, directory);
    each(directories.iter(), to.flushes_at_once(), sync)?;
    for directory in [names::JOURNAL, names::CHANNELS, ""] {
        sync_dir(to, directory)?;
    }
    Ok(())
}

fn channels(from: &dyn Storage) -> io::Result<Vec<String>> {
    let mut channels = Vec::new();
    for name in uninterrupted(|| from.list(names::CHANNELS))? {
        if !names::is_channel(&name) {
            continue;
        }
        match uninterrupted(|| from.list(&names::channel(&name))) {
            // What is left of a channel that was deleted.
            Ok(files) if mark_in(&files).is_some() => {}
            Ok(_) => channels.push(name),
            // A file that is not the log's.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(error),
        }
    }
    Ok(channels)
}

/// All segments. Each index first: what it has then is in the frames.
fn sources(from: &dyn Storage) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for name in channels(from)? {
        let directory = names::channel(&name);
        let mut files = uninterrupted(|| from.list(&directory))?;
        files.sort_by_key(|file| !file.ends_with(names::INDEX_ENDING));
        for file in files {
            let endings = [names::FRAMES_ENDING, names::INDEX_ENDING];
            if endings
                .iter()
                .any(|ending| names::segment_of(&file, ending).is_some())
            {
                let path = format!("{directory}/{file}");
                let open = uninterrupted(|| from.open(&path, false))?;
                sources.push(source(&path, open)?);
            }
        }
    }
    Ok(sources)
}

fn source(path: &str, file: Arc<dyn File>) -> io::Result<Source> {
    Ok(Source {
        path: path.to_owned(),
        length: uninterrupted(|| file.length())?,
        file,
    })
}

fn source_if_there(from: &dyn Storage, path: &str) -> io::Result<Option<Source>> {
    match uninterrupted(|| from.open(path, false)) {
        Ok(file) => source(path, file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies files, and makes several of the copies durable at the same time.
fn copy_files(sources: &[Source], to: &dyn Storage, told: &mut dyn FnMut(u64)) -> io::Result<()> {
    let at_once = to.flushes_at_once().max(1);
    for group in sources.chunks(at_once) {
        let copies = group.iter().map(|source| copy_file(source, to, told));
        let copies = copies.collect::<io::Result<Vec<_>>>()?;
        each(copies.iter(), at_once, |copy| copy.sync())?;
    }
    Ok(())
}

fn copy_file(
    source: &Source,
    to: &dyn Storage,
    told: &mut dyn FnMut(u64),
) -> io::Result<Arc<dyn File>> {
    let target = uninterrupted(|| to.open(&source.path, true))?;
    uninterrupted(|| target.set_length(0))?;
    let mut offset = 0;
    let most = usize::try_from(source.length)
        .unwrap_or(AT_ONCE)
        .min(AT_ONCE);
    let mut buffer = vec![0; most];
    while offset < source.length {
        let left = usize::try_from(source.length - offset)
            .unwrap_or(most)
            .min(most);
        let read = read_at(&*source.file, &mut buffer[..left], offset, WAITING)?;
        if read == 0 {
            break;
        }
        write_all_at(&*target, &[&buffer[..read]], offset)?;
        offset += read as u64;
        told(read as u64);
    }
    Ok(target)
}
