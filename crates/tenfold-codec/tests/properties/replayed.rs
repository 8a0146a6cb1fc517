//! The fuzzer's corpus, through the properties that its targets call.

use super::fuzzed;

fn replay(target: &str, property: fn(&[u8])) {
    let directory = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{directory} is empty");
    for file in files {
        let data = std::fs::read(&file).unwrap();
        let held = std::panic::catch_unwind(|| property(&data));
        assert!(held.is_ok(), "{} does not hold", file.display());
    }
}

#[test]
fn the_corpus_of_prefixed_framings_holds() {
    replay("prefixed", fuzzed::prefixed);
}

#[test]
fn the_corpus_of_delimited_framings_holds() {
    replay("delimited", fuzzed::delimited);
}

#[test]
fn the_corpus_of_header_blocks_holds() {
    replay("content_length", fuzzed::content_length);
}

#[test]
fn the_corpus_of_stuffed_framings_holds() {
    replay("stuffed", fuzzed::stuffed);
}

#[test]
fn the_corpus_of_lines_holds() {
    replay("framing", fuzzed::framing);
}

#[test]
fn the_corpus_of_any_framing_and_stream_holds() {
    replay("differential", fuzzed::differential);
}

#[test]
fn the_corpus_of_messages_to_encode_holds() {
    replay("encode", fuzzed::encode);
}
