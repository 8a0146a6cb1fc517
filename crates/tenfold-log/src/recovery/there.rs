//! What a segment has there of a record.

use std::io;

use bytes::Bytes;

use crate::batch::Record;
use crate::frames;
use crate::names;
use crate::proven::read_proven;
use crate::storage::Storage;
use crate::whole::{DURABLE, uninterrupted};

/// The frames of a record, if its segment has them.
pub(super) fn segment_has(storage: &dyn Storage, record: &Record) -> io::Result<Option<Bytes>> {
    let path = names::frames(&record.channel, record.segment);
    let file = match uninterrupted(|| storage.open(&path, false)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let end = record.offset.saturating_add(record.length);
    if uninterrupted(|| file.length())? < end {
        return Ok(None);
    }
    let range = (record.offset, record.length);
    let bytes = read_proven(&*file, range, record.crc, DURABLE)?;
    let bytes = bytes.filter(|bytes| frames::are(bytes, record.messages));
    Ok(bytes.map(Bytes::from))
}
