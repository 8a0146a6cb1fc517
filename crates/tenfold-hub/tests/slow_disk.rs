//! A hub with a log whose disk is slow: what is on its way to the disk arrives, whatever ends meanwhile.

mod common;

use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{LONG, within};
use tenfold::Listener;
use tenfold_hub::{Direction, Hub, HubOptions, Plain, Port, Starting};
use tenfold_log::storage::{Disk, File, Sharing, Storage};
use tenfold_log::{Opened, Threads};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// What the syncs of a disk wait for while it is closed.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self
            .changed
            .wait_while(state, |state| state.is_closed)
            .unwrap();
        state.waiting -= 1;
    }

    /// Waits until a sync waits.
    async fn reached(self: &Arc<Self>) {
        let gate = Arc::clone(self);
        let reached = tokio::task::spawn_blocking(move || {
            let state = gate.state.lock().unwrap();
            let nobody = |state: &mut State| state.waiting == 0;
            let (state, _) = gate
                .changed
                .wait_timeout_while(state, LONG, nobody)
                .unwrap();
            state.waiting
        });
        assert_ne!(reached.await.unwrap(), 0, "nothing is synced");
    }
}

/// A directory whose syncs pass a gate.
#[derive(Debug)]
struct SlowDisk(Disk, Arc<Gate>);

#[derive(Debug)]
struct SlowFile(Arc<dyn File>, Arc<Gate>);

impl Storage for SlowDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        let file = self.0.open(path, create)?;
        Ok(Arc::new(SlowFile(file, Arc::clone(&self.1))))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.0.remove_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.1.pass();
        self.0.sync_dir(path)
    }

    fn lock(
        &self,
        path: &str,
        sharing: Sharing,
    ) -> io::Result<Box<dyn std::fmt::Debug + Send + Sync>> {
        self.0.lock(path, sharing)
    }
}

impl File for SlowFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_durable_at(buffer, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.0.write_at(slices, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        self.0.reserve(offset, length)
    }
}

/// A hub on such a disk, and what has to be kept for it.
struct Rig {
    hub: Hub,
    address: std::net::SocketAddr,
    gate: Arc<Gate>,
    threads: Threads,
    _directory: tempfile::TempDir,
}

fn start(drain: Duration) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let disk = SlowDisk(Disk::open(directory.path()).unwrap(), Arc::clone(&gate));
    let options = tenfold_log::Options::new(|| 7);
    let opened: Opened = tenfold_log::open(Arc::new(disk), options).unwrap();
    let (log, _, threads) = opened.start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = HubOptions::default();
    options.drain = drain;
    let ports = [Port::protocol(Listener::from(listener))];
    Rig {
        hub: Hub::with_log(ports, options, log).unwrap(),
        address,
        gate,
        threads,
        _directory: directory,
    }
}

fn frame(message: &str) -> Vec<u8> {
    format!("{:<10}{message}", message.len()).into_bytes()
}

async fn connect(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&frame(request)).await.unwrap();
    stream
}

async fn ask(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut stream = connect(address, request).await;
    assert!(hear(&mut stream).await.unwrap().starts_with("OK "));
    stream
}

/// The next message; `None` at the end of the stream.
async fn hear(stream: &mut TcpStream) -> Option<String> {
    within(async {
        let mut header = [0; 10];
        if stream.read_exact(&mut header).await.is_err() {
            return None;
        }
        let length = std::str::from_utf8(&header).unwrap().trim_end();
        let mut message = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut message).await.unwrap();
        Some(String::from_utf8(message).unwrap())
    })
    .await
}

/// Gives a hub that does not wait the time to say so.
async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let peeked = timeout(Duration::from_millis(300), stream.peek(&mut byte));
    peeked.await.is_err()
}

/// More than is synced by the task that received it, so that the hub's threads stay free.
fn large() -> String {
    "x".repeat(100_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_what_is_on_its_way_to_a_slow_disk() {
    let rig = start(LONG * 60);
    let mut publisher = ask(rig.address, "PUBLISH ticks acks=durable").await;
    let mut subscriber = ask(rig.address, "SUBSCRIBE ticks").await;
    rig.gate.close();
    publisher.write_all(&frame(&large())).await.unwrap();
    rig.gate.reached().await;
    let drained = tokio::spawn(rig.hub.drain());
    within(async {
        while TcpStream::connect(rig.address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(is_silent(&mut publisher).await);
    assert!(is_silent(&mut subscriber).await);
    assert!(!drained.is_finished());
    rig.gate.open();
    assert_eq!(hear(&mut publisher).await.as_deref(), Some("ACK 1"));
    let end = hear(&mut publisher).await.unwrap();
    assert!(end.starts_with("ERROR SHUTDOWN "), "{end}");
    assert_eq!(hear(&mut subscriber).await, Some(large()));
    assert_eq!(hear(&mut subscriber).await, None);
    drop((publisher, subscriber));
    let stats = within(drained).await.unwrap();
    assert_eq!((stats.messages, stats.connections), (1, 0));
    assert!(rig.threads.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_has_ended_its_side_gets_its_last_ack_however_slow_the_disk_is() {
    // The time for last words begins when there are some.
    let rig = start(Duration::from_millis(20));
    let mut publisher = ask(rig.address, "PUBLISH ticks acks=durable").await;
    rig.gate.close();
    publisher.write_all(&frame(&large())).await.unwrap();
    publisher.shutdown().await.unwrap();
    rig.gate.reached().await;
    assert!(is_silent(&mut publisher).await);
    rig.gate.open();
    assert_eq!(hear(&mut publisher).await.as_deref(), Some("ACK 1"));
    assert_eq!(hear(&mut publisher).await, None);
    drop(publisher);
    within(rig.hub.drain()).await;
    assert!(rig.threads.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_is_opened_clients_are_told_so_and_those_of_plain_ports_wait() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    gate.close();
    let disk = SlowDisk(Disk::open(directory.path()).unwrap(), Arc::clone(&gate));
    let mut options = tenfold_log::Options::new(|| 7);
    options.journal = 1 << 16;
    let opening = Arc::clone(&options.opening);
    let opened = tokio::task::spawn_blocking(|| tenfold_log::open(Arc::new(disk), options));
    gate.reached().await;

    let [protocol, plain] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [address, plain_address] = [&protocol, &plain].map(|it| it.local_addr().unwrap());
    let ticks = Plain::new("ticks".parse().unwrap(), Direction::Out);
    let ports = [Port::protocol(protocol), Port::plain(plain, ticks)];
    let mut starting = Starting::new(ports, HubOptions::default(), opening).unwrap();
    let mut waiting = TcpStream::connect(plain_address).await.unwrap();
    let mut early = connect(address, "HEALTH").await;
    assert!(is_silent(&mut early).await);
    starting.answer().unwrap();
    assert!(hear(&mut early).await.unwrap().contains("status=starting"));
    let mut busy = connect(address, "PUBLISH ticks").await;
    let refusal = "ERROR BUSY starting: looking at the channels: 0 of 0";
    assert_eq!(hear(&mut busy).await.as_deref(), Some(refusal));
    assert_eq!(hear(&mut busy).await, None);
    // This one is not answered before the start is over.
    let mut publisher = connect(address, "PUBLISH ticks").await;
    let mut asking = connect(address, "HEALTH").await;
    let health = hear(&mut asking).await.unwrap();
    assert!(health.starts_with("OK status=starting "), "{health}");
    assert!(health.ends_with(" step=looking done=0 of=0"), "{health}");

    gate.open();
    let (log, _, threads) = within(opened).await.unwrap().unwrap().start().unwrap();
    let hub = starting.hub(log).await.unwrap();
    assert!(hear(&mut publisher).await.unwrap().starts_with("OK "));
    // The subscriber of the plain port gets what comes after its connection is accepted.
    let subscriber = tokio::spawn(async move { hear(&mut waiting).await });
    while !subscriber.is_finished() {
        publisher.write_all(&frame("hello")).await.unwrap();
        assert!(hear(&mut publisher).await.unwrap().starts_with("ACK "));
    }
    assert_eq!(subscriber.await.unwrap().as_deref(), Some("hello"));
    drop(publisher);
    within(hub.drain()).await;
    assert!(threads.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_given_up_tells_who_has_not_asked_yet() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ports = [Port::protocol(listener)];
    let mut starting = Starting::new(ports, HubOptions::default(), Arc::default()).unwrap();
    starting.answer().unwrap();
    // Once a later one is answered, this one is accepted.
    let mut silent = TcpStream::connect(address).await.unwrap();
    drop(connect(address, "HEALTH").await.read(&mut [0]).await);
    let ended = tokio::spawn(starting.end());
    let refusal = hear(&mut silent).await.unwrap();
    assert!(refusal.starts_with("ERROR SHUTDOWN "), "{refusal}");
    drop(silent);
    within(ended).await.unwrap();
}
