//! Rows of text under titles.

use crate::escape;

/// A column: its title, and whether it has numbers.
pub(crate) type Column = (&'static str, bool);

/// The most characters of a cell: no name and no address of a hub is longer. What somebody else says in its
/// place must not make all rows as wide.
const MOST: usize = 160;

/// Titles and rows: text to the left, numbers to the right. What a row has beyond the columns is left out.
/// The cells may be from others.
pub(crate) fn aligned(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let rows = std::iter::once(titles.collect()).chain(rows);
    let shown = |row: Vec<String>| {
        row.iter()
            .map(|cell| cut(escape::line(cell.as_bytes())))
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
            let spaces = " ".repeat(width.saturating_sub(cell.chars().count()));
            if *is_number {
                spaces + cell
            } else {
                cell.clone() + &spaces
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cut(cell: String) -> String {
    match cell.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &cell[..end]),
        None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_to_the_left_and_numbers_are_to_the_right() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = aligned(
            &[("NAME", false), ("N", true)],
            vec![row(["é", "1"]), row(["a\x1b", "100"])],
        );
        assert_eq!(text, "NAME     N\né        1\na\\x1b  100\n");
    }

    #[test]
    fn a_cell_of_any_width_is_cut() {
        let row = vec!["é".repeat(70_000), "1".repeat(70_000)];
        let text = aligned(&[("NAME", false), ("N", true)], vec![row]);
        assert!(text.lines().all(|line| line.chars().count() < 400));
        assert!(text.contains("é..."));
    }
}
