//! What a run has for clocks: all of them follow the runtime's, which moves only when no task can go on.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::Instant as Virtual;

thread_local! {
    /// When the run has begun.
    static START: Cell<Option<Virtual>> = const { Cell::new(None) };
    /// By how many milliseconds the clock was set.
    static SET: Cell<i64> = const { Cell::new(0) };
    /// How long calls have taken that could not let time pass.
    static LAG: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// On a thread that is not the runtime's: what it was told.
    static TOLD: Cell<Option<Moment>> = const { Cell::new(None) };
}

/// What the clocks say at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    clock: SystemTime,
    timer: Instant,
}

/// Begins a run on this thread.
pub(crate) fn begin() {
    START.set(Some(Virtual::now()));
    SET.set(0);
    LAG.set(Duration::ZERO);
}

pub(crate) fn since_start() -> Duration {
    let start = START.get().unwrap_or_else(Virtual::now);
    Virtual::now().duration_since(start)
}

/// What the clocks say now.
pub(crate) fn now() -> Moment {
    let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let set = Duration::from_millis(SET.get().unsigned_abs());
    let clock = begun + since_start();
    Moment {
        clock: if SET.get() < 0 {
            clock - set
        } else {
            clock + set
        },
        timer: Virtual::now().into_std() + LAG.get(),
    }
}

/// Has the clocks of this thread say so until it is told otherwise.
pub(crate) fn tell(moment: Moment) {
    TOLD.set(Some(moment));
}

/// The clock of the machine.
pub(crate) fn clock() -> SystemTime {
    TOLD.get().unwrap_or_else(now).clock
}

/// What tells how long something takes.
pub(crate) fn timer() -> Instant {
    TOLD.get().unwrap_or_else(now).timer
}

/// Somebody sets the clock, by so many milliseconds.
pub(crate) fn set_clock(by: i64) {
    SET.set(SET.get() + by);
}

/// A call has taken so long, and nothing else could be done meanwhile.
pub(crate) fn lag(time: Duration) {
    LAG.set(LAG.get() + time);
}
