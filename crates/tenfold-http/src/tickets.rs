//! Tickets, for clients that can show nothing but a URL.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenfold::protocol::Token;

/// How long a ticket is good.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(30);
/// How many tickets there are at once: of one token, so that nobody takes those of others, and of all.
const MOST_OF_ONE: usize = 16;
const MOST: usize = 4096;
/// A ticket's random bytes. Nobody guesses 128 bits in 30 s.
const BYTES: usize = 16;

/// The tickets that were given out and not used. Each stands for a token, once.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<String, Ticket>>);

struct Ticket {
    token: Token,
    since: Instant,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTicket {
    /// Too many others have one.
    TooMany,
    /// The system has no random bytes.
    NoRandom,
}

impl Tickets {
    /// A new ticket for a token. If there are too many of it, its oldest one is no longer good.
    pub(crate) fn give(&self, token: &Token, now: Instant) -> Result<String, NoTicket> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| NoTicket::NoRandom)?;
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.is_good(now));
        let of_token = |ticket: &Ticket| ticket.token.secret() == token.secret();
        if tickets.values().filter(|ticket| of_token(ticket)).count() >= MOST_OF_ONE {
            let own = tickets.iter().filter(|(_, ticket)| of_token(ticket));
            let oldest = own
                .min_by_key(|(_, ticket)| ticket.since)
                .map(|(name, _)| name.clone());
            tickets.retain(|name, _| Some(name) != oldest.as_ref());
        }
        if tickets.len() >= MOST {
            return Err(NoTicket::TooMany);
        }
        let (token, since) = (token.clone(), now);
        tickets.insert(ticket.clone(), Ticket { token, since });
        Ok(ticket)
    }

    /// The token that a ticket stands for. It is used then.
    pub(crate) fn redeem(&self, ticket: &str, now: Instant) -> Option<Token> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = tickets.remove(ticket)?;
        ticket.is_good(now).then_some(ticket.token)
    }
}

impl Ticket {
    fn is_good(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < GOOD_FOR
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: usize) -> Token {
        format!("tf_{id:08x}_{}", "x".repeat(43)).parse().unwrap()
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_while() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.give(&token(1), now).unwrap();
        assert_eq!(tickets.redeem(&ticket, now).unwrap().id(), token(1).id());
        assert!(tickets.redeem(&ticket, now).is_none());
        let ticket = tickets.give(&token(1), now).unwrap();
        assert!(tickets.redeem(&ticket, now + GOOD_FOR).is_none());
        assert!(tickets.redeem("", now).is_none());
    }

    #[test]
    fn one_token_takes_no_tickets_from_others_and_all_are_bounded() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let first = tickets.give(&token(1), now).unwrap();
        for later in 1..=MOST_OF_ONE {
            let now = now + Duration::from_millis(later as u64);
            tickets.give(&token(1), now).unwrap();
        }
        assert!(tickets.redeem(&first, now).is_none());
        let others = MOST - MOST_OF_ONE;
        for id in 2..2 + others {
            tickets.give(&token(id), now).unwrap();
        }
        assert_eq!(
            tickets.give(&token(2 + others), now),
            Err(NoTicket::TooMany)
        );
        assert!(tickets.give(&token(2 + others), now + 2 * GOOD_FOR).is_ok());
    }
}
