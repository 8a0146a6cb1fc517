//! What requests and answers are read as: the property that `fuzz/` calls, too.

use tenfold::protocol::{Answer, Pattern, Position, Refusal, Request};

/// Nothing panics, and what is understood is the same when it is written and read again.
pub(crate) fn request(data: &[u8]) {
    if let Ok(request) = Request::parse(data) {
        let line = request.to_string();
        let again = Request::parse(line.as_bytes());
        assert_eq!(again.map(|request| request.to_string()), Ok(line));
    }
    let _ = Answer::parse(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(refusal) = Refusal::parse(text) {
        assert!(refusal.to_string().starts_with("ERROR "), "{refusal}");
    }
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
    let _ = text.parse::<Pattern>();
    let _ = tenfold::Address::parse(text);
}

#[cfg(test)]
#[test]
fn the_corpus_of_requests_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/request");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        request(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
