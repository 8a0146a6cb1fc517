//! What a segment has there of a record.

use std::io;

use bytes::Bytes;

use crate::batch::Record;
use crate::crc;
use crate::frames;
use crate::names;
use crate::storage::Storage;
use crate::whole::{DURABLE, read_exact_at, uninterrupted};

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
    let mut bytes = vec![0; usize::try_from(record.length).unwrap_or(0)];
    read_exact_at(&*file, &mut bytes, record.offset, DURABLE)?;
    let is_sound = crc::of(&bytes) == record.crc && frames::are(&bytes, record.messages);
    Ok(is_sound.then(|| bytes.into()))
}
