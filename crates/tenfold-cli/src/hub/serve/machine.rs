//! How much memory there is for this process: the machine's, or what its control groups leave it.

use std::fs;
use std::path::{Path, PathBuf};

/// How much memory there is, in bytes, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) bytes: u64,
    pub(super) of: &'static str,
}

/// The smallest limit on the way from this process's control group to the root of its hierarchy, or the
/// machine's memory if that is less. `None`: the system does not tell.
pub(super) fn memory() -> Option<Memory> {
    memory_in(Path::new("/"))
}

fn memory_in(root: &Path) -> Option<Memory> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = total(&read("proc/meminfo")).map(|bytes| Memory {
        bytes,
        of: "machine",
    });
    let places = places(&read("proc/self/cgroup"), &read("proc/self/mountinfo"));
    let limits = places.iter().flat_map(|place| place.limits(root));
    let group = limits.min().map(|bytes| Memory {
        bytes,
        of: "control group",
    });
    machine
        .into_iter()
        .chain(group)
        .min_by_key(|memory| memory.bytes)
}

/// Reads `MemTotal:       24676336 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A control group of this process in one mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    mount: PathBuf,
    /// From the mount to the group.
    below: PathBuf,
    /// The file that has the limit of a group.
    file: &'static str,
}

impl Place {
    /// The limits of the group and of those around it. A word or a number beyond any machine is none.
    fn limits(&self, root: &Path) -> impl Iterator<Item = u64> {
        let groups = self
            .below
            .ancestors()
            .map(move |below| self.mount.join(below));
        groups.filter_map(move |group| {
            let file = root.join(group.strip_prefix("/").ok()?).join(self.file);
            fs::read_to_string(file).ok()?.trim().parse().ok()
        })
    }
}

/// Where this process's control groups with memory limits are. Of version 2 the line in `groups` is `0::PATH`,
/// of version 1 `N:memory:PATH`, perhaps with other controllers beside `memory`.
fn places(groups: &str, mounts: &str) -> Vec<Place> {
    let place = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (kind, file) = match controllers {
            "" => ("cgroup2", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("cgroup", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let (mount_root, mount) = mounts.lines().find_map(|line| mounted(line, kind))?;
        // In a container the hierarchy may be mounted from the container's group on.
        let below = Path::new(path)
            .strip_prefix(mount_root)
            .or_else(|_| Path::new(path).strip_prefix("/"))
            .ok()?;
        Some(Place {
            mount: mount.into(),
            below: below.into(),
            file,
        })
    };
    groups.lines().filter_map(place).collect()
}

/// Reads a line of `mountinfo`: the root of a mount and where it is, if it is a hierarchy of this kind in
/// which memory can be limited.
fn mounted<'a>(line: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (mount, source) = line.split_once(" - ")?;
    let mut source = source.split(' ');
    let is_kind = source.next() == Some(kind);
    let has_memory = kind == "cgroup2"
        || source
            .nth(1)
            .is_some_and(|options| options.split(',').any(|option| option == "memory"));
    let mut fields = mount.split(' ').skip(3);
    let place = (fields.next()?, fields.next()?);
    (is_kind && has_memory).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       1024 kB\nMemFree:  5 kB\n";
    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const V2: &str = "36 31 0:33 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    /// A root directory with these files.
    fn found(files: &[(&str, &str)]) -> Option<(u64, &'static str)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        memory_in(root.path()).map(|memory| (memory.bytes, memory.of))
    }

    #[test]
    fn without_a_limit_it_is_the_machines() {
        assert_eq!(found(&[]), None);
        let machine = ("proc/meminfo", MEMINFO);
        assert_eq!(found(&[machine]), Some((1 << 20, "machine")));
        let unlimited = [
            machine,
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
        ];
        assert_eq!(found(&unlimited), Some((1 << 20, "machine")));
    }

    #[test]
    fn of_nested_groups_the_smallest_limit_counts() {
        let mut files = vec![
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/a/b/memory.max", "400000\n"),
            ("sys/fs/cgroup/a/memory.max", "300000\n"),
        ];
        assert_eq!(found(&files), Some((300_000, "control group")));
        files.push(("sys/fs/cgroup/memory.max", "200000\n"));
        assert_eq!(found(&files), Some((200_000, "control group")));
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/a\n0::/\n"),
            ("proc/self/mountinfo", V1),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "300000\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(found(&files), Some((300_000, "control group")));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let mounts = V2.replace("0:33 / ", "0:33 /docker/1 ");
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/docker/1\n"),
            ("proc/self/mountinfo", mounts.as_str()),
            ("sys/fs/cgroup/memory.max", "300000\n"),
        ];
        assert_eq!(found(&files), Some((300_000, "control group")));
    }
}
