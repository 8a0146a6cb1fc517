//! Numbers as people read them.

use std::time::Duration;

use bytesize::ByteSize;

pub(crate) use tenfold_doctor::{counted, grouped};

/// How many in a second, if so many were counted in this time.
pub(crate) fn per_second(number: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(number) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// A number in at most six characters: `9,999`, `12.3k`, `123M`.
pub(crate) fn short(number: u64) -> String {
    if number < 10_000 {
        return grouped(number);
    }
    let units = ["k", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    // In tenths, rounded down, so that nothing is said to be more than it is.
    let mut tenths = number / 100;
    while tenths >= 10_000 {
        tenths /= 1000;
        unit += 1;
    }
    match tenths {
        0..1000 => format!("{}.{}{}", tenths / 10, tenths % 10, units[unit]),
        _ => format!("{}{}", tenths / 10, units[unit]),
    }
}

/// `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).to_string()
}

/// A time with three digits that matter: `853 us`, `1.25 ms`, `12.3 s`.
pub(crate) fn time(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanos {
        0.0 => return "0 s".to_owned(),
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let places = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_by_the_second() {
        assert_eq!(per_second(10, Duration::from_millis(500)), 20);
        assert_eq!(per_second(0, Duration::ZERO), 0);
    }

    #[test]
    fn a_short_number_has_six_characters_at_most() {
        for (number, text) in [
            (0, "0"),
            (9_999, "9,999"),
            (10_000, "10.0k"),
            (123_456, "123k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn times_have_three_digits() {
        assert_eq!(time(Duration::ZERO), "0 s");
        assert_eq!(time(Duration::from_nanos(853)), "853 ns");
        assert_eq!(time(Duration::from_micros(1250)), "1.25 ms");
        assert_eq!(time(Duration::from_millis(12_340)), "12.3 s");
    }
}
