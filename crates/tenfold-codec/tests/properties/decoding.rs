//! The decoder against the naive one: the same events, verdicts and places, however the stream is
//! cut, whichever way it is handed over, and however late the events are asked for.

use tenfold_codec::{DecodeError, Decoder, ErrorKind, Event, Framing, Part, Recovery};

use crate::naive::model::{Model, Step};
use crate::naive::{self, Contents, Kind, Settings, Verdict, decode};

/// Streams up to this size are compared at every cut, longer ones at their end.
const SMALL: usize = 512;

/// A decoder of the bytes of one side.
pub(crate) fn decoder_of(steps: &[Step], settings: Settings) -> Decoder {
    let line = Model::alike(steps.to_vec()).print();
    let framing: Framing = line.parse().unwrap_or_else(|error| panic!("{error}"));
    let mut decoder = Decoder::new(framing.client()).with_limit(settings.limit);
    if let Some(above) = settings.pieces_above {
        decoder = decoder.with_pieces_above(above);
    }
    if settings.skip {
        decoder = decoder.with_recovery(Recovery::Skip);
    }
    decoder
}

/// Cuts `bytes` as `plan` says, byte by byte of it: two bits for the way in, one for asking for
/// few events only, the others for the size of the chunk.
pub(crate) fn agrees_with_the_naive_decoder(
    steps: &[Step],
    settings: Settings,
    bytes: &[u8],
    plan: &[u8],
) {
    let mut run = Run {
        steps,
        settings,
        bytes,
        expected: decode(steps, settings, bytes, false),
        decoder: decoder_of(steps, settings),
        fed: 0,
        found: Found::new(steps, settings),
        drained_at: 0,
    };
    for n in 0.. {
        let how = match plan {
            [] => 0xf8,
            plan => plan[n % plan.len()],
        };
        if run.fed == bytes.len() || run.step(how) {
            break;
        }
    }
    run.finish();
}

/// A decoder on its way through a stream.
struct Run<'a> {
    steps: &'a [Step],
    settings: Settings,
    bytes: &'a [u8],
    /// What is in the whole stream.
    expected: Contents,
    decoder: Decoder,
    fed: usize,
    found: Found<'a>,
    /// The decoder's offset when it last had nothing more to give.
    drained_at: u64,
}

impl Run<'_> {
    /// Hands over a chunk and takes events; says whether that was the end of it.
    fn step(&mut self, how: u8) -> bool {
        let size = match how >> 3 {
            31 => self.bytes.len(),
            30 => 100,
            size => usize::from(size) + 1,
        };
        let chunk = &self.bytes[self.fed..];
        let chunk = &chunk[..size.min(chunk.len())];
        let most = if how & 4 == 0 {
            usize::MAX
        } else {
            usize::from(how >> 3) % 3
        };
        match how & 3 {
            0 => {
                self.decoder.feed(chunk);
                self.fed += chunk.len();
            }
            1 => {
                let room = self.decoder.space();
                assert!(!room.is_empty());
                let n = room.len().min(chunk.len());
                room[..n].copy_from_slice(&chunk[..n]);
                self.decoder.advance(n);
                self.fed += n;
            }
            _ => {
                self.fed += chunk.len();
                if let Some(drained) = self.found.take_from_chunk(&mut self.decoder, chunk, most) {
                    self.check_state();
                    return self.compare_if(drained);
                }
                self.check_state();
                return false;
            }
        }
        self.check_state();
        for _ in 0..most {
            let drained = self.found.take_from(&mut self.decoder);
            self.check_state();
            if drained {
                return self.compare_if(true);
            }
        }
        false
    }

    /// All that can be said of the bytes so far was said: is it what the naive decoder says?
    fn compare_if(&mut self, drained: bool) -> bool {
        assert!(drained);
        self.drained_at = self.decoder.offset();
        if self.fed <= SMALL {
            self.compare(false);
        }
        self.found.verdict.is_some()
    }

    fn compare(&mut self, ended: bool) {
        let prefix = &self.bytes[..self.fed];
        let expected = decode(self.steps, self.settings, prefix, ended);
        let events: Vec<&naive::Event> = expected.events.iter().map(|(event, _)| event).collect();
        assert_eq!(self.found.events.iter().collect::<Vec<_>>(), events);
        assert_eq!(self.found.verdict, expected.verdict);
        assert_eq!(self.decoder.offset(), expected.offset);
        assert_eq!(self.decoder.index(), expected.index);
        assert_eq!(
            self.decoder.is_idle(),
            expected.clean && expected.verdict.is_none()
        );
        // What is left over is whole where no header was taken off it.
        let whole = decode(self.steps, self.settings, prefix, true);
        let left = &prefix[usize::try_from(expected.offset).unwrap()..];
        let headless = match whole.verdict.map(|verdict| verdict.kind) {
            None | Some(Kind::BadHeader { .. }) => false,
            Some(Kind::Truncated { part, .. }) => part != naive::Part::Header,
            Some(_) => true,
        };
        if !headless {
            assert_eq!(self.decoder.rest(), left);
        }
        assert!(self.decoder.rest().len() <= left.len());
    }

    /// Place and count fit the events given so far.
    fn check_state(&self) {
        let given = self.found.events.len();
        assert!(
            given <= self.expected.events.len(),
            "more events than there are"
        );
        let end = match given {
            0 => 0,
            given => self.expected.events[given - 1].1,
        };
        let offset = self.decoder.offset();
        assert!(offset >= end.max(self.drained_at));
        let messages = given - self.found.marks;
        assert_eq!(self.decoder.index(), messages as u64);
        let step = &self.steps[given.min(self.steps.len() - 1)];
        if !step.is_stuffed() {
            assert_eq!(offset, end.max(self.drained_at));
        }
        if !step.is_stuffed() && step.bytes_in_head() == 0 {
            let left = &self.bytes[usize::try_from(offset).unwrap()..self.fed];
            let rest = self.decoder.rest();
            assert!(rest.len() <= left.len());
            // Not all of a large message again for every byte of it.
            if rest.len() < SMALL {
                assert!(left.ends_with(rest));
            }
        }
    }

    fn finish(mut self) {
        while self.found.verdict.is_none() && !self.found.take_from(&mut self.decoder) {
            self.check_state();
        }
        self.compare(false);
        let idle = self.decoder.is_idle();
        self.decoder.finish();
        let failed_before = self.found.verdict.is_some();
        let drained = self.found.take_from(&mut self.decoder);
        assert!(drained, "an event came out of the end of the stream");
        self.compare(true);
        assert_eq!(idle, self.found.verdict.is_none());
        if self.found.verdict.is_some() {
            self.stays_poisoned(failed_before);
        }
        if !self.found.has_skipped {
            encodes_again(self.steps, &self.found.events);
        }
    }

    /// The verdict is forever, and the bytes that come after it are kept.
    fn stays_poisoned(&mut self, failed_before: bool) {
        let error = self.decoder.next_event().map(|_| ()).unwrap_err();
        describes_itself(&error, failed_before);
        let verdict = verdict_of(&error);
        self.decoder.feed(b"0123456789");
        assert_eq!(verdict_of(&self.decoder.next_event().unwrap_err()), verdict);
        let mut chunk = self.decoder.chunk(b"0123456789");
        assert_eq!(verdict_of(&chunk.next_event().unwrap_err()), verdict);
        assert_eq!(verdict_of(&chunk.next_event().unwrap_err()), verdict);
        drop(chunk);
        assert!(self.decoder.rest().ends_with(b"01234567890123456789"));
        assert!(!self.decoder.is_idle());
    }
}

/// The words are one line, and more evidence changes nothing but them.
fn describes_itself(error: &DecodeError, failed_before: bool) {
    assert_eq!(error.to_string().lines().count(), 1);
    assert!(!format!("{error:?}").is_empty());
    assert_eq!(
        error.is_truncated(),
        !failed_before,
        "the end of the stream is the only thing wrong with a truncated frame"
    );
    let described = error.clone().with_evidence(&[b'x'; 100]);
    assert_eq!(described.kind(), error.kind());
    assert_eq!(described.wants_evidence(), 0);
}

/// Whatever was decoded can be encoded, and comes back.
fn encodes_again(steps: &[Step], events: &[naive::Event]) {
    let unlimited = Settings {
        limit: u64::MAX,
        pieces_above: None,
        skip: false,
    };
    let bytes = super::encoding::encoded(steps, events);
    let again = decode(steps, unlimited, &bytes, true);
    let again: Vec<naive::Event> = again.events.into_iter().map(|(event, _)| event).collect();
    assert_eq!(again, events);
}

/// The events of a decoder, with messages in pieces put together.
pub(crate) struct Found<'a> {
    steps: &'a [Step],
    settings: Settings,
    pub(crate) events: Vec<naive::Event>,
    under_way: Option<(Option<u64>, Vec<u8>)>,
    pub(crate) verdict: Option<Verdict>,
    has_skipped: bool,
    marks: usize,
}

impl<'a> Found<'a> {
    pub(crate) fn new(steps: &'a [Step], settings: Settings) -> Self {
        Self {
            steps,
            settings,
            events: Vec::new(),
            under_way: None,
            verdict: None,
            has_skipped: false,
            marks: 0,
        }
    }

    /// Takes one event, or says that there is none, by now or forever.
    pub(crate) fn take_from(&mut self, decoder: &mut Decoder) -> bool {
        let before = self.events.len();
        if self.take(decoder.next_event()) {
            assert_eq!(decoder.last_event(), None);
            return true;
        }
        match (decoder.last_event(), self.events.last()) {
            (Some(Event::Message(message)), Some(naive::Event::Message(taken))) => {
                assert_eq!(message, taken);
                // Not each of them, so that one is also followed by the next without that.
                if before.is_multiple_of(3) {
                    let owned = decoder.take_message();
                    assert_eq!(owned.as_ref(), Some(taken));
                }
            }
            (Some(Event::Message(_)) | None, _) => panic!("the last event is another"),
            (Some(_), _) => assert_eq!(decoder.take_message(), None),
        }
        false
    }

    /// Takes at most so many events of a chunk and drops it; says whether it was used up, or
    /// nothing if that was not found out.
    pub(crate) fn take_from_chunk(
        &mut self,
        decoder: &mut Decoder,
        bytes: &[u8],
        most: usize,
    ) -> Option<bool> {
        let mut chunk = decoder.chunk(bytes);
        (0..most)
            .any(|_| self.take(chunk.next_event()))
            .then_some(true)
    }

    fn take(&mut self, event: Result<Option<Event<'_>>, DecodeError>) -> bool {
        match event {
            Ok(Some(event)) => {
                self.event(event);
                false
            }
            Ok(None) => {
                assert_eq!(self.verdict, None, "a poisoned decoder went on");
                true
            }
            Err(error) => {
                let verdict = verdict_of(&error);
                if let Some(before) = self.verdict.replace(verdict.clone()) {
                    assert_eq!(verdict, before);
                }
                true
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        assert_eq!(self.verdict, None, "a poisoned decoder went on");
        let step = &self.steps[self.events.len().min(self.steps.len() - 1)];
        let above = self.settings.pieces_above.unwrap_or(u64::MAX);
        let event = match event {
            Event::Message(message) => {
                assert!(self.under_way.is_none());
                assert!(message.len() as u64 <= above, "should have come in pieces");
                naive::Event::Message(message.to_vec())
            }
            Event::Mark(number) => {
                assert!(self.under_way.is_none());
                self.marks += 1;
                naive::Event::Mark(number)
            }
            Event::Begin { length } => {
                assert_eq!(length.is_some(), step.announces());
                assert!(self.under_way.is_none());
                assert!(length.is_none_or(|length| length > above));
                self.under_way = Some((length, Vec::new()));
                return;
            }
            Event::Data(piece) => {
                assert!(!piece.is_empty());
                let (_, message) = self.under_way.as_mut().expect("a message had begun");
                message.extend(piece);
                return;
            }
            Event::End => {
                let (length, message) = self.under_way.take().expect("a message had begun");
                let found = message.len() as u64;
                assert_eq!(found, length.unwrap_or(found));
                assert!(found > above, "should have come whole");
                naive::Event::Message(message)
            }
            Event::Skipped(skipped) => {
                self.under_way = None;
                self.has_skipped = true;
                naive::Event::Skipped(verdict_of(skipped.reason()))
            }
            event => panic!("nobody knows {event:?}"),
        };
        self.events.push(event);
    }
}

/// An error as the naive decoder puts it.
pub(crate) fn verdict_of(error: &DecodeError) -> Verdict {
    let kind = match *error.kind() {
        ErrorKind::BadHeader { at } => Kind::BadHeader { at },
        ErrorKind::TooLarge { declared, limit } => Kind::TooLarge { declared, limit },
        ErrorKind::TooSmall { number, minimum } => Kind::TooSmall { number, minimum },
        ErrorKind::BadClose { at } => Kind::BadClose { at },
        ErrorKind::BadUtf8 { at } => Kind::BadUtf8 { at },
        ErrorKind::BrokenFrame { .. } => Kind::BrokenFrame,
        ErrorKind::Truncated {
            part,
            have,
            missing,
        } => {
            let part = match part {
                Part::Header => naive::Part::Header,
                Part::Payload => naive::Part::Payload,
                Part::Close => naive::Part::Close,
                part => panic!("the naive decoder does not know {part:?}"),
            };
            Kind::Truncated {
                part,
                have,
                missing,
            }
        }
        ref kind => panic!("nobody knows {kind:?}"),
    };
    Verdict {
        kind,
        offset: error.offset(),
        index: error.index(),
    }
}
