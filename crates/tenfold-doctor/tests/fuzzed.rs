//! What is said of any bytes: the property that `fuzz/` calls, too.

use tenfold_codec::Framing;
use tenfold_doctor::{Found, Scene, Walker, diagnose, doubt, known, pasted, rank};

/// The first line is a framing, and the rest a stream. However it breaks, it is explained; and the presets are
/// ranked for it. If it does not, it may be doubted.
pub(crate) fn diagnosis(data: &[u8]) {
    let end = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (line, stream) = data.split_at(end);
    let stream = stream.get(1..).unwrap_or_default();
    let framing = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.parse().ok());
    let framing: Framing = framing.unwrap_or_default();
    for side in [framing.client(), framing.server()] {
        let mut walker = Walker::new(side, 1 << 20);
        let mut end = 0;
        let mut each = |_: &_, found: Found<'_>| {
            if let Found::Message(frame, _) = found {
                assert!(
                    frame.offset >= end,
                    "frames overlap: {frame:?} begins before {end}"
                );
                end = frame.offset + frame.size;
            }
        };
        let taken = walker
            .take(stream, &mut each)
            .and_then(|()| walker.end(&mut each));
        if let Err(error) = taken {
            for finding in diagnose(Scene::of(&walker, &error)) {
                assert!(!finding.says.is_empty());
            }
        } else if let Some(doubt) = doubt(side, walker.excerpt(), true) {
            assert!(!doubt.says.is_empty());
        }
    }
    assert!(known(stream).is_none_or(|words| !words.is_empty()));
    // A dump repeats rows, and not without limit.
    let most = stream.len().max(16 << 20);
    assert!(pasted(stream).is_none_or(|pasted| pasted.bytes.len() <= most));
    for ranked in rank(stream, true) {
        assert!(!ranked.name().is_empty() && !ranked.why().is_empty());
    }
}

#[cfg(test)]
#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files")]
fn the_corpus_of_diagnosis_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/diagnosis");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        diagnosis(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
