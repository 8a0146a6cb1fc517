//! The bare loop that a replay is compared with: the bytes of all segments in a directory, one file
//! after the other, into a socket. It knows no frames, no index and no checksums.
//!
//! `bare_replay --port-file F [--how read|sendfile] DIR`. With `read`, 256 KiB at a time go through
//! a buffer; with `sendfile`, the system takes them from its cache itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::thread;

use tenfold_benches::disk::files_in;
use tenfold_benches::server_args::{ServerArgs, Source};

/// What is read at once, as in a subscriber's turn of the hub.
const PART: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let args = ServerArgs::parse()?;
    let Source::File(folder) = &args.source else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "which directory?",
        ));
    };
    let mut files = files_in(folder)?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "frames")
    });
    let send = match args.value("--how").unwrap_or("read") {
        "read" => by_reading,
        "sendfile" => by_sendfile,
        how => return Err(io::Error::new(io::ErrorKind::InvalidInput, how)),
    };
    loop {
        let (socket, _) = args.listener.accept()?;
        let files = files.clone();
        thread::spawn(move || {
            // A client that has what it wants goes away; that is not a reason to end.
            if let Err(error) = send_all(socket, &files, send) {
                eprintln!("bare_replay: {error}");
            }
        });
    }
}

type Send = fn(&TcpStream, &mut File) -> io::Result<()>;

fn send_all(mut socket: TcpStream, files: &[PathBuf], send: Send) -> io::Result<()> {
    for file in files {
        send(&socket, &mut File::open(file)?)?;
    }
    socket.shutdown(Shutdown::Write)?;
    io::copy(&mut socket, &mut io::sink())?;
    Ok(())
}

fn by_reading(mut socket: &TcpStream, file: &mut File) -> io::Result<()> {
    let mut part = vec![0; PART];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        socket.write_all(&part[..read])?;
    }
}

fn by_sendfile(socket: &TcpStream, file: &mut File) -> io::Result<()> {
    while rustix::fs::sendfile(socket, &*file, None, 1 << 30)? > 0 {}
    Ok(())
}
