//! How fast things were in the last looks.

use std::collections::{HashMap, VecDeque};

use super::look::Look;

/// The rates of each channel and each client, the newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    channels: HashMap<String, VecDeque<u64>>,
    clients: HashMap<u64, VecDeque<u64>>,
}

/// Looks that are kept: as many as a wide terminal can show.
const KEPT: usize = 120;

impl History {
    /// Adds a look. What is not there any more is forgotten.
    pub(super) fn add(&mut self, look: &Look) {
        let channels = std::mem::take(&mut self.channels);
        let rates = look.channels.iter().map(|one| (one.name.clone(), one.rate));
        self.channels = continued(channels, rates);
        let clients = std::mem::take(&mut self.clients);
        let rates = look.clients.iter().map(|one| (one.id, one.rate));
        self.clients = continued(clients, rates);
    }

    pub(super) fn of_channel(&self, name: &str, width: usize) -> String {
        self.channels
            .get(name)
            .map_or_else(String::new, |rates| sparkline(rates, width))
    }

    pub(super) fn of_client(&self, id: u64, width: usize) -> String {
        self.clients
            .get(&id)
            .map_or_else(String::new, |rates| sparkline(rates, width))
    }
}

fn continued<K: std::hash::Hash + Eq>(
    mut before: HashMap<K, VecDeque<u64>>,
    now: impl Iterator<Item = (K, Option<u64>)>,
) -> HashMap<K, VecDeque<u64>> {
    let mut after = HashMap::new();
    for (key, rate) in now {
        let mut rates = before.remove(&key).unwrap_or_default();
        rates.extend(rate);
        if rates.len() > KEPT {
            rates.pop_front();
        }
        after.insert(key, rates);
    }
    after
}

/// The newest rates, one character each; the highest of them is the highest block, and nothing is a space.
fn sparkline(rates: &VecDeque<u64>, width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = rates.iter().skip(rates.len().saturating_sub(width));
    let top = u128::from(shown.clone().copied().max().unwrap_or(0).max(1));
    let block = |rate: &u64| match u128::from(*rate) {
        0 => ' ',
        rate => {
            BLOCKS[usize::try_from((rate * 8).div_ceil(top) - 1)
                .unwrap_or(7)
                .min(7)]
        }
    };
    shown.map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_the_newest_rates_against_the_highest_of_them() {
        let rates = VecDeque::from([1000, 0, 1, 50, 100]);
        assert_eq!(sparkline(&rates, 4), " ▁▄█");
        assert_eq!(sparkline(&rates, 9), "█ ▁▁▁");
        assert_eq!(sparkline(&VecDeque::new(), 9), "");
    }

    #[test]
    fn what_has_gone_is_forgotten_and_only_so_much_is_kept() {
        let mut rates = HashMap::from([("gone", VecDeque::from([1]))]);
        for n in 0..200 {
            rates = continued(rates, [("here", Some(n))].into_iter());
        }
        assert_eq!(rates.len(), 1);
        assert_eq!(
            (rates["here"].len(), rates["here"].back()),
            (KEPT, Some(&199))
        );
    }
}
