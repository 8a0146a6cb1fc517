//! Numbers of several rounds, as Markdown tables.

/// What one round has shown.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Messages delivered per second, all subscribers together.
    pub rate: f64,
    /// CPU seconds of the server per million delivered.
    pub cpu: f64,
}

/// What one server has shown at one point, in all rounds.
pub struct Row {
    pub clients: usize,
    pub size: usize,
    pub name: String,
    pub rounds: Vec<Round>,
}

impl Row {
    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate))
    }

    fn cpu(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.cpu))
    }
}

/// Rates and CPU as medians, and what the reference is to each other server at the same point.
pub fn print(title: &str, reference: &str, rows: &[Row]) {
    println!("\n{title}\n");
    println!(
        "| subscribers | bytes | server | delivered/s | lowest - highest | CPU s per million \
         | {reference} to it | its CPU to {reference}'s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let start = format!("| {} | {} | {} |", row.clients, row.size, row.name);
        if row.rounds.is_empty() {
            println!("{start} failed | | | | |");
            continue;
        }
        let rates = || row.rounds.iter().map(|round| round.rate);
        let same_point = |other: &&Row| {
            other.name == reference && other.clients == row.clients && other.size == row.size
        };
        let ratios = rows
            .iter()
            .find(same_point)
            .filter(|other| other.name != row.name && !other.rounds.is_empty())
            .map(|other| {
                let (rate, cpu) = (other.rate() / row.rate(), row.cpu() / other.cpu());
                format!(" {rate:.2} | {cpu:.2} |")
            });
        println!(
            "{start} {} | {} - {} | {:.4} |{}",
            human(row.rate()),
            human(rates().fold(f64::INFINITY, f64::min)),
            human(rates().fold(0.0, f64::max)),
            row.cpu(),
            ratios.as_deref().unwrap_or(" | |"),
        );
    }
}

/// Any table: its heads, and its cells line by line.
pub fn print_cells(title: &str, heads: &[&str], lines: &[Vec<String>]) {
    println!("\n{title}\n\n| {} |", heads.join(" | "));
    println!("|{}", "---|".repeat(heads.len()));
    for cells in lines {
        println!("| {} |", cells.join(" | "));
    }
}

/// A cell of what is not always known.
pub fn known(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Under which congestion control loopback has run, which the numbers depend on.
pub fn congestion_control() -> String {
    std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// A rate in thousands or millions.
pub fn human(rate: f64) -> String {
    if rate >= 1e6 {
        format!("{:.1} M", rate / 1e6)
    } else if rate < 1e3 {
        format!("{rate:.0}")
    } else if rate < 1e4 {
        format!("{:.1} k", rate / 1e3)
    } else {
        format!("{:.0} k", rate / 1e3)
    }
}
