//! The files that had the name of a followed file before: one is renamed away, and another one is made under
//! the name. That can happen more than once while nobody looks, and each of them is to be read.
//!
//! The times at which files were made tell in which order they had the name:
//!
//! ```text
//!   app.log.3    app.log.2    app.log.1    app.log
//!                read last    between      named
//!   ------------ made ------------------------------>
//! ```

use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::flow::whole_file::directory;

/// Device and inode.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Which file of the name was read last.
#[derive(Debug)]
pub(crate) struct Rotation {
    path: PathBuf,
    /// When it was made, if the file system knows that.
    made: Option<SystemTime>,
    /// The files that were made at that time and are read. Times have a grain, so there can be several.
    read_at_that_time: Vec<Identity>,
}

impl Rotation {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            made: None,
            read_at_that_time: Vec::new(),
        }
    }

    /// This file is read now.
    pub(crate) fn read(&mut self, file: &Metadata) {
        let made = file.created().ok();
        if made != self.made {
            self.made = made;
            self.read_at_that_time.clear();
        }
        self.read_at_that_time.push(identity(file));
    }

    /// The oldest file that had the name after the last one that was read, and before this one, which has it now.
    pub(crate) fn file_between(&self, named: &File) -> io::Result<Option<(PathBuf, File)>> {
        let named = named.metadata()?;
        let (Some(after), Ok(before)) = (self.made, named.created()) else {
            return Ok(None);
        };
        loop {
            let mut between = Vec::new();
            for entry in self.others()? {
                let path = entry.path();
                let Some((file, made)) = age(&entry).filter(|_| self.is_rotated(&path)) else {
                    continue;
                };
                let is_read = made == after && self.read_at_that_time.contains(&file);
                let is_between = (after..=before).contains(&made) && file != identity(&named);
                if is_between && !is_read {
                    between.push((made, file, path));
                }
            }
            let Some((_, file, path)) = between.into_iter().min() else {
                return Ok(None);
            };
            match File::open(&path) {
                Ok(opened) if identity(&opened.metadata()?) == file => {
                    return Ok(Some((path, opened)));
                }
                // It was renamed once more. Where it is now is found by looking again.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Files that may have had the name after this one, and that nobody reads, because they are not called as
    /// [rotated](Self::is_rotated) ones are, or because nothing tells when they were made. `state` is not one of them.
    pub(crate) fn left_out(
        &self,
        old: &Metadata,
        state: Option<&Path>,
    ) -> io::Result<Vec<PathBuf>> {
        let ended = old.modified()?;
        let state = state.and_then(|state| Some(identity(&fs::metadata(state).ok()?)));
        let name = self.path.file_name().unwrap_or_default();
        let left_out = self.others()?.filter(|entry| {
            let is_alike = entry.file_name().as_bytes().starts_with(name.as_bytes());
            let is_read = self.made.is_some() && self.is_rotated(&entry.path());
            is_alike
                && !is_read
                && entry.metadata().is_ok_and(|other| {
                    other.is_file()
                        && identity(&other) != identity(old)
                        && Some(identity(&other)) != state
                        && other.modified().is_ok_and(|time| time > ended)
                })
        });
        Ok(left_out.map(|entry| entry.path()).collect())
    }

    /// The other files of the directory.
    fn others(&self) -> io::Result<impl Iterator<Item = DirEntry>> {
        let entries = fs::read_dir(directory(&self.path))?.filter_map(Result::ok);
        Ok(entries.filter(|entry| Some(entry.file_name().as_os_str()) != self.path.file_name()))
    }

    /// Whether a file is called as rotated ones are: the name, and then numbers, as in `app.log.1` and
    /// `app.log-2026-11-27`.
    pub(crate) fn is_rotated(&self, path: &Path) -> bool {
        let (Some(name), Some(other)) = (self.path.file_name(), path.file_name()) else {
            return false;
        };
        let rest = other.as_bytes().strip_prefix(name.as_bytes());
        let is_number = |byte: &u8| byte.is_ascii_digit() || b".-_:T".contains(byte);
        rest.is_some_and(|rest| {
            matches!(rest, [b'.' | b'-' | b'_', b'0'..=b'9', ..]) && rest.iter().all(is_number)
        })
    }
}

/// Which regular file it is, and when it was made.
fn age(entry: &DirEntry) -> Option<(Identity, SystemTime)> {
    let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
    Some((identity(&metadata), metadata.created().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_have_numbers_after_the_name() {
        let rotation = Rotation::new(Path::new("/var/log/app.log"));
        let is_rotated = |name: &str| rotation.is_rotated(&Path::new("/var/log").join(name));
        for name in [
            "app.log.1",
            "app.log.12",
            "app.log-20261127",
            "app.log.2026-11-27T10:00:00",
            "app.log_3",
        ] {
            assert!(is_rotated(name), "{name}");
        }
        for name in [
            "app.log",
            "app.log.1.gz",
            "app.log~",
            "app.log.bak",
            "app.log.state",
            "app.log-",
            "app.log1",
            "other.log.1",
        ] {
            assert!(!is_rotated(name), "{name}");
        }
    }

    #[test]
    fn each_file_between_comes_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = |name: &str| {
            let path = dir.path().join(name);
            fs::write(&path, name).unwrap();
            fs::metadata(path).unwrap()
        };
        let mut rotation = Rotation::new(&path);
        rotation.read(&file("log.3"));
        file("log.2");
        file("log.1");
        file("log.bak");
        file("log");
        let mut names = Vec::new();
        while let Some((path, file)) = rotation.file_between(&File::open(&path).unwrap()).unwrap() {
            rotation.read(&file.metadata().unwrap());
            names.push(path.file_name().unwrap().to_owned());
            assert!(names.len() <= 2, "{names:?}");
        }
        names.sort();
        assert_eq!(names, ["log.1", "log.2"]);
    }
}
