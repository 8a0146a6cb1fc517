//! What stands in the messages of a measurement.

use std::time::Duration;

/// The start of each message, numbers in big-endian order:
///
/// ```text
///   | run: u64 | publisher: u32 | number: u64 | intended time: u64 ns since the start | padding
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// This measurement, by chance: others may publish as well.
    pub(super) run: u64,
    /// The publisher, or [`END`].
    pub(super) publisher: u32,
    /// How many messages this publisher has sent before.
    pub(super) number: u64,
    /// When it was to be sent, whenever that was done: so a stall counts for all that it delays.
    pub(super) time: Duration,
}

/// Bytes of the smallest message.
pub(super) const SMALLEST: usize = 28;

/// Publishes the last message of a measurement.
pub(super) const END: u32 = u32::MAX;

impl Payload {
    pub(super) fn write(self, message: &mut [u8]) {
        message[..8].copy_from_slice(&self.run.to_be_bytes());
        message[8..12].copy_from_slice(&self.publisher.to_be_bytes());
        message[12..20].copy_from_slice(&self.number.to_be_bytes());
        let nanos = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX);
        message[20..28].copy_from_slice(&nanos.to_be_bytes());
    }

    /// `None` if the message is not of this run.
    pub(super) fn read(run: u64, message: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = message.get(at..at + 8)?;
            Some(u64::from_be_bytes(bytes.try_into().ok()?))
        };
        let publisher = message.get(8..12)?;
        let payload = Self {
            run: number(0)?,
            publisher: u32::from_be_bytes(publisher.try_into().ok()?),
            number: number(12)?,
            time: Duration::from_nanos(number(20)?),
        };
        (payload.run == run).then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let payload = Payload {
            run: 7,
            publisher: 2,
            number: u64::MAX,
            time: Duration::from_nanos(3),
        };
        let mut message = [0; SMALLEST];
        payload.write(&mut message);
        assert_eq!(Payload::read(7, &message), Some(payload));
        assert_eq!(Payload::read(8, &message), None);
        assert_eq!(Payload::read(7, &message[..SMALLEST - 1]), None);
    }
}
