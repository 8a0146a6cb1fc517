//! From what was seen in the cases to the mistakes that explain it.

use super::outcome::{End, Outcome};
use super::teacher::{self as teach, Finding, Lesson};

/// What was seen in each case, in their order.
#[derive(Debug)]
pub(super) struct Causes {
    pub(super) outcomes: Vec<Outcome>,
    /// The program sends messages back, and does not print them.
    echoes: bool,
}

impl Causes {
    pub(super) fn new(echoes: bool) -> Self {
        Self {
            outcomes: Vec::new(),
            echoes,
        }
    }

    /// The mistakes, each with the cases that it explains.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut open: Vec<&Outcome> = self
            .outcomes
            .iter()
            .filter(|case| !case.is_good())
            .collect();
        let mut findings = Vec::new();
        for (lesson, cases) in self.lessons() {
            let mut finding = Finding::new(lesson);
            for name in cases {
                if let Some(at) = open.iter().position(|outcome| outcome.name == *name) {
                    finding.cases.push(open.remove(at).name);
                }
            }
            let earlier = findings
                .iter_mut()
                .find(|earlier: &&mut Finding| earlier.lesson == lesson);
            match earlier {
                Some(earlier) => earlier.cases.extend(finding.cases),
                // A lesson for what others explain teaches nothing more.
                None if finding.cases.is_empty() => {}
                None => findings.push(finding),
            }
        }
        if !open.is_empty() {
            let mut finding = Finding::new(&teach::OTHER);
            finding.cases = open.iter().map(|outcome| outcome.name).collect();
            findings.push(finding);
        }
        findings.extend(self.at_the_end());
        findings
    }

    /// The lessons that fit, the one that explains most first; and the cases that each can explain.
    fn lessons(&self) -> Vec<(&'static Lesson, &'static [&'static str])> {
        let mut lessons: Vec<(&'static Lesson, &'static [&'static str])> = Vec::new();
        let mut add = |lesson, cases| lessons.push((lesson, cases));
        if self.outcomes.iter().any(|outcome| outcome.twice) {
            add(&teach::TWICE, ALL);
        }
        if self
            .outcomes
            .iter()
            .any(|outcome| outcome.bad_stream.is_some())
        {
            add(&teach::BAD_ECHO, ALL);
        }
        if let Some(first) = self.outcomes.first().filter(|first| !first.is_good()) {
            add(self.not_even_one(first), ALL);
            return lessons;
        }
        if self.is_bad("three") && self.outcomes.iter().any(|outcome| outcome.together) {
            add(&teach::ONE_RECV, PIECES_AND_MANY);
        }
        if self.is_bad("cut-after-header") || self.is_bad("cut-in-message") {
            let is_apart = !self.is_bad("three");
            add(
                &teach::SHORT_READ,
                if is_apart { PIECES_AND_HALVES } else { PIECES },
            );
        }
        add(&teach::HEADER_CUT, HEADERS);
        if self.is_bad("three") || self.is_bad("one-and-a-half") {
            let is_first_seen = self
                .case("three")
                .is_some_and(|three| !three.missing.contains(&0));
            let lesson = if is_first_seen {
                &teach::REST_LOST
            } else {
                &teach::EXACT_LENGTH
            };
            add(lesson, MANY);
        }
        add(&teach::EMPTY_LOST, &["empty"]);
        self.add_characters(&mut add);
        if self.is_bad("large") {
            let is_short = self.is_bad("bytes");
            add(
                if is_short {
                    &teach::SHORT_READ
                } else {
                    &teach::LARGE_LOST
                },
                &["large"],
            );
        }
        lessons
    }

    /// The first case went wrong.
    fn not_even_one(&self, first: &Outcome) -> &'static Lesson {
        let has_header = |text: &String| text.starts_with(|char: char| char.is_ascii_digit());
        if first.strange.iter().any(has_header) {
            &teach::NO_HEADER
        } else if self.echoes {
            &teach::NOTHING_ECHOED
        } else {
            &teach::NOTHING_SEEN
        }
    }

    /// What goes wrong with text that is not ASCII.
    fn add_characters(&self, add: &mut impl FnMut(&'static Lesson, &'static [&'static str])) {
        const TEXTS: &[&str] = &["accent", "utf-8", "cut-character"];
        let bad = TEXTS
            .iter()
            .filter_map(|name| self.case(name))
            .filter(|case| !case.is_good());
        let bad: Vec<&Outcome> = bad.collect();
        let said = |words: &str| {
            let mut lines = bad
                .iter()
                .flat_map(|case| case.last_words.iter().chain(&case.printed));
            lines.any(|line| line.contains(words))
        };
        if said("b'") || said("b\"") {
            add(&teach::PRINTS_BYTES, TEXTS);
        }
        if self.is_bad("accent") {
            add(&teach::RECEIVED_CHARACTERS, &["accent"]);
        }
        if said("UnicodeDecodeError") || !self.is_bad("accent") {
            add(&teach::DECODES_PIECES, TEXTS);
        } else {
            add(&teach::RECEIVED_CHARACTERS, TEXTS);
        }
    }

    /// What is wrong when everything was received.
    fn at_the_end(&self) -> Vec<Finding> {
        let found = |lesson, is_it: &dyn Fn(&&Outcome) -> bool| {
            let cases: Vec<&Outcome> = self.outcomes.iter().filter(is_it).collect();
            let first = cases.first()?;
            let mut finding = Finding::new(lesson);
            finding.cases = cases.iter().map(|outcome| outcome.name).collect();
            let seen: Vec<String> = first
                .bad_end
                .iter()
                .chain(&first.last_words)
                .cloned()
                .collect();
            if !seen.is_empty() {
                finding.seen.push(seen.join(": "));
            }
            Some(finding)
        };
        let clean = |outcome: &&Outcome| outcome.is_good() && outcome.name != "ends-inside";
        [
            found(&teach::END_NOT_NOTICED, &|outcome| {
                matches!(outcome.end, End::Stays | End::Floods)
            }),
            found(&teach::FAILS_AT_END, &|outcome| {
                clean(outcome) && outcome.end == End::Done && outcome.bad_end.is_some()
            }),
            found(&teach::HALF_PRINTED, &|outcome| outcome.took_half),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn case(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    fn is_bad(&self, name: &str) -> bool {
        self.case(name).is_some_and(|outcome| !outcome.is_good())
    }
}

/// Every case.
const ALL: &[&str] = &[
    "whole",
    "bytes",
    "cut-in-header",
    "cut-after-header",
    "cut-in-message",
    "three",
    "one-and-a-half",
    "empty",
    "accent",
    "utf-8",
    "cut-character",
    "large",
    "ends-inside",
];

/// Cases that a program fails which expects a message to come in one piece.
const PIECES: &[&str] = &[
    "bytes",
    "cut-after-header",
    "cut-in-message",
    "large",
    "cut-character",
];

/// The same, and half a message after another one.
const PIECES_AND_HALVES: &[&str] = &[
    "bytes",
    "cut-after-header",
    "cut-in-message",
    "one-and-a-half",
    "large",
    "cut-character",
    "ends-inside",
];

/// Cases that a program fails which expects a header to come in one piece.
const HEADERS: &[&str] = &["bytes", "cut-in-header"];

/// Cases that a program fails which expects a piece to end with a message.
const MANY: &[&str] = &["three", "one-and-a-half", "ends-inside", "empty", "large"];

/// Both.
const PIECES_AND_MANY: &[&str] = &[
    "bytes",
    "cut-in-header",
    "cut-after-header",
    "cut-in-message",
    "three",
    "one-and-a-half",
    "empty",
    "large",
    "cut-character",
    "ends-inside",
];
