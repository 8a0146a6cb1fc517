//! The disk that servers write to: which one it is, and how often it was flushed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

use crate::Result;

/// A directory of its own on a disk, which is removed in the end.
pub struct Disk {
    place: TempDir,
    mount: Mount,
    /// Where the system counts what the device did.
    stat: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    point: PathBuf,
    kind: String,
    source: String,
}

/// What a file system in memory is called.
const IN_MEMORY: [&str; 4] = ["tmpfs", "ramfs", "devtmpfs", "hugetlbfs"];
/// The count of flushes in `/sys/dev/block/*/stat`, since Linux 5.5.
const FLUSHES: usize = 15;

impl Disk {
    /// Makes a directory in `within`, or where temporary files go; one that is in memory is an
    /// error.
    pub fn new(within: Option<&str>) -> Result<Self> {
        let within = match within {
            Some(path) => PathBuf::from(path),
            None => std::env::temp_dir(),
        };
        let within =
            fs::canonicalize(&within).map_err(|error| format!("{}: {error}", within.display()))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let mount = mount_of(&within, &mounts).ok_or("there is no file system to be found")?;
        if IN_MEMORY.contains(&mount.kind.as_str()) {
            let (path, kind) = (within.display(), mount.kind);
            let text = format!("{path} is on {kind}, which is in memory; --dir DIR names another");
            return Err(text.into());
        }
        let place = tempfile::Builder::new()
            .prefix("tenfold-bench-")
            .tempdir_in(within)?;
        Ok(Self {
            place,
            stat: stat_of(&mount.device),
            mount,
        })
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// What it is, for the title of a table.
    pub fn describe(&self) -> String {
        let Mount { kind, source, .. } = &self.mount;
        let cache = fs::read_to_string(self.stat.with_file_name("queue/write_cache"));
        let cache = cache.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
        format!("{kind} on {source} (write cache: {cache})")
    }

    /// How often the device was flushed so far, by whomever; `None` if the system does not tell.
    pub fn flushes(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.stat).ok()?;
        stat.split_whitespace().nth(FLUSHES)?.parse().ok()
    }
}

/// A partition has no flushes: its disk has.
fn stat_of(device: &str) -> PathBuf {
    let device = Path::new("/sys/dev/block").join(device);
    let device = fs::canonicalize(&device).unwrap_or(device);
    match device.parent() {
        Some(disk) if device.join("partition").exists() => disk.join("stat"),
        _ => device.join("stat"),
    }
}

/// The mount with the longest path above this one; of equal ones the last, which covers the others.
fn mount_of(path: &Path, mounts: &str) -> Option<Mount> {
    let above = mounts.lines().filter_map(parse);
    above
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
}

/// ```text
/// 27 1 254:0 / /data rw,relatime shared:1 - ext4 /dev/vda rw
///      device  point                        kind source
/// ```
fn parse(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let mut file_system = file_system.split(' ');
    Some(Mount {
        device: mount.next()?.to_owned(),
        // A space in it is written as \040.
        point: mount.nth(1)?.replace("\\040", " ").into(),
        kind: file_system.next()?.to_owned(),
        source: file_system.next()?.to_owned(),
    })
}

/// Reads all files in a directory once, so that the system has them in its cache, if they fit.
pub fn warm(path: &Path) -> io::Result<()> {
    let mut part = vec![0; 1 << 20];
    for file in files_in(path)? {
        let mut file = File::open(file)?;
        while file.read(&mut part)? > 0 {}
    }
    Ok(())
}

/// Syncs all files in a directory, and has the system drop them from its cache.
pub fn cool(path: &Path) -> io::Result<()> {
    for file in files_in(path)? {
        let file = File::open(file)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// All files in a directory and below, in the order of their paths.
pub fn files_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:25 / /data ro,nosuid shared:7 master:1 - tmpfs none ro,size=4k
29 27 254:1 / /data/my\\040log rw - xfs /dev/vdb rw
";

    #[test]
    fn the_nearest_mount_counts() {
        let kind = |path: &str| mount_of(Path::new(path), MOUNTS).unwrap().kind;
        assert_eq!(kind("/tmp"), "ext4");
        assert_eq!(kind("/database"), "ext4");
        assert_eq!(kind("/data/x"), "tmpfs");
        assert_eq!(kind("/data/my log/x"), "xfs");
        let mount = mount_of(Path::new("/data/my log"), MOUNTS).unwrap();
        assert_eq!(mount.device, "254:1");
        assert_eq!(mount.source, "/dev/vdb");
    }

    #[test]
    fn a_directory_in_memory_is_refused() {
        let error = Disk::new(Some("/dev/shm"))
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("--dir")));
    }
}
