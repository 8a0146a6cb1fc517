//! `tenfold`: stream whole messages through pipes and sockets.
//!
//! Each command is a [source](source::Source) of messages, a [sink](pump::Sink), and the
//! [pump](pump::pump) between them. stdout carries payload only; words for people go to stderr,
//! through [`words`].

mod bench;
mod bridge;
mod broadcast;
mod channels;
mod cli;
mod connect;
mod convert;
mod demo;
mod exec;
mod failure;
mod follow;
mod format;
mod framings;
mod hub_client;
mod input;
mod inspect;
mod keep;
mod log;
mod manual;
mod numbers;
mod options;
mod output;
mod payload;
mod port_file;
mod printing;
mod publish;
mod pump;
mod recv;
mod send;
mod serve;
mod signals;
mod source;
mod stderr;
mod sub;
mod units;
mod whole_file;
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
