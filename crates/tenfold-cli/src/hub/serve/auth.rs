//! `--auth`: who may do what.

use std::path::Path;
use std::sync::Arc;

use tenfold_gate::Policy;

use crate::failure::Failure;
use crate::flow::credential::read_private;

/// Reads a policy, which others than its owner must not be able to change.
pub(super) fn policy(path: &Path) -> Result<Arc<Policy>, Failure> {
    let text = read_private(path, "a policy", 0o022).map_err(Failure::Usage)?;
    let policy = Policy::parse(&text).map_err(|bad| {
        let path = path.display();
        Failure::Usage(format!(
            "{path}, {bad} (docs/security.md says what a policy is)"
        ))
    })?;
    Ok(Arc::new(policy))
}
