//! TCP put together: the segments of a capture as two streams of bytes for each connection.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::packets::Segment;

/// Bytes after a gap that are kept, in case what is missing comes late.
const KEPT_AFTER_GAP: usize = 1 << 20;

/// The longest gap for which zeros are put.
const LONGEST_GAP: u32 = 16 << 20;

/// Bytes of all conversations together that are kept.
const KEPT: usize = 256 << 20;

/// Conversations that are told apart.
const MOST: usize = 65_536;

/// What one packet brought.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) micros: i64,
    pub(super) client: bool,
    /// Bytes before these that the capture does not have.
    pub(super) missing: u32,
    pub(super) bytes: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) events: Vec<Event>,
    halves: [Half; 2],
}

/// All connections of a capture, in the order in which they begin.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    pub(super) all: Vec<Conversation>,
    known: HashMap<(SocketAddr, SocketAddr), usize>,
    kept: usize,
    /// Bytes and connections beyond what is kept.
    pub(super) left_out: u64,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// The number of the next byte.
    next: Option<u32>,
    /// Segments that came before their turn, by how far they are behind the next byte when they came.
    early: BTreeMap<u64, Event>,
    /// Bytes so far, which is what the early ones count from.
    position: u64,
    ended: bool,
}

impl Conversations {
    pub(super) fn take(&mut self, segment: Segment<'_>) {
        let Some(at) = self.conversation(segment) else {
            self.left_out += segment.payload.len() as u64;
            return;
        };
        if self.kept + segment.payload.len() > KEPT {
            self.left_out += segment.payload.len() as u64;
            return;
        }
        self.kept += segment.payload.len();
        let conversation = &mut self.all[at];
        let client = segment.from == conversation.client;
        let half = &mut conversation.halves[usize::from(!client)];
        half.take(segment, client, &mut conversation.events);
    }

    /// The capture has ended: what came early has no more to wait for.
    pub(super) fn finish(&mut self) {
        for conversation in &mut self.all {
            for half in &mut conversation.halves {
                half.give(0, &mut conversation.events);
            }
        }
    }

    fn conversation(&mut self, segment: Segment<'_>) -> Option<usize> {
        let (a, b) = (segment.from.min(segment.to), segment.from.max(segment.to));
        let known = self.known.get(&(a, b)).copied();
        // The same two ports again are another connection.
        let is_new = segment.begins && !segment.answers;
        let known = known.filter(|at| !is_new || self.all[*at].events.is_empty());
        if known.is_some() || self.all.len() == MOST {
            return known;
        }
        let is_client = match (segment.begins, segment.answers) {
            (true, answers) => !answers,
            // Of one whose beginning is not there: who has connected has the higher port, mostly.
            (false, _) => segment.from.port() > segment.to.port(),
        };
        let (client, server) = if is_client {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        self.known.insert((a, b), self.all.len());
        self.all.push(Conversation {
            client,
            server,
            events: Vec::new(),
            halves: Default::default(),
        });
        Some(self.all.len() - 1)
    }
}

impl Conversation {
    /// Bytes of one direction, without those that are missing.
    pub(super) fn bytes(&self, client: bool) -> u64 {
        let events = self.events.iter().filter(|event| event.client == client);
        events.map(|event| event.bytes.len() as u64).sum()
    }

    /// The first bytes of one direction, up to a gap.
    pub(super) fn beginning(&self, client: bool, most: usize) -> Vec<u8> {
        let events = self.events.iter().filter(|event| event.client == client);
        let mut bytes = Vec::new();
        for event in events.take_while(|event| event.missing == 0) {
            let room = most - bytes.len();
            bytes.extend_from_slice(&event.bytes[..event.bytes.len().min(room)]);
        }
        bytes
    }

    /// Whether one direction was ended by its side.
    pub(super) fn has_ended(&self, client: bool) -> bool {
        self.halves[usize::from(!client)].ended
    }
}

impl Half {
    fn take(&mut self, segment: Segment<'_>, client: bool, events: &mut Vec<Event>) {
        let number = segment.number.wrapping_add(u32::from(segment.begins));
        if segment.begins || self.next.is_none() {
            self.next = Some(number);
        }
        self.ended |= segment.ends;
        let next = self.next.unwrap_or(number);
        // How far it is from the next byte: behind it, if it was sent again.
        let distance = number.wrapping_sub(next).cast_signed();
        let again = usize::try_from(-i64::from(distance)).unwrap_or(0);
        let Some(bytes) = segment
            .payload
            .get(again..)
            .filter(|bytes| !bytes.is_empty())
        else {
            return;
        };
        let ahead = u32::try_from(distance).unwrap_or(0);
        if ahead > LONGEST_GAP {
            return;
        }
        let event = Event {
            micros: segment.micros,
            client,
            missing: 0,
            bytes: bytes.to_vec(),
        };
        let place = self.position + u64::from(ahead);
        let is_longer = |known: &Event| known.bytes.len() < event.bytes.len();
        if self.early.get(&place).is_none_or(is_longer) {
            self.early.insert(place, event);
        }
        self.give(KEPT_AFTER_GAP, events);
    }

    /// Gives what is next, and what is after a gap if more than this is kept.
    fn give(&mut self, keep: usize, events: &mut Vec<Event>) {
        while let Some((place, mut event)) = self.early.pop_first() {
            let kept: usize = self.early.values().map(|event| event.bytes.len()).sum();
            if place > self.position && kept + event.bytes.len() <= keep {
                self.early.insert(place, event);
                return;
            }
            let again = usize::try_from(self.position.saturating_sub(place)).unwrap_or(usize::MAX);
            if again >= event.bytes.len() {
                continue;
            }
            event.bytes.drain(..again);
            let missing = place.saturating_sub(self.position);
            event.missing = u32::try_from(missing).unwrap_or(u32::MAX);
            let step = missing + event.bytes.len() as u64;
            self.position += step;
            self.next = self
                .next
                .map(|next| next.wrapping_add(u32::try_from(step).unwrap_or(u32::MAX)));
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "127.0.0.1:40000";
    const SERVER: &str = "127.0.0.1:5432";

    fn segment(
        from_client: bool,
        number: u32,
        flags: &str,
        payload: &'static [u8],
    ) -> Segment<'static> {
        let (client, server) = (CLIENT.parse().unwrap(), SERVER.parse().unwrap());
        let (from, to) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        Segment {
            micros: 7,
            from,
            to,
            number,
            begins: flags.contains('S'),
            answers: flags.contains('A'),
            ends: flags.contains('F'),
            payload,
        }
    }

    fn streams(segments: &[Segment<'_>]) -> Vec<(String, String, bool)> {
        let mut conversations = Conversations::default();
        for segment in segments {
            conversations.take(*segment);
        }
        conversations.finish();
        let text = |conversation: &Conversation, client: bool| -> String {
            let events = conversation
                .events
                .iter()
                .filter(|event| event.client == client);
            events
                .map(|event| {
                    let gap = "?".repeat(usize::try_from(event.missing).unwrap());
                    gap + &String::from_utf8(event.bytes.clone()).unwrap()
                })
                .collect()
        };
        let all = conversations.all.iter();
        all.map(|one| (text(one, true), text(one, false), one.has_ended(true)))
            .collect()
    }

    #[test]
    fn segments_that_come_twice_or_out_of_order_are_one_stream() {
        let near_the_end = u32::MAX - 3;
        let seen = streams(&[
            segment(true, near_the_end, "S", b""),
            segment(false, 99, "SA", b""),
            segment(true, near_the_end.wrapping_add(1), "A", b"hello"),
            segment(true, near_the_end.wrapping_add(13), "A", b"!"),
            segment(true, near_the_end.wrapping_add(1), "A", b"hello"),
            segment(true, near_the_end.wrapping_add(4), "A", b"lo, wor"),
            segment(true, near_the_end.wrapping_add(11), "AF", b"ld"),
            segment(false, 100, "A", b"yes"),
        ]);
        assert_eq!(seen, [("hello, world!".to_owned(), "yes".to_owned(), true)]);
    }

    #[test]
    fn what_never_comes_is_a_gap_of_its_size() {
        let seen = streams(&[
            segment(true, 10, "S", b""),
            segment(true, 11, "A", b"abc"),
            segment(true, 18, "A", b"xyz"),
        ]);
        assert_eq!(seen, [("abc????xyz".to_owned(), String::new(), false)]);
    }

    #[test]
    fn a_capture_that_begins_in_the_middle_has_the_lower_port_for_the_server() {
        let seen = streams(&[
            segment(false, 500, "A", b"row"),
            segment(true, 9, "A", b"ask"),
        ]);
        assert_eq!(seen, [("ask".to_owned(), "row".to_owned(), false)]);
    }

    #[test]
    fn the_same_ports_again_are_another_connection() {
        let once = [segment(true, 1, "S", b""), segment(true, 2, "A", b"one")];
        let again = [
            segment(true, 7000, "S", b""),
            segment(true, 7001, "A", b"two"),
        ];
        let seen = streams(&[once, again].concat());
        let clients: Vec<_> = seen.iter().map(|(client, ..)| client.as_str()).collect();
        assert_eq!(clients, ["one", "two"]);
    }
}
