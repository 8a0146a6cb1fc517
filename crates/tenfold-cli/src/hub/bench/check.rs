//! Whether each publisher's messages come once and in order.

use std::ops::Range;

/// What a subscriber has seen of one publisher.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    next: u64,
    /// Numbers that were passed over.
    missing: Vec<Range<u64>>,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
}

impl Sequence {
    #[inline]
    pub(super) fn take(&mut self, number: u64, faults: &mut Faults) {
        if number == self.next {
            self.next += 1;
        } else {
            self.take_unexpected(number, faults);
        }
    }

    #[cold]
    fn take_unexpected(&mut self, number: u64, faults: &mut Faults) {
        if number > self.next {
            self.missing.push(self.next..number);
            self.next = number + 1;
            return;
        }
        match self
            .missing
            .iter()
            .position(|range| range.contains(&number))
        {
            None => faults.duplicated += 1,
            Some(at) => {
                faults.out_of_order += 1;
                let range = self.missing.swap_remove(at);
                let parts = [range.start..number, number + 1..range.end];
                self.missing
                    .extend(parts.into_iter().filter(|part| !part.is_empty()));
            }
        }
    }

    /// At the end, when so many were sent.
    pub(super) fn finish(&self, sent: u64, faults: &mut Faults) {
        let missing: u64 = self
            .missing
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        faults.lost += missing + sent.saturating_sub(self.next);
    }
}

impl Faults {
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(numbers: &[u64], sent: u64) -> (u64, u64, u64) {
        let (mut sequence, mut faults) = (Sequence::default(), Faults::default());
        for number in numbers {
            sequence.take(*number, &mut faults);
        }
        sequence.finish(sent, &mut faults);
        (faults.lost, faults.duplicated, faults.out_of_order)
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        assert_eq!(faults(&[0, 1, 2], 3), (0, 0, 0));
        assert_eq!(faults(&[0, 2], 4), (2, 0, 0));
        assert_eq!(faults(&[0, 1, 1, 0, 2], 3), (0, 2, 0));
        assert_eq!(faults(&[4, 2, 0, 1, 3, 2], 5), (0, 1, 4));
        assert_eq!(faults(&[], 2), (2, 0, 0));
    }
}
