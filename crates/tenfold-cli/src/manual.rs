//! `tenfold man`: made from the same description as the arguments, so that it cannot differ from them.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use clap_mangen::Man as Page;

use crate::cli;
use crate::failure::Failure;
use crate::flow::output::Stdout;
use crate::words::Words;

/// Open the manual page; print it where stdout is not a terminal
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The page of this command
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,

    /// Write the pages of all commands into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let Some(dir) = &self.dir else {
            let mut page = Vec::new();
            render(self.page()?, &mut page)?;
            if io::stdout().is_terminal() && open(&page) {
                return Ok(());
            }
            return Stdout::open()?.write(&page);
        };
        write_pages(dir).map_err(|error| cannot_write(dir, &error))?;
        words.detail(format_args!("wrote the manual pages to {}", dir.display()));
        Ok(())
    }
}

impl Man {
    /// What the page is about.
    fn page(&self) -> Result<clap::Command, Failure> {
        let mut root = cli::command();
        // The names of pages and their usage are known once it is built.
        root.build();
        let Some(name) = &self.command else {
            return Ok(root);
        };
        root.find_subcommand(name).cloned().ok_or_else(|| {
            Failure::Usage(format!(
                "there is no command {name}; `tenfold help` lists them"
            ))
        })
    }
}

/// Shows the page with `man`. False where there is none; then the page is printed.
fn open(page: &[u8]) -> bool {
    let man = Command::new("man")
        .args(["-l", "-"])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut man) = man else {
        return false;
    };
    if let Some(mut stdin) = man.stdin.take() {
        // A reader who leaves early has read enough.
        let _ = stdin.write_all(page);
    }
    man.wait().is_ok_and(|status| status.success())
}

fn render(command: clap::Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    Page::new(command)
        .render(page)
        .map_err(|error| Failure::Other(format!("cannot make the manual page: {error}")))
}

/// A page for the whole, and one for each command.
fn write_pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(cli::command(), dir)
}

fn cannot_write(dir: &Path, error: &io::Error) -> Failure {
    Failure::Other(format!(
        "cannot write the manual pages to {}: {error}",
        dir.display()
    ))
}
