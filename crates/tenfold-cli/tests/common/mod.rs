//! Starting the real binary, and waiting for conditions with a bound.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, str};

use tempfile::TempDir;

/// No step of a test may take longer. A test never relies on reaching it.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Messages that are hard for one format or another.
pub(crate) const MESSAGES: &[&[u8]] = &[
    b"hello",
    b"",
    "caf\u{e9} \u{20ac}".as_bytes(),
    b"two\nlines",
    b"\xff\xfe",
    b"tail\r",
];

/// A message as it is on the wire in `decimal:10`.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{:<10}", message.len()).into_bytes();
    frame.extend_from_slice(message);
    frame
}

pub(crate) fn frames(messages: &[&[u8]]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame(message)).collect()
}

/// Polls until there is a value.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "{what} did not come within {BOUND:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A running `tenfold`, whose output is gathered as it comes. Killed when dropped.
pub(crate) struct Tenfold {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    port_file: PathBuf,
    _dir: TempDir,
}

/// What a `tenfold` has left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// Starts a command with an open stdin.
pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Tenfold {
    start_with(arguments, false)
}

/// Starts a command that listens on a free port.
pub(crate) fn listen(arguments: &[&str]) -> Tenfold {
    start_with(arguments, true)
}

fn start_with<S: AsRef<std::ffi::OsStr>>(arguments: &[S], listens: bool) -> Tenfold {
    let dir = tempfile::tempdir().unwrap();
    let port_file = dir.path().join("ports");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenfold"));
    command.args(arguments).env("NO_COLOR", "1");
    if listens {
        command.args(["--listen", "127.0.0.1:0", "--port-file"]);
        command.arg(&port_file);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, err) = <(Arc<Mutex<Vec<u8>>>, Arc<Mutex<Vec<u8>>>)>::default();
    let readers = vec![
        gather(child.stdout.take().unwrap(), &out),
        gather(child.stderr.take().unwrap(), &err),
    ];
    Tenfold {
        stdin: child.stdin.take(),
        child,
        out,
        err,
        readers,
        port_file,
        _dir: dir,
    }
}

fn gather(mut from: impl Read + Send + 'static, to: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            to.lock().unwrap().extend_from_slice(&bytes[..n]);
        }
    })
}

impl Tenfold {
    /// Where it listens.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let text = wait_for("the port file", || fs::read_to_string(&self.port_file).ok());
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn address(&self) -> String {
        self.addresses().remove(0)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn out(&self) -> Vec<u8> {
        self.out.lock().unwrap().clone()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, by number, to this process.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let status = wait_for("the end of the process", || self.child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }
}

impl Drop for Tenfold {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command with this stdin, to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S], stdin: &[u8]) -> Ended {
    let mut tenfold = start(arguments);
    // A command that refuses its input may be gone before it is written.
    let _ = tenfold.stdin.as_mut().unwrap().write_all(stdin);
    tenfold.close_stdin();
    tenfold.end()
}

/// A hub on a free port.
pub(crate) fn hub(arguments: &[&str]) -> Tenfold {
    listen(&[&["serve"], arguments].concat())
}

/// A hub on a unix socket in this directory, where it can be started again.
pub(crate) fn hub_in(dir: &TempDir, arguments: &[&str]) -> (Tenfold, String) {
    let address = format!("unix:{}/hub", text(dir.path()));
    let hub = start(&[&["serve", "--listen", &address], arguments].concat());
    wait_for("the hub", || hub.err().contains("listening").then_some(()));
    (hub, address)
}

/// What a command prints that talks to a hub; it must succeed.
pub(crate) fn ask(hub: &str, arguments: &[&str], stdin: &[u8]) -> String {
    let ended = run(&[arguments, &["--server", hub]].concat(), stdin);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
    String::from_utf8(ended.out).unwrap()
}

/// Exits with this code, and says this on stderr.
pub(crate) fn fails(hub: &str, arguments: &[&str], stdin: &[u8], code: i32, words: &str) {
    let ended = run(&[arguments, &["--server", hub]].concat(), stdin);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err);
    assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
}

/// A listening socket, and its address.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
}

pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
}

pub(crate) fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A file with these bytes, as long as the directory lives.
pub(crate) fn file(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("messages");
    fs::write(&path, bytes).unwrap();
    path
}

/// The text of a path.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
