//! Rows of text under titles.

use crate::escape;

/// A column: its title, and whether it has numbers.
pub(crate) type Column = (&'static str, bool);

/// Titles and rows: text to the left, numbers to the right. What a row has beyond the columns is left out.
/// The cells may be from others.
pub(crate) fn aligned(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let rows = std::iter::once(titles.collect()).chain(rows);
    let shown = |row: Vec<String>| {
        row.iter()
            .map(|cell| escape::line(cell.as_bytes()))
            .collect()
    };
    let rows: Vec<Vec<String>> = rows.map(shown).collect();
    let mut text = String::new();
    let width = |at: usize| {
        rows.iter()
            .map(|row| row[at].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(columns).zip(&widths);
        let cells = cells.map(|((cell, (_, is_number)), width)| {
            if *is_number {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
