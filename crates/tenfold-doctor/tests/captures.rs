//! Streams that real programs have sent, and the framings that must be found in them.

#![expect(
    clippy::disallowed_methods,
    reason = "the recorded streams are files; the crate itself opens none"
)]

use std::fs;
use std::path::Path;

use tenfold_codec::{Framing, PRESETS};
use tenfold_doctor::rank;

fn sides() -> Vec<String> {
    let framings = PRESETS.iter().map(|p| p.line.parse::<Framing>().unwrap());
    framings
        .flat_map(|f| [f.client().to_string(), f.server().to_string()])
        .collect()
}

#[test]
fn nine_of_ten_recorded_streams_are_recognised() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/captures");
    let table = fs::read_to_string(dir.join("vectors.tsv")).unwrap();
    let sides = sides();
    let (mut right, mut wrong) = (0, Vec::new());
    for row in table.lines().skip(1) {
        let mut fields = row.split('\t');
        let (file, line) = (fields.next().unwrap(), fields.next().unwrap());
        let line = line.parse::<Framing>().unwrap().client().to_string();
        if !sides.contains(&line) {
            assert_eq!(line, "cobs", "the only one without a preset");
            continue;
        }
        let bytes = fs::read(dir.join(file)).unwrap();
        let ranked = rank(&bytes, true);
        if ranked[0].side.to_string() == line {
            right += 1;
        } else {
            let place = ranked.iter().position(|r| r.side.to_string() == line);
            wrong.push(format!(
                "{file}: {line} at {place:?} {:?}, first {} {:?}",
                ranked[place.unwrap()].trial,
                ranked[0].side,
                ranked[0].trial
            ));
        }
    }
    assert!(
        right * 10 >= (right + wrong.len()) * 9,
        "{right} right, wrong: {wrong:#?}"
    );
}
