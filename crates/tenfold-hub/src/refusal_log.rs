//! Lines of the log about refusals, which a client can cause as fast as it can connect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenfold::protocol::{Code, Refusal};
use tokio::time::sleep;
use tracing::info;

use crate::peer::Peer;
use crate::shares::Whose;
use crate::task::spawn;

/// How long the refusals of an address are only counted after a line about one.
const PAUSE: Duration = Duration::from_secs(1);
/// How many addresses are counted by themselves. What there is beyond is counted together.
const ADDRESSES: usize = 1024;

/// The refusals of the last second: for each address at most one line of the log in a second.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<HashMap<Counted, Untold>>);

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Of(Whose),
    /// All for whom there is no count of their own.
    Others,
}

/// Refusals since the last line about those of an address.
#[derive(Debug, Default)]
struct Untold {
    count: u64,
    last: Option<(Peer, &'static str)>,
}

impl RefusalLog {
    /// Tells of a refusal, or counts it if another one was told just now. To be called inside the runtime.
    pub(crate) fn refused(self: &Arc<Self>, peer: Peer, refusal: &Refusal) {
        let code = refusal.code.map_or("", Code::as_str);
        if let Some(whose) = self.is_first(peer, code) {
            info!(%peer, code, "refused");
            drop(spawn(Arc::clone(self).tell_the_others(whose)));
        }
    }

    /// Counts a refusal, unless it is the first for a while: then it is told, and those of this key are counted.
    fn is_first(&self, peer: Peer, code: &'static str) -> Option<Counted> {
        let mut untold = self.lock();
        let mut whose = Counted::Of(Whose::of(peer));
        if untold.len() >= ADDRESSES && !untold.contains_key(&whose) {
            whose = Counted::Others;
        }
        if let Some(of) = untold.get_mut(&whose) {
            of.count += 1;
            of.last = Some((peer, code));
            return None;
        }
        untold.insert(whose.clone(), Untold::default());
        Some(whose)
    }

    /// Tells every second how many were refused, until there was none.
    async fn tell_the_others(self: Arc<Self>, whose: Counted) {
        loop {
            sleep(PAUSE).await;
            let Some(Untold {
                count,
                last: Some((peer, code)),
            }) = self.next(&whose)
            else {
                return;
            };
            info!(%peer, code, count, "refused in the last second, this one and others of its address");
        }
    }

    /// What is to be told of an address now. If that is nothing, its next refusal is a first one.
    fn next(&self, whose: &Counted) -> Option<Untold> {
        let mut untold = self.lock();
        let of = std::mem::take(untold.get_mut(whose)?);
        if of.count == 0 {
            untold.remove(whose);
        }
        Some(of)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Counted, Untold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_the_first_is_told_and_then_how_many_there_were() {
        let log = RefusalLog::default();
        let peer = |text: &str| Peer::Tcp(text.parse().unwrap());
        let one = log.is_first(peer("192.0.2.1:1"), "BUSY").unwrap();
        assert!(log.is_first(peer("192.0.2.2:1"), "BUSY").is_some());
        for port in 2..2000 {
            let again = log.is_first(peer(&format!("192.0.2.1:{port}")), "AUTH");
            assert!(again.is_none());
        }
        let told = log.next(&one).unwrap();
        assert_eq!(told.count, 1998);
        assert_eq!(told.last, Some((peer("192.0.2.1:1999"), "AUTH")));
        assert_eq!(log.next(&one).unwrap().count, 0);
        assert!(log.is_first(peer("192.0.2.1:1"), "BUSY").is_some());
    }

    #[test]
    fn those_of_very_many_addresses_are_counted_together() {
        let log = RefusalLog::default();
        let first = (0..5000_u32).filter_map(|i| {
            let address = std::net::Ipv4Addr::from(i);
            log.is_first(Peer::Tcp((address, 1).into()), "BUSY")
        });
        assert_eq!(first.count(), ADDRESSES + 1);
        assert_eq!(
            log.next(&Counted::Others).unwrap().count,
            5000 - 1 - ADDRESSES as u64
        );
        assert!(log.lock().len() <= ADDRESSES + 1);
    }
}
