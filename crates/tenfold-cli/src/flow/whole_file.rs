//! Files that are seen whole or not at all.

use std::path::{Path, PathBuf};
use std::{fs, io, process};

/// Writes a file under another name, and then renames it: a program that reads it
/// sees the old text or the new one, and never a part.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = beside(path);
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
}

/// A name in the same directory, because only there a rename is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    name.into()
}
