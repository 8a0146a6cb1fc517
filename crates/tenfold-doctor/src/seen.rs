//! What the messages of a stream have in common, in words: "byte 0 is always 01, bytes 1-4 count up, the rest is
//! text".

use tenfold_codec::{Decoder, Event, Side};

use crate::signatures::is_text;

/// Messages that are looked at.
const LOOKED_AT: usize = 64;

/// Messages that it takes to see something.
const ENOUGH: usize = 4;

/// Bytes at the beginning of messages that are looked at one by one.
const WIDTH: usize = 16;

/// Bytes of a message that are kept.
const KEPT: usize = 1024;

/// What is said at most.
const MOST_SAID: usize = 4;

/// What the first messages have in common; nothing if they are few, or have nothing.
pub(crate) fn seen(side: &Side, bytes: &[u8]) -> Option<String> {
    let messages = first(side, bytes);
    if messages.len() < ENOUGH {
        return None;
    }
    let is_all = |is: fn(&[u8]) -> bool| messages.iter().all(|message| is(message));
    if is_all(|message| message.starts_with(b"{") && message.ends_with(b"}")) {
        return Some("each message is a JSON object".to_owned());
    }
    if is_all(is_text) {
        return Some("each message is text".to_owned());
    }
    let columns = Columns {
        width: messages.iter().map(Vec::len).min()?.min(WIDTH),
        messages: &messages,
    };
    let (mut said, mut at) = (Vec::new(), 0);
    while at < columns.width && said.len() < MOST_SAID {
        if at > 0 && messages.iter().all(|message| is_text(&message[at..])) {
            said.push("the rest is text".to_owned());
            break;
        }
        let (words, width) = columns.at(at).unwrap_or((String::new(), 1));
        if !words.is_empty() {
            said.push(words);
        }
        at += width;
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// The first messages.
fn first(side: &Side, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(side);
    decoder.feed(bytes);
    let mut messages = Vec::new();
    while messages.len() < LOOKED_AT {
        match decoder.next_event() {
            Ok(Some(Event::Message(message))) => {
                messages.push(message[..message.len().min(KEPT)].to_vec());
            }
            Ok(Some(_)) => {}
            _ => break,
        }
    }
    messages
}

/// The first bytes of messages, one message under the other.
#[derive(Clone, Copy)]
struct Columns<'a> {
    messages: &'a [Vec<u8>],
    width: usize,
}

impl Columns<'_> {
    /// What is to be said of the bytes at this place, and how many they are.
    fn at(self, at: usize) -> Option<(String, usize)> {
        for size in [4, 2, 1] {
            if let Some(step) = self.step(at, size) {
                let by = if step == 1 {
                    String::new()
                } else {
                    format!(" by {step}")
                };
                let verb = if size == 1 { "counts" } else { "count" };
                return Some((format!("{} {verb} up{by}", place(at, size)), size));
            }
        }
        let is_run =
            |place: &usize| self.is_constant(*place) && (*place == at || !self.is_counter(*place));
        let run = (at..self.width).take_while(is_run).count();
        if run > 0 {
            let verb = if run == 1 { "is" } else { "are" };
            let bytes = &self.messages[0][at..at + run];
            let shown = if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                format!("\"{}\"", bytes.escape_ascii())
            } else {
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.join(" ")
            };
            return Some((format!("{} {verb} always {shown}", place(at, run)), run));
        }
        let kinds = self.kinds(at);
        let is_kind = kinds.len() < ENOUGH && self.messages.len() >= 3 * kinds.len();
        is_kind.then(|| {
            let (last, others) = kinds
                .split_last()
                .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
            (
                format!("{} is {} or {last}", place(at, 1), others.join(", ")),
                1,
            )
        })
    }

    /// By how much the number in these bytes grows from each message to the next, in either order.
    fn step(self, at: usize, size: usize) -> Option<u64> {
        if at + size > self.width {
            return None;
        }
        let numbers = |is_big: bool| {
            let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
            self.messages.iter().map(move |message| {
                let bytes = &message[at..at + size];
                if is_big {
                    bytes.iter().fold(0, join)
                } else {
                    bytes.iter().rev().fold(0, join)
                }
            })
        };
        // Another constant byte beside a number is not a part of it.
        let is_full = |at: usize| size == 1 || !self.is_constant(at) || self.messages[0][at] == 0;
        let (first, last) = (at, at + size - 1);
        let orders = [(true, first, last), (false, last, first)];
        let is_number =
            |highest: usize, lowest: usize| is_full(highest) && !self.is_constant(lowest);
        let orders = orders
            .into_iter()
            .filter(|(_, highest, lowest)| is_number(*highest, *lowest));
        orders.map(|(is_big, ..)| is_big).find_map(|is_big| {
            let mut pairs = numbers(is_big).zip(numbers(is_big).skip(1));
            let (first, second) = pairs.next()?;
            let step = second
                .checked_sub(first)
                .filter(|step| (1..=1000).contains(step))?;
            pairs
                .all(|(a, b)| a.checked_add(step) == Some(b))
                .then_some(step)
        })
    }

    fn is_counter(self, at: usize) -> bool {
        [4, 2].into_iter().any(|size| self.step(at, size).is_some())
    }

    fn is_constant(self, at: usize) -> bool {
        self.messages
            .iter()
            .all(|message| message[at] == self.messages[0][at])
    }

    /// The values of a column.
    fn kinds(self, at: usize) -> Vec<String> {
        let mut kinds: Vec<u8> = self.messages.iter().map(|message| message[at]).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn place(at: usize, size: usize) -> String {
    match size {
        1 => format!("byte {at}"),
        _ => format!("bytes {at}-{}", at + size - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::Framing;

    fn saw(messages: &[Vec<u8>]) -> Option<String> {
        let framing: Framing = "u8".parse().unwrap();
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|message| [&[u8::try_from(message.len()).unwrap()], &message[..]].concat())
            .collect();
        seen(framing.client(), &bytes)
    }

    #[test]
    fn types_counters_and_text_are_said_in_words() {
        let messages: Vec<_> = (250..262_u32)
            .map(|n| [&[1][..], &n.to_be_bytes(), format!("it is {n}").as_bytes()].concat())
            .collect();
        assert_eq!(
            saw(&messages).unwrap(),
            "byte 0 is always 01, bytes 1-4 count up, the rest is text"
        );
        let messages: Vec<_> = (7..19_u16)
            .map(|n| {
                [
                    &[[2, 5][usize::from(n % 2)]][..],
                    &n.to_le_bytes(),
                    &[0xff, 0x80],
                ]
                .concat()
            })
            .collect();
        assert_eq!(
            saw(&messages).unwrap(),
            "byte 0 is 02 or 05, bytes 1-2 count up, bytes 3-4 are always ff 80"
        );
    }

    #[test]
    fn text_and_objects_are_said_to_be_that_and_a_few_messages_nothing() {
        let objects: Vec<_> = (0..9)
            .map(|n| format!("{{\"n\":{n}}}").into_bytes())
            .collect();
        assert_eq!(saw(&objects).unwrap(), "each message is a JSON object");
        let texts: Vec<_> = (0..9).map(|n| format!("number {n}").into_bytes()).collect();
        assert_eq!(saw(&texts).unwrap(), "each message is text");
        assert_eq!(saw(&texts[..3]), None);
        assert_eq!(
            saw(&vec![Vec::new(); 9]),
            Some("each message is text".to_owned())
        );
    }
}
