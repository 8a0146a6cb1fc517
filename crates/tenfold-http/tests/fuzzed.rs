//! What a client's bytes are read as: the property that `fuzz/` calls, too.

use bytes::BytesMut;
use tenfold_http::{Body, Frames, Head, Piece, Place, Posted, plan};

/// Nothing panics; a head is the same whatever follows it, and a body and what is in it take no more than came.
pub(crate) fn http(data: &[u8]) {
    let Ok(Some((head, length))) = Head::read(data) else {
        return;
    };
    assert_eq!(
        Head::read(&data[..length]),
        Ok(Some((head.clone(), length)))
    );
    if let Err(problem) = plan(&head, &Place::default()) {
        assert!((400..500).contains(&problem.status().code()), "{problem}");
    }
    let rest = &data[length..];
    let mut frames = Frames::default();
    let mut received = BytesMut::from(rest);
    while let Ok(Some(_)) = frames.take(&mut received) {}
    let Ok(mut body) = Body::of(&head) else {
        return;
    };
    let (mut received, mut posted, mut taken) = (BytesMut::from(rest), Posted::new(1 << 20), 0);
    while let Ok(Piece::Bytes(bytes)) = body.take(&mut received) {
        taken += bytes.len();
        posted.receive(&bytes);
        while let Ok(Some(_)) = posted.next(false) {}
    }
    assert!(taken + received.len() <= rest.len());
}

#[cfg(test)]
#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files")]
fn the_corpus_of_http_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/http");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        let data = std::fs::read(file.unwrap().path()).unwrap();
        // Each of them begins with a head, so that the property looks at all of it.
        assert!(matches!(Head::read(&data), Ok(Some(_))));
        http(&data);
    }
}
