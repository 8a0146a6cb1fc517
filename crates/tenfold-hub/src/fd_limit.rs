//! How many connections the system lets the process have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, and returns what it is now (`None`:
/// unlimited). Each connection is an open file, and the usual soft limit of 1,024 is there for
/// programs that use `select`.
///
/// ```
/// let most = tenfold_hub::raise_fd_limit()?;
/// assert!(most.is_none_or(|files| files > 0));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn raise_fd_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(limit.current);
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(limit.maximum)
}
