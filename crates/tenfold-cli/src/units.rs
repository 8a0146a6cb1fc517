//! Sizes and times as people write them.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;

/// Reads `64MiB`, `10kB` or `1000`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|_| {
        "write a number of bytes, or a number with a unit: 65536, 64KiB, 1.5MB".to_owned()
    })?;
    match size.as_u64() {
        0 => Err("0 is never \"unlimited\" here: write the size that you mean".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Reads the size of something that must fit into memory.
pub(crate) fn memory(text: &str) -> Result<usize, String> {
    let bytes = size(text)?;
    usize::try_from(bytes).map_err(|_| "this machine cannot address so much".to_owned())
}

/// Reads a number of things, which is not 0.
pub(crate) fn count<N: FromStr + PartialEq + Default>(text: &str) -> Result<N, String> {
    match text.parse() {
        Ok(number) if number == N::default() => {
            Err("0 is never \"unlimited\" here: write the number that you mean".to_owned())
        }
        Ok(number) => Ok(number),
        Err(_) => Err("write a number from 1 on: 1, 100, 10000".to_owned()),
    }
}

/// Reads permissions of a file in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "write three octal digits, as chmod takes them: 600, 660, 666".to_owned())
}

/// Reads `3s`, `1.5s`, `200ms` or `2m`. A bare number is seconds, as `sleep` takes them.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write seconds, or a number with a unit: 3, 200ms, 1.5s, 2m".to_owned();
    let is_bare = text.ends_with(|last: char| last.is_ascii_digit());
    let with_unit = if is_bare {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    let duration: SignedDuration = with_unit.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    if duration.is_zero() {
        return Err("0 is not a time to wait".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1000"), Ok(1000));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1KiB"), Ok(1024));
        assert_eq!(size("1.5kB"), Ok(1500));
        assert!(size("0").is_err());
        assert!(size("-1").is_err());
        assert!(size("much").is_err());
    }

    #[test]
    fn counts_begin_at_one() {
        assert_eq!(count::<u64>("10000"), Ok(10_000));
        for wrong in ["0", "-1", "1.5", "many", "", "99999999999999999999"] {
            assert!(count::<u64>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        for wrong in ["0", "-3", "", "1e3", "1:30"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("-3s").is_err());
        assert!(duration("soon").is_err());
    }
}
