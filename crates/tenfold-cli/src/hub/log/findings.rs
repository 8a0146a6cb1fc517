//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde_json::json;
use tenfold_log::Report;

/// A line for each finding.
pub(super) fn text(report: &Report, json: bool) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        // Writing to a string cannot fail.
        let _ = if json {
            let object = json!({
                "damage": finding.is_damage,
                "channel": finding.channel.as_deref(),
                "first": finding.seqs.map(|(first, _)| first),
                "next": finding.seqs.map(|(_, next)| next),
                "text": finding.text,
            });
            writeln!(text, "{object}")
        } else {
            let kind = if finding.is_damage { "damage" } else { "note" };
            writeln!(text, "{kind}: {finding}")
        };
    }
    text
}

/// How much is damaged.
pub(super) fn damages(report: &Report) -> usize {
    let damages = report.findings.iter().filter(|finding| finding.is_damage);
    damages.count()
}
