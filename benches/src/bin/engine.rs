//! The hub's engine behind the flags of `tenfold broadcast`, and with `--publisher` behind a
//! socket instead of a file. `--capacity`, `--send-buffer`, `--threads` are there to be measured.

use std::error::Error;
use std::fs::File;
use std::io::Read;

use tenfold::Listener;
use tenfold_benches::frames::Blocks;
use tenfold_benches::server_args::{ServerArgs, Source};
use tenfold_hub::{Block, Broadcast, Options, Tail, raise_fd_limit};

fn main() -> Result<(), Box<dyn Error>> {
    let args = ServerArgs::parse()?;
    raise_fd_limit()?;
    let threads = args.number("--threads")?.unwrap_or(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let mut options = Options::default();
    options.send_buffer = args.number("--send-buffer")?;
    if let Some(capacity) = args.number("--capacity")? {
        options.capacity = capacity;
    }
    let broadcast = Broadcast::start([Listener::from(args.listener.try_clone()?)], options)?;
    runtime.block_on(broadcast.wait_clients(args.wait_clients));
    match &args.source {
        Source::File(path) => append_all(File::open(path)?, broadcast.tail())?,
        Source::Publisher(listener) => append_all(listener.accept()?.0, broadcast.tail())?,
    }
    runtime.block_on(broadcast.drain());
    Ok(())
}

fn append_all(source: impl Read, tail: &Tail) -> Result<(), Box<dyn Error>> {
    let mut blocks = Blocks::new(source);
    while let Some((bytes, messages)) = blocks.next_block()? {
        tail.append_blocking(Block::new(bytes, messages))?;
    }
    Ok(())
}
