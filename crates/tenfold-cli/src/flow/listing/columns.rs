//! Rows of text under titles.

/// A column: its title, and whether it has numbers.
pub(crate) type Column = (&'static str, bool);

/// Titles and rows: text to the left, numbers to the right. What a row has beyond the columns is left out.
pub(crate) fn aligned(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let rows: Vec<Vec<String>> = std::iter::once(titles.collect()).chain(rows).collect();
    let mut text = String::new();
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
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
