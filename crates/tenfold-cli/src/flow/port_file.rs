//! `--port-file`: where to connect to, for scripts and tests.

use std::path::Path;

use tenfold::Address;

use crate::failure::Failure;
use crate::flow::whole_file;

/// Writes the addresses, one for each line. The file appears complete.
pub(crate) fn write(path: &Path, addresses: &[Address]) -> Result<(), Failure> {
    let lines: Vec<String> = addresses.iter().map(Address::to_string).collect();
    whole_file::replace(path, &(lines.join("\n") + "\n")).map_err(|error| {
        Failure::Other(format!(
            "cannot write the port file {}: {error}",
            path.display()
        ))
    })
}
