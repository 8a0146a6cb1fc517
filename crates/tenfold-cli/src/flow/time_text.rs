//! Times as they are printed.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Writes times as `2026-11-26T18:44:02.053Z`: always with three digits of fraction, so that they sort as text.
/// Messages that follow each other mostly have the same one, which is written once.
#[derive(Debug, Default)]
pub(crate) struct TimeText {
    milliseconds: Option<u64>,
    text: String,
}

impl TimeText {
    pub(crate) fn of(&mut self, milliseconds: u64) -> &str {
        if self.milliseconds != Some(milliseconds) {
            let time = i64::try_from(milliseconds).ok();
            let time = time.and_then(|time| Timestamp::from_millisecond(time).ok());
            self.text = time.map_or_else(String::new, |time| {
                time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
            });
            self.milliseconds = Some(milliseconds);
        }
        &self.text
    }

    pub(crate) fn now(&mut self) -> &str {
        self.of(now())
    }
}

/// Unix milliseconds of now.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_of_fraction_and_sort_as_text() {
        let mut text = TimeText::default();
        let times = [0, 1, 999, 1000, 1_795_718_642_053, 1_795_718_642_060];
        let texts: Vec<_> = times.map(|time| text.of(time).to_owned()).into();
        assert_eq!(texts[0], "1970-01-01T00:00:00.000Z");
        assert_eq!(texts[3], "1970-01-01T00:00:01.000Z");
        assert_eq!(texts[4], "2026-11-26T18:44:02.053Z");
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
