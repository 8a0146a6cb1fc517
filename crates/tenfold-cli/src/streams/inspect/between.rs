//! `--between`: a proxy that shows what passes.
//!
//! Each direction of a connection has a thread. It reads, passes on, and only then looks at what it
//! has read. So neither bytes that cannot be decoded nor a reader that does not take the rows change
//! what passes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tenfold::tls::Client;
use tenfold::{Address, Framing, Listener, Stream};
use tenfold_doctor::{Excerpt, Found, Lengths};
use tenfold_hub::raise_fd_limit;

use super::Inspect;
use super::recording::Recorder;
use super::rows::{Rows, Stamp, Who};
use super::sheet::{Sheet, report};
use super::shown::Shown;
use super::track::Track;
use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::input::is_ready_within;
use crate::flow::options::PeerOptions;
use crate::numbers::{counted, size};
use crate::signals::Stop;
use crate::words::Words;

/// How long a signal can go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// Bytes that are passed on at once.
const CHUNK: usize = 64 * 1024;

/// Connections at once: each has two threads, and up to five open files. More wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// How long the end of the command waits until all bytes that were passed on have been shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// What all connections share.
struct Proxy {
    /// How rows are made.
    rows: Rows,
    /// Only the summary is wanted.
    quiet: bool,
    /// Has the summary in the end.
    sheet: Mutex<Sheet>,
    shown: Shown,
    under_way: UnderWay,
    lengths: Mutex<[Lengths; 2]>,
    recorder: Option<Recorder>,
    framing: Framing,
    max_message: u64,
    /// Why nothing more is recorded.
    unrecorded: Mutex<Option<Failure>>,
    words: Words,
}

/// Serves until it is interrupted.
pub(super) fn run(
    options: &Inspect,
    (address, upstream): (&Address, &Address),
    framing: &Framing,
    mut sheet: Sheet,
    words: &Words,
) -> Result<(), Failure> {
    let recorder = match &options.record {
        Some(dir) => Some(Recorder::create(dir, framing, upstream)?),
        None => None,
    };
    let stop = Stop::watch()?;
    let listener = {
        let (listening, tls) = (&options.peer.listening, &options.peer.tls);
        let server = tls.server(address, words)?;
        connect::listen_as(server.as_ref(), address, listening, "talk ADDR", words)?
    };
    let client = options.peer.tls.client(upstream)?;
    // With less it works as well.
    let _ = raise_fd_limit();
    let shown = Shown::start(sheet.stdout().clone(), sheet.rows.json)?;
    sheet.title();
    shown.put(&mut sheet.batch);
    let proxy = Arc::new(Proxy {
        rows: sheet.rows.clone(),
        quiet: sheet.quiet,
        sheet: Mutex::new(sheet),
        shown,
        under_way: UnderWay::default(),
        lengths: Mutex::default(),
        recorder,
        framing: framing.clone(),
        max_message: options.max_message,
        unrecorded: Mutex::default(),
        words: words.clone(),
    });
    let served = serve(
        &listener,
        &options.peer,
        (upstream, client.as_ref()),
        &proxy,
        &stop,
    );
    // A peer that has got its bytes may close before they are shown, and they still must be.
    proxy.under_way.wait(|count| count.looks == 0);
    proxy.summarize();
    let shown = proxy.shown.finish();
    served?;
    if let Some(failure) = lock(&proxy.unrecorded).take() {
        return Err(failure);
    }
    stop.outcome()?;
    shown
}

fn serve(
    listener: &Listener,
    options: &PeerOptions,
    (upstream, tls): (&Address, Option<&Client>),
    proxy: &Arc<Proxy>,
    stop: &Stop,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Other(format!("cannot accept a connection: {error}"));
    let mut connection = 0;
    while !stop.came() && !proxy.shown.has_failed() {
        if proxy.under_way.count().connections >= MAX_CONNECTIONS {
            thread::sleep(TICK);
            continue;
        }
        if !is_ready_within(listener.as_fd(), TICK).map_err(failed)? {
            continue;
        }
        let Some(client) = connect::accept_or_pause(listener, &proxy.words) else {
            continue;
        };
        let (upstream, tls) = (upstream.clone(), tls.cloned());
        let (retry, timeout) = (options.retry, options.timeout);
        let carrier = Arc::clone(proxy);
        let carry = move || {
            let proxy = carrier;
            let _counted = proxy.under_way.begin(|count| &mut count.connections);
            let name = connect::peer_name(&client);
            proxy
                .words
                .detail(format_args!("{connection}: {name} connected"));
            match connect::connect_patiently(&upstream, tls.as_ref(), retry, timeout, &proxy.words)
            {
                Ok(server) => proxy.join(connection, &client, &server),
                Err(failure) => proxy.words.warning(format_args!("{connection}: {failure}")),
            }
        };
        if let Err(error) = thread::Builder::new().spawn(carry) {
            proxy.words.warning(format_args!(
                "cannot carry connection {connection}: {error}"
            ));
        }
        connection += 1;
    }
    Ok(())
}

impl Proxy {
    /// Carries a connection to its end.
    fn join(&self, connection: u64, client: &Stream, server: &Stream) {
        thread::scope(|scope| {
            let forth = || self.carry(connection, true, client, server);
            match thread::Builder::new().spawn_scoped(scope, forth) {
                Ok(_) => self.carry(connection, false, server, client),
                Err(error) => self
                    .words
                    .warning(format_args!("{connection}: cannot carry it: {error}")),
            }
        });
        self.words.detail(format_args!("{connection}: ended"));
    }

    /// Carries one direction to its end, which is passed on like everything else.
    fn carry(&self, connection: u64, client: bool, mut from: &Stream, mut to: &Stream) {
        let who = Who { connection, client };
        let side = if client {
            self.framing.client()
        } else {
            self.framing.server()
        };
        let mut track = Track::new(side, self.max_message, Some(who));
        let mut space = vec![0; CHUNK];
        loop {
            let read = match from.read(&mut space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What TLS says was cut is cut on the other side, too.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let _ = to.cut();
                    0
                }
                // A reset ends the direction; the other side is told by an end, too.
                Err(_) | Ok(0) => 0,
                Ok(n) => n,
            };
            let bytes = &space[..read];
            // Before the other side can have them: what it has is shown, even if all ends then.
            let _look = self.under_way.begin(|count| &mut count.looks);
            if read == 0 {
                let _ = to.shutdown(Shutdown::Write);
            } else if to.write_all(bytes).is_err() {
                // The receiver takes no bytes any more, so these have not passed. Bytes of the other direction still do.
                let _ = from.shutdown(Shutdown::Read);
                continue;
            }
            self.record(who, bytes);
            self.look(&mut track, who, bytes);
            if read == 0 {
                break;
            }
        }
        if track.is_broken() {
            self.words.note(format_args!(
                "{connection}: the {} has sent {} in all; what came after the break was passed on and not decoded",
                who.name(),
                size(track.bytes())
            ));
        }
    }

    /// Records bytes that were passed on; no bytes are the end of the direction. If that fails, the proxy
    /// goes on without a recording.
    fn record(&self, who: Who, bytes: &[u8]) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        let mut unrecorded = lock(&self.unrecorded);
        if unrecorded.is_some() {
            return;
        }
        if let Err(failure) = recorder.record(who, bytes) {
            self.words.warning(format_args!(
                "{failure}; from here on nothing is recorded, and everything is passed on"
            ));
            *unrecorded = Some(failure);
        }
    }

    /// Shows bytes that were passed on; no bytes are the end of the direction. They are decoded and explained
    /// before anything is locked: bytes that take long to explain must not keep other connections waiting.
    fn look(&self, track: &mut Track, who: Who, bytes: &[u8]) {
        let stamp = Stamp::now();
        let was_broken = track.is_broken();
        let rows = self.rows_of_messages();
        let mut batch = Vec::new();
        let mut lengths = Vec::new();
        let note = |_: &Excerpt, found: Found<'_>| {
            if let Found::Message(frame, _) = found {
                lengths.push(frame.length);
            }
        };
        if bytes.is_empty() {
            track.end(Some(&stamp), rows, &mut batch, note);
        } else {
            track.take(bytes, Some(&stamp), rows, &mut batch, note);
        }
        if track.is_broken() && !was_broken {
            batch.extend_from_slice(report(&self.rows, track).as_bytes());
        }
        let of_side = &mut lock(&self.lengths)[usize::from(!who.client)];
        for length in lengths {
            of_side.add(length);
        }
        self.shown.put(&mut batch);
    }

    /// How rows are made, unless only the summary is wanted.
    fn rows_of_messages(&self) -> Option<&Rows> {
        (!self.quiet).then_some(&self.rows)
    }

    fn summarize(&self) {
        let mut sheet = lock(&self.sheet);
        let lengths = lock(&self.lengths);
        sheet.both(&lengths, [self.framing.client(), self.framing.server()]);
        if let Some(recorder) = &self.recorder {
            let connections = counted(recorder.connections(), "connection");
            self.words.note(format_args!("recorded {connections}"));
        }
        self.shown.close(&mut sheet.batch);
    }
}

/// Connections and reads that have begun and not ended.
#[derive(Debug, Default)]
struct UnderWay {
    count: Mutex<Count>,
    ended: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    connections: usize,
    /// Reads that are being passed on and looked at.
    looks: usize,
}

/// One of a count, which ends when this is dropped.
struct Begun<'a> {
    of: &'a UnderWay,
    which: fn(&mut Count) -> &mut usize,
}

impl UnderWay {
    fn begin(&self, which: fn(&mut Count) -> &mut usize) -> Begun<'_> {
        *which(&mut lock(&self.count)) += 1;
        Begun { of: self, which }
    }

    fn count(&self) -> Count {
        *lock(&self.count)
    }

    /// Waits for a count, but not for long: a peer can take as long as it likes.
    fn wait(&self, is_met: impl Fn(&Count) -> bool) {
        let waited = self
            .ended
            .wait_timeout_while(lock(&self.count), PATIENCE, |count| !is_met(count));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        *(self.which)(&mut lock(&self.of.count)) -= 1;
        self.of.ended.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
