//! `--messages 10..20`: which rows are wanted.

use std::str::FromStr;

/// Messages from one index up to another one, which is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    from: u64,
    to: u64,
}

impl Span {
    pub(crate) fn has(self, index: u64) -> bool {
        (self.from..self.to).contains(&index)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, otherwise: u64| match text {
            "" => Ok(otherwise),
            _ => text
                .parse()
                .map_err(|_| format!("\"{text}\" is not the index of a message, as in 10..20")),
        };
        let span = if let Some((from, to)) = text.split_once("..") {
            Self {
                from: number(from, 0)?,
                to: number(to, u64::MAX)?,
            }
        } else {
            let only: u64 = number(text, 0)?;
            Self {
                from: only,
                to: only.saturating_add(1),
            }
        };
        if text.is_empty() || span.from >= span.to {
            return Err(format!(
                "no message is in \"{text}\": 10..20 has those from 10 to 19"
            ));
        }
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_first_index_and_not_its_last() {
        let has = |text: &str| -> Vec<u64> {
            let span: Span = text.parse().unwrap();
            (0..6).filter(|index| span.has(*index)).collect()
        };
        assert_eq!(has("1..3"), [1, 2]);
        assert_eq!(has("4.."), [4, 5]);
        assert_eq!(has("..2"), [0, 1]);
        assert_eq!(has("3"), [3]);
        for text in ["", "3..3", "5..1", "a..b", "-1"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
