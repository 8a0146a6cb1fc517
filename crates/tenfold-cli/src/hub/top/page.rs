//! A look as lines of text that fit a terminal.

use super::history::History;
use super::look::{Channel, Client, Look};
use crate::flow::paint::Paint;
use crate::numbers::{counted, short, size};

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The least characters of a sparkline.
const SPARK: usize = 8;

/// One table: its titles with their widths (0: what is left over, shared), numbers to the right.
type Titles = &'static [(&'static str, usize, bool)];

const CHANNELS: Titles = &[
    ("CHANNEL", 0, false),
    ("MSG/S", 6, true),
    ("LAG", 6, true),
    ("KEPT", 9, true),
    ("SUBS", 5, true),
    ("PUBS", 5, true),
];

const CLIENTS: Titles = &[
    ("CLIENT", 0, false),
    ("KIND", 6, false),
    ("CHANNEL", 0, false),
    ("MSG/S", 6, true),
    ("LAG", 6, true),
];

/// The lines of a page. `words` is said first.
pub(super) fn lines(
    look: &Look,
    history: &History,
    words: &str,
    room: Room,
    paint: Paint,
) -> Vec<String> {
    let mut lines = vec![paint.bold(&cut(words, room.columns))];
    let totals = format!(
        "{}, {}, {} messages/s",
        counted(look.channels.len() as u64, "channel"),
        counted(look.clients.len() as u64, "client"),
        short(look.rate()),
    );
    lines.push(cut(&totals, room.columns));
    // Each table has a title, and an empty line before it.
    let rows = room.rows.saturating_sub(lines.len() + 4).max(2);
    let (channels, clients) = shares(look.channels.len(), look.clients.len(), rows);
    let mut sorted: Vec<&Channel> = look.channels.iter().collect();
    sorted.sort_by_key(|one| (std::cmp::Reverse((one.rate, one.lag)), one.name.clone()));
    let table = Table {
        titles: CHANNELS,
        columns: room.columns,
        paint,
    };
    let row = |one: &&Channel| {
        let spark = history.of_channel(&one.name, table.spark());
        table.row(&channel(one), &spark)
    };
    lines.extend(table.text(&sorted, channels, row));
    let mut sorted: Vec<&Client> = look.clients.iter().collect();
    sorted.sort_by_key(|one| (std::cmp::Reverse((one.lag, one.rate)), one.id));
    let table = Table {
        titles: CLIENTS,
        columns: room.columns,
        paint,
    };
    let row = |one: &&Client| {
        let spark = history.of_client(one.id, table.spark());
        table.row(&client(one), &spark)
    };
    lines.extend(table.text(&sorted, clients, row));
    lines
}

/// How many rows each table gets: half of them, and what the other does not need.
fn shares(channels: usize, clients: usize, rows: usize) -> (usize, usize) {
    let half = rows / 2;
    let for_channels = channels.min(half.max(rows.saturating_sub(clients)));
    (for_channels, clients.min(rows - for_channels))
}

fn channel(one: &Channel) -> Vec<String> {
    vec![
        one.name.clone(),
        rate(one.rate),
        short(one.lag),
        size(one.bytes),
        short(one.subscribers),
        short(one.publishers),
    ]
}

fn client(one: &Client) -> Vec<String> {
    let kind = match one.kind.as_str() {
        "subscriber" => "sub",
        "publisher" => "pub",
        "follower" => "follow",
        "request" | "plain" => "-",
        kind => kind.strip_prefix("plain-").unwrap_or(kind),
    };
    vec![
        one.peer.clone(),
        kind.to_owned(),
        one.channel.clone(),
        rate(one.rate),
        short(one.lag),
    ]
}

fn rate(rate: Option<u64>) -> String {
    rate.map_or_else(|| "-".to_owned(), short)
}

/// A table of a width.
struct Table {
    titles: Titles,
    columns: usize,
    paint: Paint,
}

impl Table {
    /// Characters between two columns.
    fn gap(&self) -> usize {
        if self.columns < 80 { 1 } else { 2 }
    }

    /// The widths of the columns: those without a width share what the sparkline leaves, and the first of
    /// them gets a little more, because an address has its port at the end.
    fn widths(&self) -> Vec<usize> {
        let fixed: usize = self
            .titles
            .iter()
            .map(|(_, width, _)| width + self.gap())
            .sum();
        let open = self
            .titles
            .iter()
            .filter(|(_, width, _)| *width == 0)
            .count();
        let mut left = self.columns.saturating_sub(fixed + SPARK);
        let mut shares = (1..=open).rev().map(|others| {
            let share = if others == 1 { left } else { left * 11 / 20 };
            left -= share;
            share.clamp(4, 26)
        });
        let width = |(_, width, _): &(&str, usize, bool)| match width {
            0 => shares.next().unwrap_or(4),
            width => *width,
        };
        self.titles.iter().map(width).collect()
    }

    /// The width of the sparkline.
    fn spark(&self) -> usize {
        let used: usize = self.widths().iter().map(|width| width + self.gap()).sum();
        self.columns.saturating_sub(used)
    }

    fn text<T>(&self, all: &[T], shown: usize, row: impl Fn(&T) -> String) -> Vec<String> {
        let titles: Vec<String> = self
            .titles
            .iter()
            .map(|(title, _, _)| (*title).to_owned())
            .collect();
        let title = self.row(&titles, "");
        let hidden = all.len() - shown;
        // The last row says how many others there are.
        let shown = if hidden > 0 {
            shown.saturating_sub(1)
        } else {
            shown
        };
        let mut lines = vec![String::new(), self.paint.dim(title.trim_end())];
        lines.extend(all.iter().take(shown).map(row));
        if shown < all.len() {
            lines.push(format!("and {} more", all.len() - shown));
        }
        lines
    }

    fn row(&self, cells: &[String], spark: &str) -> String {
        let mut line = String::new();
        for ((cell, width), (_, _, is_number)) in cells.iter().zip(self.widths()).zip(self.titles) {
            let cell = cut(cell, width);
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if *is_number {
                (&*padding, "")
            } else {
                ("", &*padding)
            };
            for part in [before, &cell, after, &" ".repeat(self.gap())] {
                line.push_str(part);
            }
        }
        line.push_str(&self.paint.cyan(spark));
        cut_end(line)
    }
}

fn cut_end(mut line: String) -> String {
    line.truncate(line.trim_end().len());
    line
}

/// Text of at most this many characters. The middle goes first: long names often begin alike.
fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let before = kept / 2;
    let mut short: String = text.chars().take(before).collect();
    short.push('…');
    short.extend(text.chars().skip(length - (kept - before)));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_gets_half_of_the_rows_and_what_the_other_leaves() {
        assert_eq!(shares(100, 100, 20), (10, 10));
        assert_eq!(shares(3, 100, 20), (3, 17));
        assert_eq!(shares(100, 3, 20), (17, 3));
        assert_eq!(shares(1, 1, 20), (1, 1));
    }

    #[test]
    fn a_row_fits_into_every_width() {
        for columns in 60..200 {
            for titles in [CHANNELS, CLIENTS] {
                let table = Table {
                    titles,
                    columns,
                    paint: Paint(false),
                };
                let cells =
                    vec!["a-very-long-cell-of-a-table-that-has-no-end".to_owned(); titles.len()];
                let line = table.row(&cells, &"█".repeat(table.spark()));
                assert_eq!(line.chars().count(), columns);
                assert!(table.spark() >= SPARK, "{columns}");
            }
        }
    }

    #[test]
    fn names_that_begin_alike_are_told_apart() {
        assert_eq!(cut("sensor.temperature.kitchen.12", 15), "sensor.…chen.12");
        assert_eq!(cut("sensor.temperature.kitchen.13", 15), "sensor.…chen.13");
        assert_eq!(cut("sensor", 6), "sensor");
        assert_eq!(cut("sensor", 1), "…");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let table = Table {
            titles: CHANNELS,
            columns: 60,
            paint: Paint(false),
        };
        let lines = table.text(&[1, 2, 3, 4], 3, i32::to_string);
        assert_eq!(lines[2..], ["1", "2", "and 2 more"]);
    }
}
