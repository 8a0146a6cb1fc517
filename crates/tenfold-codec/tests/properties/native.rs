//! The walk over frames of `decimal:10` that are kept.

use tenfold_codec::{Decoder, Event, Framing, native};

/// The walk finds the frames that a decoder finds, and ends with an error where the decoder has one
/// or would wait for more.
pub(crate) fn walks_as_a_decoder_reads(bytes: &[u8]) {
    let mut decoder = Decoder::new(Framing::default().client()).with_limit(u64::MAX);
    let mut frames = native::frames(bytes);
    let mut end = 0;
    decoder.feed(bytes);
    while let Ok(Some(event)) = decoder.next_event() {
        let Event::Message(message) = event else {
            panic!("whole messages only");
        };
        let frame = end..end + native::HEADER + message.len();
        end = frame.end;
        assert_eq!(&bytes[frame.start + native::HEADER..frame.end], message);
        assert_eq!(frames.next(), Some(Ok(frame)));
        assert_eq!(frames.end(), end);
    }
    if end < bytes.len() {
        assert_eq!(frames.next().unwrap().unwrap_err().at(), end);
        assert_eq!(frames.end(), end);
    }
    assert_eq!(frames.next(), None);
    assert_eq!(frames.next(), None);
}
