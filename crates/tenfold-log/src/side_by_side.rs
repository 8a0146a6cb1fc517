//! Work on many channels whose disk is waited for at the same time.
//!
//! A flush takes some milliseconds, and most of them are waiting: ten thousand channels one after the
//! other are minutes, and a disk flushes many files at once. How many is the storage's to say.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work for each item, `at_once` of them at a time, and gives the results in the order of the
/// items. After an error nothing more is begun; of several errors the one of the first item is given.
pub(crate) fn each<T: Send, R: Send, E: Send>(
    items: impl ExactSizeIterator<Item = T> + Send,
    at_once: usize,
    work: impl Fn(T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = at_once.min(items.len());
    if threads <= 1 {
        return items.map(work).collect();
    }
    let items = Mutex::new(items.enumerate());
    let has_failed = AtomicBool::new(false);
    let next = || {
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        items.next().filter(|_| !has_failed.load(Relaxed))
    };
    let work_on = || {
        let mut done = Vec::new();
        while let Some((number, item)) = next() {
            let result = work(item);
            if result.is_err() {
                has_failed.store(true, Relaxed);
            }
            done.push((number, result));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work_on)).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        let done = joined.map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)));
        done.flatten().collect::<Vec<_>>()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for at_once in [0, 1, 3, 100] {
            let doubled = each(0..50, at_once, |number| Ok::<_, ()>(2 * number));
            assert_eq!(doubled, Ok((0..50).map(|number| 2 * number).collect()));
        }
        assert_eq!(each(0..0, 4, Ok::<usize, ()>), Ok(Vec::new()));
    }

    #[test]
    fn so_many_are_worked_on_at_the_same_time() {
        // Each waits for three others: with fewer threads this would never end.
        let together = Barrier::new(4);
        let done = each(0..8, 4, |number| {
            together.wait();
            Ok::<_, ()>(number)
        });
        assert_eq!(done.map(|done| done.len()), Ok(8));
    }

    #[test]
    fn after_an_error_nothing_more_is_begun_and_the_first_one_is_given() {
        let begun = Mutex::new(0);
        let together = Barrier::new(2);
        let done = each(0..1000, 2, |number| {
            *begun.lock().unwrap() += 1;
            if number < 2 {
                together.wait();
            }
            if number < 2 { Err(number) } else { Ok(()) }
        });
        assert_eq!(done, Err(0));
        assert!(*begun.lock().unwrap() <= 3);
    }
}
