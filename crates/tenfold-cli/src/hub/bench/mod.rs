//! `tenfold bench`: how fast something is, and whether everything arrives.

mod channel;
mod check;
mod hub;
mod load;
mod payload;
mod report;
mod watch;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::words::Words;
use hub::HubBench;

/// Measure how fast messages go, and check that all arrive
#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Hub(HubBench),
}

impl Bench {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        match &self.what {
            What::Hub(hub) => hub.run(words),
        }
    }
}
