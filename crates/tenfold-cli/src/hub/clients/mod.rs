//! `tenfold clients`: the connections of a hub.

mod table;

use clap::Args;
use tenfold::protocol::Request;

use crate::failure::Failure;
use crate::flow::listing::Listing;
use crate::words::Words;
use table::Clients as Table;

/// List the connections of a hub
#[derive(Args, Debug)]
#[command(after_help = "\
LAG is how many messages a subscriber is behind, or how many of a publisher's are not
committed yet. Rates are those since the look before, or since the connection began. A
peer's last mistake may have been made by another connection from the same address.

Examples:
  tenfold clients
  tenfold clients --watch=500ms
  tenfold clients --json | jq 'select(.lag > 1000)'")]
pub(crate) struct Clients {
    #[command(flatten)]
    listing: Listing,
}

impl Clients {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        self.listing.run::<Table>(&Request::Clients, words)
    }
}
