//! `--from`: where to begin in a channel, as people say it.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use tenfold::protocol::Position;

use crate::units;

/// Reads what the hub's protocol has, and also how long ago (`1h`) and local dates and times (`2026-11-26`,
/// `'2026-11-26 18:44'`), with or without an `@`.
pub(crate) fn place(text: &str) -> Result<Position, String> {
    if let Ok(position) = text.parse() {
        return Ok(position);
    }
    let time = text.strip_prefix('@').unwrap_or(text);
    if let Some(time) = ago(time).or_else(|| local(time)).or_else(|| exact(time)) {
        return Ok(Position::At(time));
    }
    Err(match text.to_ascii_lowercase().as_str() {
        "earliest" | "oldest" | "beginning" | "begin" | "start" | "all" | "all-available" => {
            "say first for the oldest message that is kept".to_owned()
        }
        "latest" | "newest" | "end" | "now" | "tail" | "new" => {
            "say next for what is published from now on, or last to begin with the newest message"
                .to_owned()
        }
        _ => format!(
            "write first, next, last, a seq, -N for the last N messages, how long ago ({}), a time of this machine's clock (2026-11-26, 2026-11-26T18:44), or @ and unix seconds",
            "90s, 1h, 2d"
        ),
    })
}

/// So long before now.
fn ago(text: &str) -> Option<SystemTime> {
    let unit = text.chars().next_back()?;
    if !text.starts_with(|first: char| first.is_ascii_digit()) || !unit.is_ascii_alphabetic() {
        return None;
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let time = match days {
        Some(days) => Duration::from_secs(24 * 3600).checked_mul(days)?,
        None => units::duration(text).ok()?,
    };
    SystemTime::now().checked_sub(time)
}

/// A date or a date and a time in the time zone of this machine.
fn local(text: &str) -> Option<SystemTime> {
    let time: DateTime = match text.parse::<Date>() {
        Ok(date) if text.len() == "2026-11-26".len() => date.into(),
        _ if text.contains(':') && !has_zone(text) => text.parse().ok()?,
        _ => return None,
    };
    let time = time.to_zoned_datetime(TimeZone::system()).ok()?;
    since_1970(time.timestamp())
}

/// A date and a time with an offset.
fn exact(text: &str) -> Option<SystemTime> {
    since_1970(text.parse().ok()?)
}

/// Whether an offset or `Z` follows a time.
fn has_zone(text: &str) -> bool {
    let time = text
        .split_once(['T', 't', ' '])
        .map_or("", |(_, time)| time);
    time.contains(['Z', 'z', '+', '-', '['])
}

fn since_1970(time: Timestamp) -> Option<SystemTime> {
    let since = time.duration_since(Timestamp::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH.checked_add(since.try_into().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_people_write_them() {
        let ago = |text: &str| match place(text) {
            Ok(Position::At(time)) => SystemTime::now().duration_since(time).unwrap().as_secs(),
            other => panic!("{text}: {other:?}"),
        };
        for (text, seconds) in [("1h", 3600), ("90s", 90), ("@2m", 120), ("2d", 172_800)] {
            assert!((seconds..seconds + 60).contains(&ago(text)), "{text}");
        }
        let at = |text: &str| match place(text) {
            Ok(position @ Position::At(_)) => position.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(at("2026-11-24T08:30:00Z"), "@1795509000");
        assert_eq!(at("@2026-11-24T08:30:00+01:00"), "@1795505400");
        assert_eq!(at("2026-11-24"), at("2026-11-24T00:00:00"));
        assert_eq!(at("@2026-11-24 08:30"), at("2026-11-24T08:30"));
    }

    #[test]
    fn what_the_protocol_has_means_the_same() {
        for text in ["first", "next", "last", "17", "-3", "@17.5"] {
            assert_eq!(place(text), Ok(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn near_misses_are_told_what_was_meant() {
        assert!(place("earliest").unwrap_err().contains("first"));
        assert!(place("latest").unwrap_err().contains("last"));
        for wrong in [
            "",
            "-0",
            "0h",
            "yesterday",
            "2026-13-01",
            "08:30",
            "1x",
            "1969-01-01",
            "@",
        ] {
            assert!(
                place(wrong).unwrap_err().contains("how long ago"),
                "{wrong}"
            );
        }
    }
}
