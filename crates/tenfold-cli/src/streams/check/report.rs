//! What was found, line by line: for people, or as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::teacher::Finding;
use crate::escape;
use crate::failure::Failure;
use crate::flow::layout::{width, wrapped};
use crate::flow::output::Stdout;
use crate::flow::paint::Paint;
use crate::numbers::counted;

/// Writes the report as it comes about.
#[derive(Debug)]
pub(super) struct Report {
    stdout: Stdout,
    json: bool,
    paint: Paint,
    width: usize,
    /// Whether the lines of the lesson are about this framing.
    has_lines: bool,
    /// The exit code of a program that makes mistakes is that of bad data.
    is_stream: bool,
}

/// Characters of a case's verdict and name.
const NAME: usize = 26;

impl Report {
    pub(super) fn new(
        json: bool,
        paint: Paint,
        has_lines: bool,
        is_stream: bool,
    ) -> Result<Self, Failure> {
        let stdout = Stdout::open()?;
        Ok(Self {
            width: width(&stdout).min(100),
            paint: Paint(paint.0 && !json),
            stdout,
            json,
            has_lines,
            is_stream,
        })
    }

    /// One thing that was tried: what it is, and what went wrong with it.
    pub(super) fn row(
        &self,
        name: &str,
        says: &str,
        problem: Option<String>,
        mut object: Value,
    ) -> Result<(), Failure> {
        if self.json {
            object["problem"] = problem.into();
            return self.object(&object);
        }
        let verdict = match problem {
            None => self.paint.green("ok     "),
            Some(_) => self.paint.red("WRONG  "),
        };
        let mut text = format!("{verdict}{name:<18} {}", wrapped(says, NAME, self.width));
        if let Some(problem) = problem {
            let _ = write!(text, "{:NAME$}{}", "", wrapped(&problem, NAME, self.width));
        }
        self.line(&text)
    }

    /// A word beside the rows.
    pub(super) fn note(&self, says: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.line(&format!("{:7}{}", "", wrapped(says, 7, self.width)))
    }

    /// The mistakes, and how it ends.
    pub(super) fn end(&self, findings: &[Finding], tried: &str) -> Result<(), Failure> {
        for finding in findings {
            if self.json {
                self.object(&object(finding))?;
            } else {
                self.line(&self.finding(finding))?;
            }
        }
        let mistakes = findings
            .iter()
            .filter(|finding| finding.lesson.is_mistake)
            .count();
        let weaknesses = findings.len() - mistakes;
        if self.json {
            let summary = json!({"summary": {"mistakes": mistakes, "weaknesses": weaknesses}});
            self.object(&summary)?;
        } else {
            let mistakes = match mistakes {
                0 => self.paint.green("no mistake"),
                _ => self.paint.red(&counted(mistakes as u64, "mistake")),
            };
            let more = match weaknesses {
                0 => String::new(),
                1 => ", and 1 thing that could be better".to_owned(),
                n => format!(", and {n} things that could be better"),
            };
            self.line(&format!("\n{tried}: {mistakes}{more}\n"))?;
        }
        match (mistakes, self.is_stream) {
            (0, _) => Ok(()),
            (_, true) => Err(Failure::Diagnosed),
            (n, false) => Err(Failure::Other(format!(
                "the program makes {}",
                counted(n as u64, "mistake")
            ))),
        }
    }

    fn finding(&self, finding: &Finding) -> String {
        let lesson = finding.lesson;
        let label = if lesson.is_mistake {
            self.paint.red("mistake: ")
        } else {
            self.paint.yellow("better:  ")
        };
        let mut text = format!("\n{label}{}", wrapped(lesson.title, 9, self.width));
        let mut paragraph = |title: &str, says: &str| {
            let _ = write!(text, "  {title:<12} {}", wrapped(says, 15, self.width));
        };
        for seen in &finding.seen {
            paragraph("seen", seen);
        }
        if !finding.cases.is_empty() {
            paragraph("seen in", &finding.cases.join(", "));
        }
        if !lesson.why.is_empty() {
            paragraph("why", lesson.why);
        }
        if self.has_lines {
            for (title, code) in [("the lesson", lesson.line), ("write", lesson.instead)] {
                for (n, line) in code.lines().enumerate() {
                    let title = if n == 0 { title } else { "" };
                    let _ = writeln!(text, "  {title:<12} {}", self.paint.cyan(line));
                }
            }
        }
        text
    }

    fn object(&self, object: &Value) -> Result<(), Failure> {
        self.line(&format!("{}\n", escape::json(&object.to_string())))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        self.stdout.write(text.as_bytes())
    }
}

fn object(finding: &Finding) -> Value {
    let lesson = finding.lesson;
    json!({"finding": {
        "kind": lesson.kind,
        "mistake": lesson.is_mistake,
        "says": lesson.title,
        "why": lesson.why,
        "seen": finding.seen,
        "cases": finding.cases,
        "lesson": lesson.line,
        "write": lesson.instead,
    }})
}
