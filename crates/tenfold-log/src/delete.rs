//! Deletes a channel with everything that the log has of it.
//!
//! Its directory is moved to `deleted/` in one step, so after a crash the whole channel is there or nothing of
//! it. What is in `deleted/` is removed after that, or by the next start.

use std::io;
use std::sync::Arc;

use crate::deleted::put_away;
use crate::error::OpenError;
use crate::format;
use crate::health::Health;
use crate::open::open;
use crate::options::Options;
use crate::storage::Storage;

const DOING: &str = "deleting the channel";

/// Deletes a channel of a log that no hub uses. False: there is none of this name. The log is recovered
/// first, as the next start would, so that its journal has nothing of the channel any more. Nothing else is
/// deleted, whatever the options say of limits.
pub fn delete(storage: &Arc<dyn Storage>, name: &str, options: Options) -> Result<bool, OpenError> {
    format::check_whole(&**storage)?;
    let opened = open(Arc::clone(storage), options.keeping_everything())?;
    if opened.log.health() != Health::Ok {
        // The journal may still have frames of the channel, and would bring them back.
        let why = opened.log.why();
        let error = why.map_or_else(|| io::ErrorKind::StorageFull.into(), io::Error::other);
        return Err(OpenError::Io("writing down what the journal has", error));
    }
    let found = opened.log.common.channels().remove(name);
    if found.is_some() {
        put_away(&**storage, name).map_err(OpenError::io(DOING))?;
    }
    if !opened.stop() {
        let error = io::Error::other("the log could not be closed");
        return Err(OpenError::Io(DOING, error));
    }
    Ok(found.is_some())
}
