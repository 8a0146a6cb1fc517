//! A serial device, opened.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::{Errno, read, write};
use rustix::termios::{
    ControlModes, OptionalActions, SpecialCodeIndex, isatty, tcgetattr, tcgetsid, tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes go in and out as they are. Nobody else who asks for the lock has the device meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Port(Arc<AsyncFd<File>>);

/// Why a device cannot be had: what is wrong, and what to do about it.
#[derive(Debug)]
pub(super) enum Unopened {
    /// There is something else at that path.
    NotSerial,
    /// It may be otherwise a moment later.
    Absent(String),
    Refused(String),
}

/// Whether there may be a serial device at a path, now or later.
pub(super) fn may_be_device(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.file_type().is_char_device(),
        // Nobody wants to make a file there.
        Err(_) => path.starts_with("/dev"),
    }
}

impl Port {
    /// Opens a device and sets it up: 8 data bits, no parity, 1 stop bit, no handshake, and this speed.
    pub(super) fn open(path: &Path, speed: Option<u32>) -> Result<Self, Unopened> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = open(path, flags, Mode::empty());
        let file = File::from(opened.map_err(|error| Unopened::at_open(&error.into()))?);
        if !isatty(&file) {
            return Err(Unopened::NotSerial);
        }
        if tcgetsid(&file).is_ok() {
            return Err(Unopened::Refused(
                "it is the terminal of this command: write - for that".to_owned(),
            ));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                return Err(Unopened::Absent(
                    "another program uses it, or another session of this bridge".to_owned(),
                ));
            }
            locked => locked.map_err(|error| Unopened::at_open(&error.into()))?,
        }
        set_up(&file, speed)?;
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, for types that may change their descriptor; a File does not"
        )]
        let port = AsyncFd::new(file).map_err(|error| Unopened::at_open(&error))?;
        Ok(Self(Arc::new(port)))
    }

    /// Lets somebody else have the device, although it is not yet closed.
    pub(super) fn release(&self) {
        // It fails where the device is gone, and so is the lock.
        let _ = flock(self.0.as_fd(), FlockOperation::NonBlockingUnlock);
    }
}

impl Unopened {
    fn at_open(error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => " (is it plugged in? --retry waits for it)",
            io::ErrorKind::PermissionDenied => {
                " (`ls -l` shows the group that may use it, often dialout)"
            }
            _ => "",
        };
        Self::Absent(format!("{error}{hint}"))
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSerial => f.write_str("it is not a serial device, and has no speed"),
            Self::Absent(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

fn set_up(file: &File, speed: Option<u32>) -> Result<(), Unopened> {
    let failed = |error: Errno| Unopened::at_open(&error.into());
    let mut settings = tcgetattr(file).map_err(failed)?;
    settings.make_raw();
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes -= ControlModes::CSTOPB | ControlModes::CRTSCTS;
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    let Some(speed) = speed else {
        return tcsetattr(file, OptionalActions::Now, &settings).map_err(failed);
    };
    let refused = || Unopened::Refused(format!("it does not do {speed} bits in a second"));
    settings.set_speed(speed).map_err(|_| refused())?;
    tcsetattr(file, OptionalActions::Now, &settings).map_err(failed)?;
    // A device that cannot do it exactly takes what is near, or keeps what it has.
    let has = tcgetattr(file).map_err(failed)?.output_speed();
    if has.abs_diff(speed) > speed / 32 {
        return Err(refused());
    }
    Ok(())
}

impl AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let free = space.initialize_unfilled();
            if let Ok(got) = ready.try_io(|port| Ok(read(port, &mut *free)?)) {
                space.advance(got?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(taken) = ready.try_io(|port| Ok(write(port, bytes)?)) {
                return Poll::Ready(taken);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A device has no end of a stream that could be told.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
