//! A hub's numbers, for Prometheus and whatever else reads what it reads: `docs/http.md`, section 10.

mod exposition;
mod families;

pub use exposition::Exposition;

use exposition::Writer;
use tenfold_hub::Metrics;

/// The body of an answer with these numbers.
pub(crate) fn text(metrics: &Metrics, exposition: Exposition) -> String {
    let mut writer = Writer::new(exposition);
    for family in families::FAMILIES {
        writer.family(family, metrics);
    }
    writer.finish()
}
