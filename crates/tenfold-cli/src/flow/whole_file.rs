//! Files that are seen whole or not at all.

use std::fs::File;
use std::io::Write;
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

/// The same, and when it has returned, the new text is there also after a power cut: first the bytes are
/// on the disk, and then the name.
pub(crate) fn replace_durably(path: &Path, text: &str) -> io::Result<()> {
    let temporary = beside(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory(path))?.sync_all()
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Where a file is.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A name in the same directory, because only there a rename is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    name.into()
}
