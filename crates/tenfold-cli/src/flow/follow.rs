//! `--follow`: a file that grows, and is renamed, cut and made again while it does, as `tail -F` has it.
//!
//! It is looked at every [`EVERY`]. Notifications of the system would come sooner, but there are
//! none of changes that other machines make to a shared file, and they too have to be checked by
//! looking.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::words::Words;

/// How often a file is looked at: soon enough for people, and no load.
const EVERY: Duration = Duration::from_millis(200);

/// The bytes of whatever stands under a name.
#[derive(Debug)]
pub(crate) struct Followed {
    path: PathBuf,
    words: Words,
    file: Option<File>,
    /// How much of the file was read.
    read: u64,
    /// A person was told that there is no such file.
    is_missing: bool,
}

impl Followed {
    pub(crate) fn new(path: PathBuf, words: &Words) -> Self {
        Self {
            path,
            words: words.clone(),
            file: None,
            read: 0,
            is_missing: false,
        }
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
                    self.read += n as u64;
                    return Ok(n);
                }
                Ok(Step::Break) => return Ok(0),
                Ok(Step::Again) => {}
                Ok(Step::Wait) => thread::sleep(EVERY),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = self.path.display();
                    return Err(Failure::Other(format!("cannot follow {name}: {error}")));
                }
            }
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
            Ok(file) => {
                if self.is_missing {
                    self.words.note(format_args!("{name} has appeared"));
                }
                self.is_missing = false;
                self.read = 0;
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

    fn go_on(&mut self, space: &mut [u8]) -> io::Result<Step> {
        let Some(file) = &mut self.file else {
            return Ok(Step::Again);
        };
        let read = file.read(space)?;
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
            self.words.note(format_args!(
                "{name} was replaced; going on with the new file"
            ));
            self.file = None;
            return Ok(Step::Break);
        }
        if named.len() < self.read {
            self.words.note(format_args!(
                "{name} was truncated; going on from its beginning"
            ));
            file.rewind()?;
            self.read = 0;
            return Ok(Step::Break);
        }
        Ok(Step::Wait)
    }
}

enum Step {
    Read(usize),
    Break,
    /// There is something to do at once.
    Again,
    Wait,
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Color, Level};
    use std::io::Write;
    use std::path::Path;

    fn follow(path: &Path) -> Followed {
        Followed::new(path.to_owned(), &Words::new(Level::Quiet, Color::Never))
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
    fn a_directory_is_no_file_to_follow() {
        let dir = tempfile::tempdir().unwrap();
        assert!(follow(dir.path()).read(&mut [0; 8]).is_err());
    }
}
