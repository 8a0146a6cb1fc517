//! A serial device that goes away and comes back.
//!
//! Both directions of an end use one [`Line`]. Whichever of them finds that the device is gone opens it again, and the
//! other one is given what was opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenfold::client::Retry;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::end::FilePath;
use super::serial::{Port, Unopened};
use crate::failure::Failure;
use crate::numbers::{self, counted};
use crate::words::Words;

/// The way to a device.
#[derive(Debug)]
pub(super) struct Line {
    file: FilePath,
    /// How long to wait for it when it has gone away.
    patience: Retry,
    words: Words,
    now: Mutex<Opened>,
}

/// A device as it was opened last.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) port: Port,
    /// How often it was opened before.
    times: u64,
}

/// Between two looks whether a device has come. It is nothing that somebody else could be told of sooner.
const PAUSE: Duration = Duration::from_millis(100);

impl Line {
    /// Opens a device, and waits for it as long as `first` says if it is not there. Once it has been there, it is
    /// waited for as long as `later` says. Nothing if it is a file that has no speed, and should have none.
    pub(super) async fn open(
        file: &FilePath,
        (first, later): (Retry, Retry),
        words: &Words,
    ) -> Result<Option<(Arc<Self>, Opened)>, Failure> {
        let port = match Port::open(&file.path, file.speed) {
            Ok(port) => port,
            Err(Unopened::NotSerial) if file.speed.is_none() => return Ok(None),
            Err(Unopened::Absent(why)) if first != Retry::Never => {
                words.note(format_args!("cannot open {file}: {why}; waiting for it"));
                wait_for(file, first).await?
            }
            Err(problem) => return Err(cannot_open(file, &problem)),
        };
        let opened = Opened { port, times: 0 };
        let line = Self {
            file: file.clone(),
            patience: later,
            words: words.clone(),
            now: Mutex::new(opened.clone()),
        };
        Ok(Some((Arc::new(line), opened)))
    }

    /// The device after it has gone away, which whoever has `seen` it last has found out.
    pub(super) async fn again(&self, seen: &Opened, why: &str) -> Result<Opened, Failure> {
        let mut now = self.now.lock().await;
        if now.times == seen.times {
            let file = &self.file;
            let since = Instant::now();
            self.words
                .warning(format_args!("lost {file}: {why}; waiting until it is back"));
            now.port.release();
            let port = wait_for(file, self.patience).await?;
            let time = numbers::time(since.elapsed());
            self.words.note(format_args!("{file} is back after {time}"));
            *now = Opened {
                port,
                times: seen.times + 1,
            };
        }
        Ok(now.clone())
    }

    /// Says that the device has gone away inside a message.
    pub(super) fn warn_of_cut_message(&self, bytes: usize) {
        let bytes = counted(bytes as u64, "byte");
        self.words.warning(format_args!(
            "left out: {bytes} of a message that {} had begun",
            self.file
        ));
    }
}

async fn wait_for(file: &FilePath, patience: Retry) -> Result<Port, Failure> {
    let since = Instant::now();
    loop {
        let problem = match Port::open(&file.path, file.speed) {
            Ok(port) => return Ok(port),
            Err(problem) => problem,
        };
        let is_over = match patience {
            Retry::For(time) => since.elapsed() >= time,
            _ => patience != Retry::Forever,
        };
        if is_over || !matches!(problem, Unopened::Absent(_)) {
            return Err(cannot_open(file, &problem));
        }
        sleep(PAUSE).await;
    }
}

fn cannot_open(file: &FilePath, problem: &Unopened) -> Failure {
    let hint = match (problem, file.speed) {
        (Unopened::NotSerial, Some(speed)) => format!(": leave out ,{speed}"),
        _ => String::new(),
    };
    Failure::Connect(format!("cannot open {file}: {problem}{hint}"))
}
