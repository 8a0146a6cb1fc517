//! How numbers are written.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use tenfold_hub::Metrics;

use crate::accept::Accept;

/// The two ways in which numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposition {
    /// The text format 0.0.4 of Prometheus, which everything reads.
    #[default]
    Text,
    /// `OpenMetrics` 1.0, with units.
    OpenMetrics,
}

/// Numbers of one name.
pub(super) struct Family {
    /// Of a counter without its `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Nothing in it needs an escape.
    pub(super) help: &'static str,
    /// Puts what there is. A family of which nothing is put is left out.
    pub(super) samples: fn(&Metrics, &mut Samples<'_>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Writes families one after the other.
pub(super) struct Writer {
    text: String,
    exposition: Exposition,
}

/// Takes the samples of one family.
pub(super) struct Samples<'a> {
    writer: &'a mut Writer,
    family: &'a Family,
    is_begun: bool,
}

const OPEN_METRICS: &str = "application/openmetrics-text";
const TEXT: &str = "text/plain";

impl Exposition {
    /// What a client gets that accepts this: `OpenMetrics` if it likes that more. Nobody is refused.
    pub(crate) fn accepted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let accept = Accept::read(accept);
        if accept.quality(OPEN_METRICS) > accept.quality(TEXT) {
            return Self::OpenMetrics;
        }
        Self::Text
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// The name that its samples have, but for what a histogram appends.
    pub(super) fn sample(&self) -> String {
        let total = if self.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        format!("{}{total}", self.name)
    }

    fn unit(&self) -> Option<&'static str> {
        let units = ["bytes", "seconds"];
        let has = |unit: &&str| {
            self.name
                .strip_suffix(unit)
                .is_some_and(|rest| rest.ends_with('_'))
        };
        units.into_iter().find(has)
    }
}

impl Writer {
    pub(super) fn new(exposition: Exposition) -> Self {
        Self {
            text: String::new(),
            exposition,
        }
    }

    pub(super) fn family(&mut self, family: &Family, metrics: &Metrics) {
        (family.samples)(metrics, &mut self.samples(family));
    }

    fn samples<'a>(&'a mut self, family: &'a Family) -> Samples<'a> {
        Samples {
            writer: self,
            family,
            is_begun: false,
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.exposition == Exposition::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }

    /// What comes before the samples of a family.
    fn begin(&mut self, family: &Family) {
        let (kind, help) = (family.kind.word(), family.help);
        let (name, unit) = match self.exposition {
            Exposition::Text => (family.sample(), None),
            Exposition::OpenMetrics => (family.name.to_owned(), family.unit()),
        };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }
}

impl Samples<'_> {
    /// Puts a number. No value of a label needs an escape: they are names of this program, or of channels.
    pub(super) fn put(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let name = self.family.sample();
        self.line(&name, labels, value);
    }

    /// Puts how many of something took at most so long and longer than the bound before, how many took longer than all
    /// bounds, and how long all took together.
    pub(super) fn put_times(&mut self, classes: &[(Duration, u64)], longer: u64, total: Duration) {
        let name = self.family.name;
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (bound, more) in classes {
            count += more;
            let bound = format!("{:?}", bound.as_secs_f64());
            self.line(&bucket, &[("le", &bound)], count);
        }
        count += longer;
        self.line(&bucket, &[("le", "+Inf")], count);
        self.line(&format!("{name}_sum"), &[], total.as_secs_f64());
        self.line(&format!("{name}_count"), &[], count);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.writer.begin(self.family);
        }
        let text = &mut self.writer.text;
        *text += name;
        for (place, (label, of)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            // Writing to a String does not fail.
            let _ = write!(text, "{before}{label}=\"{of}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{after} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_whoever_likes_it_more() {
        for (accept, expected) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                Exposition::Text,
            ),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Exposition::Text),
            // Prometheus 2.42, and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
        ] {
            assert_eq!(
                Exposition::accepted([accept].into_iter()),
                expected,
                "{accept}"
            );
        }
    }

    #[test]
    fn both_ways_say_the_same_in_their_own_words() {
        let counter = Family {
            name: "a_bytes",
            kind: Kind::Counter,
            help: "Help.",
            samples: |_, _| {},
        };
        let times = Family {
            name: "t_seconds",
            kind: Kind::Histogram,
            ..counter
        };
        let written = |exposition| {
            let mut writer = Writer::new(exposition);
            let mut put = writer.samples(&counter);
            put.put(&[("x", "1"), ("y", "2")], u64::MAX);
            put.put(&[], 0);
            let classes = [1, 1000].map(Duration::from_millis).map(|bound| (bound, 2));
            writer
                .samples(&times)
                .put_times(&classes, 3, Duration::from_millis(1500));
            // Of this one there is nothing.
            assert!(!writer.samples(&counter).is_begun);
            writer.finish()
        };
        let samples = "a_bytes_total{x=\"1\",y=\"2\"} 18446744073709551615\na_bytes_total 0\n";
        let buckets = "t_seconds_bucket{le=\"0.001\"} 2\nt_seconds_bucket{le=\"1.0\"} 4\n\
                       t_seconds_bucket{le=\"+Inf\"} 7\nt_seconds_sum 1.5\nt_seconds_count 7\n";
        assert_eq!(
            written(Exposition::Text),
            format!(
                "# HELP a_bytes_total Help.\n# TYPE a_bytes_total counter\n{samples}\
                 # HELP t_seconds Help.\n# TYPE t_seconds histogram\n{buckets}"
            )
        );
        assert_eq!(
            written(Exposition::OpenMetrics),
            format!(
                "# HELP a_bytes Help.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n{samples}\
                 # HELP t_seconds Help.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n{buckets}# EOF\n"
            )
        );
    }
}
