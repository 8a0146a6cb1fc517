//! A terminal that is drawn over: its other screen, its size, and its keys.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::page::Room;
use crate::failure::Failure;
use crate::flow::input::is_ready_within;
use crate::flow::output::Stdout;

/// The terminal's other screen, without a cursor. Dropped, it gives the terminal back as it was.
#[derive(Debug)]
pub(super) struct Screen {
    stdout: Stdout,
    before: Option<Termios>,
}

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

impl Screen {
    pub(super) fn enter(stdout: Stdout) -> Result<Self, Failure> {
        // Without a keyboard it can be looked at, and ended by a signal.
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut keys = before.clone();
            keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            keys.special_codes[SpecialCodeIndex::VMIN] = 0;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(io::stdin(), OptionalActions::Drain, &keys)
                .map_err(|error| Failure::Other(format!("cannot use the terminal: {error}")))?;
        }
        stdout.write(ENTER)?;
        Ok(Self { stdout, before })
    }

    /// Draws over what is there.
    pub(super) fn draw(&self, lines: &[String], room: Room) -> Result<(), Failure> {
        let shown = &lines[..lines.len().min(room.rows)];
        let text = shown.join("\x1b[K\n");
        self.stdout
            .write(format!("\x1b[H{text}\x1b[K\x1b[J").as_bytes())
    }

    /// Waits for a moment; whether the person has had enough.
    pub(super) fn wait(&self, moment: Duration) -> Result<bool, Failure> {
        if self.before.is_none() {
            std::thread::sleep(moment);
            return Ok(false);
        }
        let failed = |error| Failure::Other(format!("cannot read the keyboard: {error}"));
        if !is_ready_within(io::stdin().as_fd(), moment).map_err(failed)? {
            return Ok(false);
        }
        let mut keys = [0; 64];
        // An end is a terminal that has gone.
        match rustix::io::read(io::stdin(), &mut keys) {
            Ok(0) | Err(_) => Ok(true),
            Ok(n) => Ok(keys[..n].iter().any(|key| matches!(key, b'q' | b'Q' | 4))),
        }
    }
}

/// The size of the terminal.
pub(super) fn room() -> Room {
    let size = tcgetwinsize(io::stdout()).ok();
    let or = |number: u16, other| {
        if number == 0 {
            other
        } else {
            usize::from(number)
        }
    };
    Room {
        columns: size.map_or(80, |size| or(size.ws_col, 80)),
        rows: size.map_or(24, |size| or(size.ws_row, 24)),
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing any more.
        let _ = self.stdout.write(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
