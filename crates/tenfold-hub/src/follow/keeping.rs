//! What a follower keeps of the run that was begun, while its client takes nothing.

use tokio::time::sleep;

use super::Follow;
use crate::followed::Followed;
use crate::rest::Rest;

impl Follow {
    /// Waits until what was begun should not be kept as it is.
    pub(super) fn to_be_let_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let from_files = self.rest.iter().filter_map(Rest::kept_for);
        let kept_for = from_files.chain(self.reads.kept_for()).min();
        let is_kept = self.is_kept();
        let passed = self.begun().map(Followed::passed_by_tail);
        async move {
            match (kept_for, passed) {
                (Some(time), _) => sleep(time).await,
                _ if is_kept => std::future::pending().await,
                (None, Some(passed)) => passed.await,
                (None, None) => {}
            }
        }
    }

    /// Whether nothing of a run is left, or memory is taken for what is.
    fn is_kept(&self) -> bool {
        self.current.is_none() || self.rest.iter().all(Rest::is_kept)
    }

    /// Keeps of a run that nobody else keeps only the frame that was begun, and takes memory for it; else that is to be
    /// read again. False: it cannot be.
    pub(super) fn keep_what_was_begun(&mut self) -> bool {
        if self.is_kept() {
            return true;
        }
        let is_from_file = self.rest.iter().any(|rest| rest.kept_for().is_some());
        if let Some(followed) = self.begun_mut() {
            let is_in_files = followed.channel.history().is_some();
            if !is_from_file && !followed.is_passed_by_tail() {
                return true;
            }
            if is_in_files {
                self.shorten();
            }
        }
        let rests = &self.rests;
        self.rest.iter_mut().all(|rest| rest.keep(rests)) || self.forget_frame()
    }

    /// Lets the run go but for the frame or the heading that was begun.
    fn shorten(&mut self) {
        let (mut unbegun, mut next) = (0, None);
        while let Some(mut rest) = self.rest.pop_back() {
            let let_go = rest.let_go();
            if let Some(let_go) = let_go {
                self.report.messages += let_go.sent;
                self.counters.sent(let_go.sent, 0);
                unbegun += let_go.unbegun;
                next = Some(let_go.next);
            }
            if !rest.is_empty() {
                self.rest.push_back(rest);
                break;
            }
        }
        if let Some(current) = &mut self.current {
            current.left += unbegun;
        }
        if let (Some(next), Some(followed)) = (next, self.begun_mut()) {
            followed.go_to(next);
        }
    }

    /// Has the frame that was begun be read again when it is wanted, if it can be.
    fn forget_frame(&mut self) -> bool {
        let Some(sent) = self.rest.front_mut().and_then(Rest::forget) else {
            return false;
        };
        self.rest.clear();
        self.sent_of_next = Some(sent);
        if let Some(current) = &mut self.current {
            current.left += 1;
        }
        if let Some(followed) = self.begun_mut() {
            followed.go_to(followed.seq() - 1);
        }
        true
    }
}
