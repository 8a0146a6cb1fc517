//! What any message is in any format: the property that `fuzz/` calls, too.

use tenfold_payload::{ValueFormat, WritableFormat, from_json, to_json};

/// No message of any format panics. What is shown of one is JSON on one line, and what is written of that is shown
/// as the same.
pub(crate) fn payload(data: &[u8]) {
    let pairs = [
        (ValueFormat::Json, Some(WritableFormat::Json)),
        (ValueFormat::Cbor, Some(WritableFormat::Cbor)),
        (ValueFormat::Msgpack, Some(WritableFormat::Msgpack)),
        (ValueFormat::Pickle, None),
    ];
    for (format, writable) in pairs {
        let Ok(shown) = to_json(format, data) else {
            continue;
        };
        assert!(!shown.contains('\n'), "{format:?}: {shown}");
        let Some(writable) = writable else { continue };
        // A value can be deeper as JSON than it is in its format.
        let Ok(written) = from_json(writable, shown.as_bytes()) else {
            continue;
        };
        // CBOR has numbers that are bytes with a tag, in pieces or not: what was written once stays as it is.
        let shown = to_json(format, &written).unwrap();
        let written = from_json(writable, shown.as_bytes()).unwrap();
        assert_eq!(
            to_json(format, &written).as_deref(),
            Ok(&*shown),
            "{format:?}"
        );
    }
    for format in [
        WritableFormat::Json,
        WritableFormat::Cbor,
        WritableFormat::Msgpack,
    ] {
        let _ = from_json(format, data);
    }
}

#[cfg(test)]
#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files")]
fn the_corpus_of_payloads_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/payload");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        payload(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
