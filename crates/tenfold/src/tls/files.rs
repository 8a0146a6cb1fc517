//! The one door of TLS to the disk.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::problem::Problem;

/// No file of TLS is larger, in bytes: the roots of a whole system are about 250 KiB, and a list of 100,000
/// revoked certificates is 5 MiB.
const MOST: u64 = 16 * 1024 * 1024;

/// Reads a file that everybody may know.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Problem> {
    contents(open(path, what)?, path, what)
}

/// Reads a file that has a secret. One that others than its owner can read is refused.
pub(super) fn read_private(path: &Path, what: &str) -> Result<Vec<u8>, Problem> {
    let file = open(path, what)?;
    let metadata = file
        .metadata()
        .map_err(|error| cannot_read(path, what, &error))?;
    // What is not a file, such as a pipe of the shell, nobody else can open.
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        let path_text = path.display();
        return Err(Problem::new(
            path,
            format!("others can read {what} (mode {mode:o}): chmod 600 {path_text}"),
        ));
    }
    contents(file, path, what)
}

fn open(path: &Path, what: &str) -> Result<File, Problem> {
    File::open(path).map_err(|error| cannot_read(path, what, &error))
}

fn contents(file: File, path: &Path, what: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot_read(path, what, &error))?;
    if bytes.len() as u64 > MOST {
        let words = format!("the file is larger than {MOST} bytes, and was to be {what}");
        return Err(Problem::new(path, words));
    }
    Ok(bytes)
}

fn cannot_read(path: &Path, what: &str, error: &std::io::Error) -> Problem {
    Problem::new(path, format!("cannot read {what}: {error}"))
}
