//! What bytes are that have no framing.

use crate::diagnosis::{beginnings, looks};
use crate::protocols;

/// What these first bytes of a stream look like, in words, where they are told by what they begin with.
///
/// ```
/// let words = tenfold_doctor::known(b"*1\r\n$4\r\nPING\r\n").unwrap();
/// assert!(words.starts_with("this looks like RESP"));
/// assert_eq!(tenfold_doctor::known(b"hello\n"), None);
/// ```
pub fn known(bytes: &[u8]) -> Option<String> {
    if let Some(name) = protocols::of(bytes) {
        return Some(format!("this looks like {name}"));
    }
    if let Some(finding) = beginnings::find(bytes) {
        return Some(finding.says);
    }
    looks::by_native(bytes)
        .filter(|guess| looks::is_sure(*guess))
        .map(|guess| guess.to_string())
}
