//! A storage whose flushes take longer than those of the disk below it.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use tenfold_log::Storage;
use tenfold_log::storage::{Disk, File, Sharing};

/// A disk of which each flush takes so much longer. As on a real one, several take it at the same time.
#[derive(Debug)]
pub struct SlowFlush {
    disk: Disk,
    flush: Duration,
}

#[derive(Debug)]
struct SlowFile {
    file: Arc<dyn File>,
    flush: Duration,
}

impl SlowFlush {
    pub fn new(disk: Disk, flush: Duration) -> Self {
        Self { disk, flush }
    }
}

impl Storage for SlowFlush {
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        let (file, flush) = (self.disk.open(path, create)?, self.flush);
        Ok(Arc::new(SlowFile { file, flush }))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        sleep(self.flush);
        self.disk.sync_dir(path)
    }

    fn has_space(&self, bytes: u64) -> io::Result<()> {
        self.disk.has_space(bytes)
    }

    fn flushes_at_once(&self) -> usize {
        self.disk.flushes_at_once()
    }

    fn files_at_once(&self) -> usize {
        self.disk.files_at_once()
    }

    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.disk.lock(path, sharing)
    }
}

impl File for SlowFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_cached_at(buffer, offset)
    }

    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_durable_at(buffer, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(slices, offset)
    }

    fn sync(&self) -> io::Result<()> {
        sleep(self.flush);
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        self.file.reserve(offset, length)
    }
}
