//! Where bytes come from: a socket, a file or stdin.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal as _, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use tenfold::tls::TlsStream;
use tenfold::{Stream, closing};

use crate::failure::Failure;
use crate::flow::follow::{Followed, Origin};
use crate::flow::source::In;
use crate::words::Words;

/// Bytes to be read, with the patience of `--timeout`.
#[derive(Debug)]
pub(crate) struct Input {
    from: From,
    name: String,
    timeout: Option<Duration>,
    /// One file has ended, and another one begins.
    is_break: bool,
    is_only_read: bool,
    /// A FIFO, which a writer may not have opened yet.
    awaits_writer: bool,
}

#[derive(Debug)]
enum From {
    Stream(Stream),
    File(File),
    Followed(Box<Followed>),
}

impl Input {
    pub(crate) fn stream(stream: Stream, name: String) -> Self {
        Self::new(From::Stream(stream), name)
    }

    pub(crate) fn stdin() -> Result<Self, Failure> {
        let file = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Failure::Other(format!("cannot read stdin: {error}")))?;
        Ok(Self::new(From::File(file.into()), "stdin".to_owned()))
    }

    /// The same, for messages in this format; a person who is to type them is told so.
    pub(crate) fn messages(format: In, words: &Words) -> Result<Self, Failure> {
        if format.has_lines() && io::stdin().is_terminal() {
            words.hint("type messages, one a line; Ctrl-D ends");
        }
        Self::stdin()
    }

    /// A file, or stdin for `-`.
    pub(crate) fn file_or_stdin(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Self::stdin();
        }
        Self::file(path)
    }

    pub(crate) fn file(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let cannot = |error: io::Error| Failure::Other(format!("cannot open {name}: {error}"));
        if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Self::fifo(path).map_err(cannot);
        }
        let file = File::open(path).map_err(cannot)?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Failure::Other(format!(
                "cannot read {name}: it is a directory"
            )));
        }
        Ok(Self::new(From::File(file), name))
    }

    /// To open a FIFO waits for its writer; here the first read does.
    fn fifo(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = rustix::fs::open(path, flags, Mode::empty())?;
        fcntl_setfl(&fifo, OFlags::empty())?;
        let mut input = Self::new(From::File(fifo.into()), path.display().to_string());
        input.awaits_writer = true;
        Ok(input)
    }

    /// The file that has a name, now and later.
    pub(crate) fn followed(file: Followed, path: &Path) -> Self {
        let name = path.display().to_string();
        Self::new(From::Followed(Box::new(file)), name)
    }

    /// Which of the files that were followed the bytes of the last read are from.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        match &self.from {
            From::Followed(file) => Some(file.origin()),
            From::Stream(_) | From::File(_) => None,
        }
    }

    fn new(from: From, name: String) -> Self {
        Self {
            awaits_writer: false,
            is_only_read: false,
            from,
            name,
            timeout: None,
            is_break: false,
        }
    }

    pub(crate) fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Nobody writes to the connection: when the peer has said its end, ours is said as well.
    pub(crate) fn only_read(mut self) -> Self {
        self.is_only_read = true;
        self
    }

    /// Whether the end that a read has come to is that of one file, and another one begins.
    pub(crate) fn take_break(&mut self) -> bool {
        std::mem::take(&mut self.is_break)
    }

    /// Says that a file that was followed has ended inside a frame.
    pub(crate) fn warn_of_cut_frame(&self) {
        if let From::Followed(file) = &self.from {
            file.warn_of_cut_frame();
        }
    }

    /// Reads some bytes; 0 is the end.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize, Failure> {
        if let From::Followed(file) = &mut self.from {
            let read = file.read(space)?;
            self.is_break = read == 0;
            return Ok(read);
        }
        loop {
            if let Some(timeout) = self.timeout
                && !self.is_ready_within(timeout)?
            {
                return Err(self.timed_out(timeout));
            }
            match self.read_once(space) {
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Failure::Other(format!(
                        "cannot read from {}: {error}",
                        self.name
                    )));
                }
            }
        }
    }

    /// The failure of a command that has waited since `start`, if that is longer than `--timeout`.
    pub(crate) fn overdue(&self, start: Instant) -> Option<Failure> {
        let timeout = self.timeout.filter(|time| start.elapsed() >= *time)?;
        Some(self.timed_out(timeout))
    }

    fn timed_out(&self, timeout: Duration) -> Failure {
        Failure::TimedOut(format!(
            "nothing came from {} for {timeout:?} (--timeout)",
            self.name
        ))
    }

    /// Up to `wanted` bytes, as far as they come within `patience`.
    pub(crate) fn read_within(&mut self, wanted: usize, patience: Duration) -> Vec<u8> {
        let end = Instant::now() + patience;
        let mut bytes = vec![0; wanted];
        let mut have = 0;
        while have < wanted {
            let left = end.saturating_duration_since(Instant::now());
            match self.is_ready_within(left) {
                Ok(true) => {}
                _ => break,
            }
            match self.read_once(&mut bytes[have..]) {
                Ok(n) if n > 0 => have += n,
                _ => break,
            }
        }
        bytes.truncate(have);
        bytes
    }

    /// Bytes from here to the end, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let From::File(file) = &self.from else {
            return None;
        };
        let metadata = file.metadata().ok().filter(Metadata::is_file)?;
        let here = (&*file).stream_position().ok()?;
        metadata.len().checked_sub(here)
    }

    fn read_once(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match &mut self.from {
            From::Stream(stream) => {
                let n = stream.read(space)?;
                if n == 0 && !space.is_empty() && self.is_only_read {
                    // A peer over TLS may wait for it. One that has gone needs it no more.
                    let _ = closing::end_writing(stream);
                }
                Ok(n)
            }
            From::File(file) => {
                if std::mem::take(&mut self.awaits_writer) {
                    poll(&mut [PollFd::new(&*file, PollFlags::IN)], None)?;
                }
                file.read(space)
            }
            // What will be appended is nothing that anybody waits for here.
            From::Followed(_) => Ok(0),
        }
    }

    /// Whether there is something to read, or an end, within this time.
    pub(crate) fn is_ready_within(&self, patience: Duration) -> Result<bool, Failure> {
        let failed = |error| Failure::Other(format!("cannot wait for {}: {error}", self.name));
        let fd = match &self.from {
            From::Stream(Stream::Tls(stream)) => return Ok(is_there_within(stream, patience)),
            From::Stream(stream) => stream.as_fd(),
            From::File(file) => file.as_fd(),
            From::Followed(_) => return Ok(true),
        };
        is_ready_within(fd, patience).map_err(failed)
    }
}

/// The same over TLS, where a socket that is ready may have no whole record.
fn is_there_within(stream: &TlsStream, patience: Duration) -> bool {
    match stream.peek_within(patience) {
        Err(error) => {
            // The read says what else is wrong.
            error.kind() != io::ErrorKind::WouldBlock
        }
        Ok(_) => true,
    }
}

/// Waits until there is something to read (or to accept), or an end or an error to be seen.
pub(crate) fn is_ready_within(fd: BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
    let end = Instant::now() + patience;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        });
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
