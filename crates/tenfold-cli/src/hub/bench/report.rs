//! The result of a measurement.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

use super::check::Faults;
use super::load::Plan;
use super::watch::{Seen, latencies};
use crate::failure::Failure;
use crate::numbers::{counted, grouped, per_second, size, time};

/// What was measured.
pub(super) struct Report {
    publishers: u64,
    subscribers: u64,
    message_size: u64,
    flat_out: bool,
    published: u64,
    publishing: Duration,
    delivered: u64,
    delivering: Duration,
    latencies: Histogram<u64>,
    faults: Faults,
}

/// The percentiles, with their names for people and for programs.
const PERCENTILES: &[(f64, &str)] = &[
    (50.0, "p50"),
    (90.0, "p90"),
    (99.0, "p99"),
    (99.9, "p99.9"),
    (100.0, "max"),
];

impl Report {
    pub(super) fn new(
        plan: &Plan,
        sent: &[u64],
        seen: &[Seen],
        publishing: Duration,
        delivering: Duration,
    ) -> Self {
        let mut report = Self {
            publishers: sent.len() as u64,
            subscribers: seen.len() as u64,
            message_size: plan.size as u64,
            flat_out: plan.rate.is_none(),
            published: sent.iter().sum(),
            publishing,
            delivered: 0,
            delivering,
            latencies: latencies(),
            faults: Faults::default(),
        };
        for one in seen {
            report.delivered += one.messages;
            report.faults += one.faults(sent);
            // Both have the same bounds.
            let _ = report.latencies.add(&one.latencies);
        }
        report
    }

    /// A failure if something did not arrive as it should.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        if !self.faults.any() {
            return Ok(());
        }
        Err(Failure::Other(format!(
            "not every message arrived once and in order: {}",
            self.verdict()
        )))
    }

    pub(super) fn text(&self, json: bool) -> String {
        if json { self.object() } else { self.lines() }
    }

    fn verdict(&self) -> String {
        let Faults {
            lost,
            duplicated,
            out_of_order,
        } = self.faults;
        format!(
            "{} lost, {} twice, {} out of order",
            grouped(lost),
            grouped(duplicated),
            grouped(out_of_order)
        )
    }

    fn latency(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(percentile / 100.0))
    }

    fn lines(&self) -> String {
        let published = per_second(self.published, self.publishing);
        let delivered = per_second(self.delivered, self.delivering);
        let percentiles = PERCENTILES
            .iter()
            .map(|(percentile, name)| format!("{name} {}", time(self.latency(*percentile))));
        format!(
            "{}, {}, {} bytes each{}\n\
             published  {:>15}  {:>13}/s  {:>9}/s\n\
             delivered  {:>15}  {:>13}/s  {:>9}/s\n\
             latency    {}\n\
             checked    {}\n",
            counted(self.publishers, "publisher"),
            counted(self.subscribers, "subscriber"),
            grouped(self.message_size),
            if self.flat_out { ", flat out" } else { "" },
            grouped(self.published),
            grouped(published),
            size(published * self.message_size),
            grouped(self.delivered),
            grouped(delivered),
            size(delivered * self.message_size),
            percentiles.collect::<Vec<_>>().join(", "),
            self.verdict(),
        )
    }

    fn object(&self) -> String {
        let latency = PERCENTILES.iter().map(|(percentile, name)| {
            let seconds = self.latency(*percentile).as_secs_f64();
            ((*name).to_owned(), json!(seconds))
        });
        let object = json!({
            "publishers": self.publishers,
            "subscribers": self.subscribers,
            "size": self.message_size,
            "flat_out": self.flat_out,
            "published": self.published,
            "published_per_second": per_second(self.published, self.publishing),
            "delivered": self.delivered,
            "delivered_per_second": per_second(self.delivered, self.delivering),
            "latency_seconds": serde_json::Value::Object(latency.collect()),
            "lost": self.faults.lost,
            "duplicated": self.faults.duplicated,
            "out_of_order": self.faults.out_of_order,
        });
        format!("{object}\n")
    }
}
