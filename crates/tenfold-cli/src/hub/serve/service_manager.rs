//! What the system's service manager is told, by the protocol of `sd_notify(3)`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{env, ffi::OsStr, io, process};

use tenfold_hub::{Hub, HubStats};
use tokio::time::{Instant, sleep_until};

use crate::numbers::counted;

/// How often the manager is told how the hub is.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// What a start asks for each time it tells how far it is.
const MORE_TIME: Duration = Duration::from_secs(30);

/// The service manager that has started the program, if one has.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// Nothing that is sent is waited for: a manager that does not read is not told.
    socket: Option<UnixDatagram>,
    every: Duration,
    next: Instant,
}

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` names.
    pub(super) fn from_environment() -> io::Result<Self> {
        let socket = env::var_os("NOTIFY_SOCKET").filter(|it| !it.is_empty());
        let every = watchdog().map_or(TOLD_EVERY, |limit| TOLD_EVERY.min(limit / 3));
        Ok(Self {
            socket: socket.map(|place| connected(&place)).transpose()?,
            every,
            next: Instant::now() + every,
        })
    }

    /// The start goes on, and needs more time.
    pub(super) fn starting(&self, progress: &str) {
        let more = MORE_TIME.as_micros();
        self.tell(&format!(
            "STATUS=starting: {progress}\nEXTEND_TIMEOUT_USEC={more}"
        ));
    }

    /// Clients are served.
    pub(super) fn ready(&self, hub: &Hub) {
        self.tell(&format!("READY=1\nSTATUS={}", status(hub)));
    }

    /// The hub ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=delivering what is there");
    }

    /// Waits until it is time to say that the hub is alive, and says it. It is said only if the runtime still runs tasks.
    pub(super) async fn beat(&mut self, hub: &Hub) {
        if self.socket.is_none() {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
        let ran = tokio::spawn(async {}).await;
        if ran.is_ok() {
            self.tell(&format!("WATCHDOG=1\nSTATUS={}", status(hub)));
        }
        self.next = Instant::now() + self.every;
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(words.as_bytes());
        }
    }
}

fn connected(place: &OsStr) -> io::Result<UnixDatagram> {
    let bytes = place.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// The time after which the manager takes a silent program for dead, if it looks.
fn watchdog() -> Option<Duration> {
    let text = |name| env::var(name).ok();
    if text("WATCHDOG_PID").is_some_and(|pid| pid != process::id().to_string()) {
        return None;
    }
    let limit: u64 = text("WATCHDOG_USEC")?.parse().ok()?;
    (limit > 0).then(|| Duration::from_micros(limit))
}

/// One line, as `systemctl status` shows it.
fn status(hub: &Hub) -> String {
    let HubStats {
        connections,
        channels,
        messages,
        ..
    } = hub.stats();
    format!(
        "{}: {}, {}, {} since the start",
        hub.status(),
        counted(connections as u64, "connection"),
        counted(channels as u64, "channel"),
        counted(messages, "message"),
    )
}
