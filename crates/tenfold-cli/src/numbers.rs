//! Numbers as people read them.

use std::time::Duration;

use bytesize::ByteSize;

/// `1 message`, `1,234 messages`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many in a second, if so many were counted in this time.
pub(crate) fn per_second(number: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(number) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).to_string()
}

/// A time with three digits that matter: `853 us`, `1.25 ms`, `12.3 s`.
pub(crate) fn time(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanos {
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
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "client"), "1 client");
        assert_eq!(counted(0, "message"), "0 messages");
    }

    #[test]
    fn rates_are_by_the_second() {
        assert_eq!(per_second(10, Duration::from_millis(500)), 20);
        assert_eq!(per_second(0, Duration::ZERO), 0);
    }

    #[test]
    fn times_have_three_digits() {
        assert_eq!(time(Duration::from_nanos(853)), "853 ns");
        assert_eq!(time(Duration::from_micros(1250)), "1.25 ms");
        assert_eq!(time(Duration::from_millis(12_340)), "12.3 s");
    }
}
