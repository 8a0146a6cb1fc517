//! `tenfold`: stream whole messages through pipes and sockets.
//!
//! Each command is a [source](flow::source::Source) of messages, a [sink](flow::pump::Sink), and the
//! [pump](flow::pump::pump) between them. stdout carries payload only; words for people go to stderr,
//! through [`words`].

#[cfg(not(target_os = "linux"))]
compile_error!(
    "tenfold runs on Linux only, for now: its log needs preadv2, O_DIRECT and fallocate, and its clients need eventfd"
);

mod cli;
mod completions;
mod descriptors;
mod escape;
mod failure;
mod flow;
mod framings;
mod hub;
mod manual;
mod numbers;
mod random;
mod signals;
mod stderr;
mod streams;
mod units;
mod words;

use std::process::ExitCode;

use crate::cli::Cli;
use crate::words::Words;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let words = Words::new(cli.level(), cli.color);
    let code = match cli.command.run(&words, cli.color) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                words.error(&failure);
            }
            ExitCode::from(failure.code())
        }
    };
    stderr::flush();
    code
}
