//! `--format`: a line for each message, as a person wants it.

use std::str::FromStr;

use crate::escape;
use crate::flow::format::Origin;

/// What a line is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Time,
    Channel,
    Number,
    Message,
}

impl Template {
    /// Whether it has the time of a message.
    pub(crate) fn has_time(&self) -> bool {
        self.0.contains(&Part::Time)
    }

    /// Whether it has the channel of a message.
    pub(crate) fn has_channel(&self) -> bool {
        self.0.contains(&Part::Channel)
    }

    /// Appends the line of a message, of which this is to be shown; for a terminal its control characters are
    /// `escape`d.
    pub(crate) fn put(
        &self,
        origin: Option<Origin<'_>>,
        message: &[u8],
        escape: bool,
        out: &mut Vec<u8>,
    ) {
        let origin = origin.unwrap_or_default();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Time => out.extend_from_slice(origin.time.unwrap_or("-").as_bytes()),
                Part::Channel => out.extend_from_slice(origin.channel.unwrap_or("-").as_bytes()),
                Part::Number => out.extend_from_slice(origin.number.to_string().as_bytes()),
                Part::Message if escape => escape::put(message, out),
                Part::Message => out.extend_from_slice(message),
            }
        }
        out.push(b'\n');
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let part = match (char, chars.clone().next()) {
                ('%', Some('T')) => Part::Time,
                ('%', Some('c')) => Part::Channel,
                ('%', Some('s')) => Part::Number,
                ('%', Some('m')) => Part::Message,
                ('%', next) => {
                    if next != Some('%') {
                        return Err("write %T (time), %c (channel), %s (seq), %m (message) or %% for a percent sign".to_owned());
                    }
                    chars.next();
                    plain.push('%');
                    continue;
                }
                ('\\', Some(next @ ('t' | 'n' | '\\'))) => {
                    chars.next();
                    plain.push(match next {
                        't' => '\t',
                        'n' => '\n',
                        _ => '\\',
                    });
                    continue;
                }
                _ => {
                    plain.push(char);
                    continue;
                }
            };
            chars.next();
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(template: &str) -> String {
        let origin = Origin {
            number: 7,
            channel: Some("ticks"),
            time: Some("2026-11-26T18:44:02.053Z"),
            ..Origin::default()
        };
        let mut out = Vec::new();
        let template: Template = template.parse().unwrap();
        template.put(Some(origin), b"17.25", false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_what_the_template_asks_for() {
        assert_eq!(
            line("%T %c %s %m"),
            "2026-11-26T18:44:02.053Z ticks 7 17.25\n"
        );
        assert_eq!(line(r"100 %%\t%m\\\x"), "100 %\t17.25\\\\x\n");
        assert_eq!(line(""), "\n");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for wrong in ["%", "%x", "%m %"] {
            let problem = wrong.parse::<Template>().unwrap_err();
            assert!(problem.contains("%T (time)"), "{problem}");
        }
    }
}
