//! Numbers of several rounds, as a Markdown table.

/// What one round has shown.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Messages delivered per second, all subscribers together.
    pub rate: f64,
    /// CPU seconds of the server per million delivered.
    pub cpu: f64,
}

pub struct Row {
    pub name: String,
    pub rounds: Vec<Round>,
}

impl Row {
    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate))
    }
}

/// Rates as medians, with their range, and as ratios to each row.
pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    let to = rows
        .iter()
        .map(|row| format!(" to {} |", row.name))
        .collect::<String>();
    println!("| server | delivered/s | lowest - highest | CPU s per million |{to}");
    println!("|---|---|---|---|{}", "---|".repeat(rows.len()));
    for row in rows {
        let rates = || row.rounds.iter().map(|round| round.rate);
        let cpu = median(row.rounds.iter().map(|round| round.cpu));
        let ratios = rows
            .iter()
            .map(|other| format!(" {:.2} |", row.rate() / other.rate()))
            .collect::<String>();
        println!(
            "| {} | {} | {} - {} | {cpu:.4} |{ratios}",
            row.name,
            human(row.rate()),
            human(rates().fold(f64::INFINITY, f64::min)),
            human(rates().fold(0.0, f64::max)),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn human(rate: f64) -> String {
    if rate >= 1e6 {
        format!("{:.1} M", rate / 1e6)
    } else {
        format!("{:.0} k", rate / 1e3)
    }
}
