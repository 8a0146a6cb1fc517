//! `--port-file`: where to connect to, for scripts and tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use tenfold::Address;

use crate::failure::Failure;

/// Writes the addresses, one for each line. The file appears complete: it is written under another
/// name and then renamed.
pub(crate) fn write(path: &Path, addresses: &[Address]) -> Result<(), Failure> {
    let temporary = beside(path);
    let lines: Vec<String> = addresses.iter().map(Address::to_string).collect();
    let text = lines.join("\n") + "\n";
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| {
            let _ = fs::remove_file(&temporary);
            Failure::Other(format!(
                "cannot write the port file {}: {error}",
                path.display()
            ))
        })
}

/// A name in the same directory, because only there a rename is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    name.into()
}
