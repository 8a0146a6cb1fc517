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
        let path = names::JOURNALS[number];
        match uninterrupted(|| from.open(path, false)) {
            Ok(file) => journals.push(source(path, file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let all = segment_bytes + journals.iter().map(|source| source.length).sum::<u64>();
    let mut told = |bytes: u64| {
        done += bytes;
        progress(done, all);
    };
    let mut directories = vec![names::CHANNELS.to_owned(), names::JOURNAL.to_owned()];
    for directory in &directories {
        uninterrupted(|| to.create_dir(directory))?;
    }
    for name in channels(from)? {
        let directory = names::channel(&name);
        uninterrupted(|| to.create_dir(&directory))?;
        directories.push(directory);
        let path = names::snapshot(&name);
        match uninterrupted(|| from.open(&path, false)) {
            Ok(file) => {
                let source = source(&path, file)?;
                copy_file(&source, to, &mut told)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for source in &journals {
        copy_file(source, to, &mut told)?;
    }
    match uninterrupted(|| from.open(names::STARTS, false)) {
        Ok(file) => copy_file(&source(names::STARTS, file)?, to, &mut told)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // What the segments had when the journal was copied does not change, and can be read for as long as they are
    // open, whatever the hub does. Those that cannot be open at once are copied before it goes on.
    let (open, others) = segments.split_at(segments.len().min(from.files_at_once() / 2));
    let kept = open.iter().map(|source| source.file.keep_open());
    let _kept = kept.collect::<io::Result<Vec<_>>>()?;
    for source in others {
        copy_file(source, to, &mut told)?;
    }
    drop(lock);
    for source in open {
        copy_file(source, to, &mut told)?;
    }
    directories
        .iter()
        .rev()
        .try_for_each(|directory| sync_dir(to, directory))?;
    sync_dir(to, "")
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

fn copy_file(source: &Source, to: &dyn Storage, told: &mut dyn FnMut(u64)) -> io::Result<()> {
    let target = uninterrupted(|| to.open(&source.path, true))?;
    uninterrupted(|| target.set_length(0))?;
    let mut offset = 0;
    let mut buffer = vec![0; AT_ONCE];
    while offset < source.length {
        let left = usize::try_from(source.length - offset)
            .unwrap_or(AT_ONCE)
            .min(AT_ONCE);
        let read = read_at(&*source.file, &mut buffer[..left], offset, WAITING)?;
        if read == 0 {
            break;
        }
        write_all_at(&*target, &[&buffer[..read]], offset)?;
        offset += read as u64;
        told(read as u64);
    }
    target.sync()
}
