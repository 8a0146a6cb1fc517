//! The list of places after `FOLLOW`, without its socket.

use std::collections::BTreeMap;

use bytes::BytesMut;
use tenfold::protocol::{ChannelName, Code, Epoch, MAX_REQUEST, Pattern, Place, Refusal};
use tenfold::{Framing, native};

use crate::intake::Intake;
use crate::refusals::bad_frame;

/// Receives the list of places, byte by byte if need be.
///
/// To drive it: ask [`received`](Self::received) what there is, and receive into [`space`](Self::space) until
/// that is all.
#[derive(Debug)]
pub(crate) struct PlaceList<'a> {
    intake: Intake,
    patterns: &'a [Pattern],
    most: usize,
    places: Places,
    /// How many frames were read.
    frames: u64,
}

/// Where a client stands in each channel that it knows, and the number of the frame that said so.
pub(crate) type Places = BTreeMap<ChannelName, (Epoch, u64, u64)>;

/// How much is received at once. There may be many lists at the same time.
const ROOM: usize = 16 * 1024;

impl<'a> PlaceList<'a> {
    /// A list for these patterns, of at most so many places. The intake may have some of it.
    pub(crate) fn new(intake: Intake, patterns: &'a [Pattern], most: usize) -> Self {
        Self {
            // So offsets and frames are counted from the first of the list on.
            intake: intake.switch_to(Framing::default().client(), MAX_REQUEST as u64),
            patterns,
            most,
            places: Places::new(),
            frames: 0,
        }
    }

    pub(crate) fn space(&mut self) -> (&mut BytesMut, usize) {
        (self.intake.space(), ROOM)
    }

    /// How many places there are so far.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// Understands what was received; `ended`: nothing more will come. Whether the list is complete.
    pub(crate) fn received(&mut self, ended: bool) -> Result<bool, Refusal> {
        if ended {
            self.intake.finish();
        }
        let scanned = self.intake.scan(u64::MAX);
        let block = self.intake.take_block();
        for frame in native::frames(block.bytes()).flatten() {
            let line = &block.bytes()[frame][native::HEADER..];
            if line.is_empty() {
                return Ok(true);
            }
            self.read(line)?;
        }
        match scanned {
            Ok(_) if ended => {
                let words = "the list of places must end with an empty frame";
                Err(self.bad(words.to_owned()))
            }
            Ok(_) => Ok(false),
            Err(error) => Err(bad_frame(&error, self.intake.origin())),
        }
    }

    /// All of them.
    pub(crate) fn into_places(self) -> Places {
        self.places
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let Place {
            channel,
            epoch,
            from,
            ..
        } = Place::parse(line).map_err(|bad| {
            let refusal = self.bad(bad.to_string()).with("field", bad.field);
            match bad.key {
                Some(key) => refusal.with("key", key),
                None => refusal,
            }
        })?;
        if !self.patterns.iter().any(|pattern| pattern.fits(&channel)) {
            let words = "expected a channel that fits one of the patterns";
            return Err(self.bad(words.to_owned()).with("field", 1));
        }
        if self.places.contains_key(&channel) {
            return Err(self
                .bad("expected each channel once".to_owned())
                .with("field", 1));
        }
        if self.places.len() >= self.most {
            return Err(self.bad(format!("expected at most {} places", self.most)));
        }
        self.places.insert(channel, (epoch, from, self.frames));
        self.frames += 1;
        Ok(())
    }

    fn bad(&self, words: String) -> Refusal {
        Refusal::new(Code::Proto, words).with("place", self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::framed;

    fn receive(parts: &[&[u8]], ended: bool) -> Result<Option<Places>, Refusal> {
        let patterns = ["a*".parse().unwrap(), "ticks".parse().unwrap()];
        let intake = Intake::new(Framing::default().client(), 4096);
        let mut list = PlaceList::new(intake, &patterns, 3);
        for (index, part) in parts.iter().enumerate() {
            list.space().0.extend_from_slice(part);
            if list.received(ended && index + 1 == parts.len())? {
                return Ok(Some(list.into_places()));
            }
        }
        Ok(None)
    }

    fn lines(channels: &[&str]) -> Vec<u8> {
        let line = |name: &&str| {
            if name.is_empty() {
                String::new()
            } else {
                format!("{name} epoch=00000000000000ff from=7")
            }
        };
        framed(channels.iter().map(line))
    }

    #[test]
    fn a_list_is_the_same_at_every_split_and_what_follows_is_not_looked_at() {
        let bytes = [lines(&["ticks", "a.1", ""]), b"GET /".to_vec()].concat();
        for split in 1..bytes.len() {
            let (before, after) = bytes.split_at(split);
            let places = receive(&[before, after], false).unwrap().unwrap();
            let names: Vec<_> = places.keys().map(ChannelName::as_str).collect();
            assert_eq!(names, ["a.1", "ticks"], "split at {split}");
            assert_eq!(places["ticks"], (Epoch(255), 7, 0));
        }
        assert!(
            receive(&[&lines(&[""])], false)
                .unwrap()
                .unwrap()
                .is_empty()
        );
        assert_eq!(receive(&[&lines(&["a", "b"])[..50]], false), Ok(None));
    }

    #[test]
    fn a_mistake_says_in_which_frame_it_is() {
        for (bytes, words) in [
            (
                lines(&["a", "b", ""]),
                "ERROR PROTO place=1 field=1 expected a channel that fits one of the patterns",
            ),
            (
                lines(&["a", "a"]),
                "ERROR PROTO place=1 field=1 expected each channel once",
            ),
            (
                lines(&["a1", "a2", "a3", "a4"]),
                "ERROR PROTO place=3 expected at most 3 places",
            ),
            (
                framed(["ticks from=x"]),
                "ERROR PROTO place=0 field=2 key=from expected a seq",
            ),
            (
                lines(&["a"]),
                "ERROR PROTO place=1 the list of places must end with an empty frame",
            ),
        ] {
            let refusal = receive(&[&bytes], true).unwrap_err();
            assert_eq!(refusal.to_string(), words);
        }
        let refusal = receive(&[b"GET / HTTP/1.1\r\n"], false).unwrap_err();
        assert_eq!(refusal.code, Some(Code::Header));
        let refusal = receive(&[&lines(&["a"])[..20]], true).unwrap_err();
        assert_eq!(refusal.code, Some(Code::Header));
    }
}
