//! A question to the person at the terminal, before something that cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Goes on only after a yes: on the command line, or at the terminal. A script without `--yes` is refused.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage(format!(
            "{what}? Without a terminal to ask at, say so with --yes"
        )));
    }
    let failed = |error| Failure::Other(format!("cannot ask: {error}"));
    let mut stderr = io::stderr();
    write!(stderr, "{what}? [y/N] ")
        .and_then(|()| stderr.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Other("nothing was done".to_owned())),
    }
}
