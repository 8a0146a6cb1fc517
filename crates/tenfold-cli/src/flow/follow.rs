//! `--follow`: a file that grows, and is renamed, cut and made again while it does, as `tail -F` has it.
//!
//! The system notifies of changes, so that they are seen at once. It is looked at every [`EVERY`] all the
//! same, because there are no notifications of what other machines do to a shared file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::inotify;

use crate::failure::Failure;
use crate::flow::input::is_ready_within;
use crate::flow::rotation::{Rotation, identity};
use crate::flow::whole_file::directory;
use crate::numbers::counted;
use crate::words::Words;

/// How often a file is looked at: soon enough for people, and no load.
const EVERY: Duration = Duration::from_millis(200);

/// Bytes at the beginning of a file that tell it from another one with the same number.
const HEAD: usize = 64;

/// The bytes of whatever is under a name.
#[derive(Debug)]
pub(crate) struct Followed {
    path: PathBuf,
    words: Words,
    notices: Option<OwnedFd>,
    file: Option<File>,
    /// How much of the file was read.
    read: u64,
    origin: Origin,
    rotation: Rotation,
    /// A person was told that there is no such file.
    is_missing: bool,
}

/// Which file is being read, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Device and inode.
    pub(crate) file: (u64, u64),
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
    /// Where reading has begun.
    pub(crate) start: u64,
    /// How many files came before it; a file that was cut is another one.
    pub(crate) files_before: u64,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) origin: Origin,
    pub(crate) offset: u64,
}

/// What has become of the place that an earlier run has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It is there.
    There,
    /// Its file was truncated, and is read from its beginning.
    Truncated,
    /// There is no such file. Whatever has the name is read from its beginning.
    Gone,
}

impl Followed {
    pub(crate) fn new(path: PathBuf, words: &Words) -> Result<Self, Failure> {
        let name = path.display();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Err(Failure::Usage(format!(
                "{name} is a FIFO, which has nothing to go on from: read it as stdin, with < {name}"
            )));
        }
        let notices = notices(&path)
            .inspect_err(|error| {
                words.detail(format_args!(
                    "no notices of {name} ({error}): it is looked at every {EVERY:?}"
                ));
            })
            .ok();
        Ok(Self {
            rotation: Rotation::new(&path),
            path,
            words: words.clone(),
            notices,
            file: None,
            read: 0,
            origin: Origin::default(),
            is_missing: false,
        })
    }

    /// Which file the bytes of the last read are from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the next byte is read, if a file was opened.
    pub(crate) fn place(&self) -> Option<Place> {
        self.file.as_ref().map(|_| Place {
            origin: self.origin.clone(),
            offset: self.read,
        })
    }

    /// Goes on at a place that an earlier run has reached, in whatever file of the directory that is now.
    /// `state` is the file that has the place.
    pub(crate) fn resume(&mut self, place: &Place, state: Option<&Path>) -> io::Result<Resumed> {
        let Some((path, mut file)) = self.find(&place.origin)? else {
            return Ok(Resumed::Gone);
        };
        let metadata = file.metadata()?;
        let head = &place.origin.head;
        let is_same = metadata.len() >= place.offset && has_head(&file, head)?;
        let is_alike = path == self.path || self.rotation.is_rotated(&path);
        if !is_alike && (!is_same || head.is_empty()) {
            // Its number was given to some other file.
            return Ok(Resumed::Gone);
        }
        self.rotation.read(&metadata);
        if path != self.path {
            for left_out in self.rotation.left_out(&metadata, state)? {
                self.words.warning(format_args!(
                    "{} was written after {}, and is left out",
                    left_out.display(),
                    path.display()
                ));
            }
            self.words.note(format_args!(
                "{} is called {} now; going on with the rest of it",
                self.path.display(),
                path.display()
            ));
        }
        if !is_same {
            self.begin(place.origin.file);
            self.file = Some(file);
            return Ok(Resumed::Truncated);
        }
        file.seek(SeekFrom::Start(place.offset))?;
        self.read = place.offset;
        self.origin = Origin {
            start: place.offset,
            files_before: 0,
            ..place.origin.clone()
        };
        self.file = Some(file);
        Ok(Resumed::There)
    }

    /// The file that has this number, under its own name or rotated.
    fn find(&self, origin: &Origin) -> io::Result<Option<(PathBuf, File)>> {
        let others = fs::read_dir(directory(&self.path))?;
        let others = others.filter_map(|entry| Some(entry.ok()?.path()));
        for path in std::iter::once(self.path.clone()).chain(others) {
            let is_it =
                |metadata: Metadata| metadata.is_file() && identity(&metadata) == origin.file;
            if fs::metadata(&path).is_ok_and(is_it) {
                return Ok(Some((path.clone(), File::open(path)?)));
            }
        }
        Ok(None)
    }

    /// Waits for bytes. 0 is the end of one file, after which another one begins: a file was cut,
    /// or there is a new one under the name, and the old one is read to its end.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize, Failure> {
        loop {
            let step = match &self.file {
                Some(_) => self.go_on(space),
                None => self.open(),
            };
            match step {
                Ok(Step::Read(n)) => {
                    self.note_head(&space[..n]);
                    self.read += n as u64;
                    return Ok(n);
                }
                Ok(Step::Break) => return Ok(0),
                Ok(Step::Again) => {}
                Ok(Step::Wait) => self.wait(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = self.path.display();
                    return Err(Failure::Other(format!("cannot follow {name}: {error}")));
                }
            }
        }
    }

    /// Keeps what the bytes of the next read have of the file's head.
    fn note_head(&mut self, bytes: &[u8]) {
        let head = &mut self.origin.head;
        let known = (head.len() as u64).checked_sub(self.read);
        let new = known.and_then(|known| bytes.get(usize::try_from(known).ok()?..));
        let room = HEAD.saturating_sub(head.len());
        head.extend(new.unwrap_or_default().iter().take(room));
    }

    /// Opens the file that has the name now, if there is one and none is open.
    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        if self.file.is_none() {
            let name = self.path.display().to_string();
            self.open()
                .map_err(|error| Failure::Other(format!("cannot follow {name}: {error}")))?;
        }
        Ok(())
    }

    /// Until something has changed, or it is time to look.
    fn wait(&self) {
        let Some(notices) = &self.notices else {
            return thread::sleep(EVERY);
        };
        match is_ready_within(notices.as_fd(), EVERY) {
            // What has changed is found by looking.
            Ok(true) => drop(rustix::io::read(notices, &mut [0_u8; 4096][..])),
            Ok(false) => {}
            Err(_) => thread::sleep(EVERY),
        }
    }

    pub(crate) fn warn_of_cut_frame(&self) {
        self.words.warning(format_args!(
            "{} ended inside a frame, which is left out",
            self.path.display()
        ));
    }

    fn open(&mut self) -> io::Result<Step> {
        let name = self.path.display();
        match File::open(&self.path) {
            Ok(file) if file.metadata()?.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(named) => {
                if self.is_missing {
                    self.words.note(format_args!("{name} has appeared"));
                }
                self.is_missing = false;
                let file = match self.rotation.file_between(&named)? {
                    Some((path, file)) => {
                        self.words.note(format_args!(
                            "{} was {name} in between; going on with it",
                            path.display()
                        ));
                        file
                    }
                    None => named,
                };
                let metadata = file.metadata()?;
                self.rotation.read(&metadata);
                self.begin(identity(&metadata));
                self.file = Some(file);
                Ok(Step::Again)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.is_missing {
                    self.words
                        .note(format_args!("{name} does not exist yet; waiting for it"));
                }
                self.is_missing = true;
                Ok(Step::Wait)
            }
            Err(error) => Err(error),
        }
    }

    /// A file is read from its beginning.
    fn begin(&mut self, file: (u64, u64)) {
        self.read = 0;
        self.origin = Origin {
            file,
            head: Vec::new(),
            start: 0,
            files_before: self.origin.files_before + 1,
        };
    }

    fn go_on(&mut self, space: &mut [u8]) -> io::Result<Step> {
        let Some(mut file) = self.file.as_ref() else {
            return Ok(Step::Again);
        };
        let read = file.read(space)?;
        // It may have been truncated, and have grown as far as this place or beyond.
        if !has_head(file, &self.origin.head)? {
            return self.begin_again();
        }
        if read > 0 {
            return Ok(Step::Read(read));
        }
        let name = self.path.display();
        let named = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            // Renamed, and the new one is not there yet. Until it is, the old one may grow.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Step::Wait),
            Err(error) => return Err(error),
        };
        if identity(&named) != identity(&file.metadata()?) {
            // Bytes that were written after the end was read and before the file was looked at are read, too.
            let read = file.read(space)?;
            if read > 0 {
                return Ok(Step::Read(read));
            }
            self.words
                .note(format_args!("{name} was replaced; going on"));
            self.file = None;
            return Ok(Step::Break);
        }
        if named.len() < self.read {
            return self.begin_again();
        }
        Ok(Step::Wait)
    }

    /// The file was truncated.
    fn begin_again(&mut self) -> io::Result<Step> {
        let Some(mut file) = self.file.as_ref() else {
            return Ok(Step::Again);
        };
        self.words.warning(format_args!(
            "{} was truncated after {} of it were read: what was appended between the last look and that is lost; \
             going on from its beginning",
            self.path.display(),
            counted(self.read, "byte")
        ));
        file.rewind()?;
        self.begin(self.origin.file);
        Ok(Step::Break)
    }
}

/// Whether a file begins with these bytes.
fn has_head(file: &File, head: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; head.len()];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) => Ok(found == head),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

enum Step {
    Read(usize),
    Break,
    /// There is something to do at once.
    Again,
    Wait,
}

/// Notices of what happens in the file's directory: of writing, and of files that come and go.
fn notices(path: &Path) -> io::Result<OwnedFd> {
    use inotify::{CreateFlags, WatchFlags};

    let notices = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
    inotify::add_watch(&notices, directory(path), what)?;
    Ok(notices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Color, Level};
    use std::io::Write;

    fn follow(path: &Path) -> Followed {
        Followed::new(path.to_owned(), &Words::new(Level::Quiet, Color::Never)).unwrap()
    }

    fn next(followed: &mut Followed) -> Vec<u8> {
        let mut space = [0; 64];
        let n = followed.read(&mut space).unwrap();
        space[..n].to_vec()
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut old = File::create(&path).unwrap();
        old.write_all(b"one").unwrap();
        let mut followed = follow(&path);
        assert_eq!(next(&mut followed), b"one");
        fs::rename(&path, dir.path().join("log.1")).unwrap();
        old.write_all(b"two").unwrap();
        assert_eq!(next(&mut followed), b"two");
        old.write_all(b"three").unwrap();
        fs::write(&path, b"four").unwrap();
        assert_eq!(next(&mut followed), b"three");
        assert_eq!(next(&mut followed), b"");
        assert_eq!(next(&mut followed), b"four");
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, b"a long line").unwrap();
        let mut followed = follow(&path);
        assert_eq!(next(&mut followed), b"a long line");
        fs::write(&path, b"short").unwrap();
        assert_eq!(next(&mut followed), b"");
        assert_eq!(next(&mut followed), b"short");
    }

    #[test]
    fn a_file_that_was_truncated_and_has_grown_again_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, b"a line").unwrap();
        let mut followed = follow(&path);
        assert_eq!(next(&mut followed), b"a line");
        for text in ["another line", "a third line"] {
            fs::write(&path, text).unwrap();
            assert_eq!(next(&mut followed), b"");
            assert_eq!(next(&mut followed), text.as_bytes());
        }
    }

    #[test]
    fn a_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(follow(dir.path()).read(&mut [0; 8]).is_err());
    }
}
