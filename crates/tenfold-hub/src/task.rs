//! Tasks of a hub, and work of theirs that waits for the disk.
//!
//! All of them begin here, so that a simulation can stop and kill a hub like a process.

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Starts a task.
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(of_hub(task))
}

/// A task that is started otherwise.
#[cfg(not(test))]
pub(crate) fn of_hub<F: Future>(task: F) -> F {
    task
}

#[cfg(test)]
pub(crate) use crate::simulation::of_hub;

/// Does some work on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    #[cfg(test)]
    if let Some(process) = crate::simulation::Process::current() {
        return Ok(process.blocking(work).await);
    }
    spawn_blocking(work).await
}
