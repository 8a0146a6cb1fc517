//! Where frames come from: an address, stdin, or a file, as it is named on the command line.

use std::ffi::OsStr;
use std::path::Path;

use tenfold::Address;

use super::input::Input;
use crate::failure::Failure;

/// The address, where it is one; what says that it is one must be.
pub(crate) fn address_in(from: &OsStr) -> Result<Option<Address>, Failure> {
    let Some(text) = from.to_str() else {
        return Ok(None);
    };
    match Address::parse(text) {
        Ok(address) => Ok(Some(address)),
        Err(error) if text.starts_with("tcp:") || text.starts_with("unix:") => {
            Err(Failure::Usage(error.to_string()))
        }
        Err(_) => Ok(None),
    }
}

/// A file. If there is no such file, an address with a mistake in it may have been meant, and the error
/// says what is wrong with that, too.
pub(crate) fn open_file(from: &OsStr) -> Result<Input, Failure> {
    Input::file_or_stdin(from.as_ref()).map_err(|failure| match from.to_str().map(Address::parse) {
        Some(Err(error)) if !Path::new(from).exists() => {
            Failure::Other(format!("{failure}; and {error}"))
        }
        _ => failure,
    })
}
