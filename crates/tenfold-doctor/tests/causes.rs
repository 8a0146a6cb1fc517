//! Streams of each kind of framing, right and with each mistake that people make, from seeds: what the doctor says
//! first of each, and that it says nothing wrong.

mod seeds;
mod streams;

use std::collections::BTreeMap;

use streams::{Row, rows};
use tenfold_codec::Framing;
use tenfold_doctor::{Found, Scene, Walker, diagnose, doubt};

/// What the doctor said.
struct Answer {
    /// The first finding, the doubt, or "right".
    kind: &'static str,
    /// A framing that reads every byte, by the first finding.
    works: Option<String>,
    /// All of it, for whoever reads a failure.
    said: String,
}

fn answer(row: &Row) -> Answer {
    let framing: Framing = row.read_as.parse().unwrap();
    let mut walker = Walker::new(framing.client(), 16 << 20);
    let mut nothing = |_: &_, _: Found<'_>| {};
    let taken = walker
        .take(&row.bytes, &mut nothing)
        .and_then(|()| walker.end(&mut nothing));
    walker.look_further(b"", true);
    let Err(error) = taken else {
        let doubt = doubt(framing.client(), walker.excerpt(), true);
        return Answer {
            kind: doubt.as_ref().map_or("right", |doubt| doubt.kind),
            works: None,
            said: format!("{doubt:?}"),
        };
    };
    let findings = diagnose(Scene::of(&walker, &error));
    let works = findings.iter().find_map(|finding| finding.works.as_ref());
    Answer {
        kind: findings[0].kind,
        works: works
            .filter(|works| works.bytes == works.of)
            .map(|works| works.side.to_string()),
        said: findings.iter().fold(error.to_string(), |said, finding| {
            let works = finding.works.as_ref().map(|works| works.side.to_string());
            format!(
                "{said}\n  {} {} {} {works:?}",
                finding.kind, finding.certainty, finding.says
            )
        }),
    }
}

#[test]
fn the_first_answer_names_the_cause_and_nothing_that_is_said_is_wrong() {
    let rows = rows();
    assert!(rows.len() >= 150, "{} streams", rows.len());
    let (mut right, mut missed, mut wrong) = (0, Vec::new(), Vec::new());
    // What was said of the streams of each cause.
    let mut confusion: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in &rows {
        let answer = answer(row);
        *confusion.entry((row.kinds[0], answer.kind)).or_default() += 1;
        let name = format!("{} as {}: {}", row.name, row.read_as, answer.said);
        if row.kinds.contains(&answer.kind) {
            right += 1;
        } else {
            missed.push(name.clone());
        }
        // A stream that is right is never blamed, and no framing reads all bytes but one that says the same.
        let is_blamed = row.kinds == ["right"] && answer.kind != "right";
        let is_misread = answer
            .works
            .is_some_and(|works| !row.works.contains(&works));
        if is_blamed || is_misread {
            wrong.push(name);
        }
    }
    assert!(
        missed.len() * 20 <= rows.len() && wrong.is_empty(),
        "{right} of {} are right\n{confusion:#?}\n{}",
        rows.len(),
        [missed.join("\n"), "WRONG".to_owned(), wrong.join("\n")].join("\n")
    );
}
