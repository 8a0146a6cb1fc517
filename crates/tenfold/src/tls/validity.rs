//! From when until when a certificate is valid.
//!
//! What checks certificates does not say when they end, so that is read here. A certificate is nested values
//! of DER: a tag, a length, and the contents.
//!
//! ```text
//! Certificate          SEQUENCE
//!   TBSCertificate     SEQUENCE
//!     version          [0], which may be absent
//!     serial number    INTEGER
//!     signature        SEQUENCE
//!     issuer           SEQUENCE
//!     validity         SEQUENCE of two times
//! ```

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The times of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Validity {
    /// `None` if the bytes are not a certificate; who checks it says so.
    pub(super) fn of_certificate(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).contents(SEQUENCE)?);
        let mut fields = Reader(certificate.contents(SEQUENCE)?);
        if fields.0.first() == Some(&VERSION) {
            fields.contents(VERSION)?;
        }
        fields.contents(INTEGER)?;
        fields.contents(SEQUENCE)?;
        fields.contents(SEQUENCE)?;
        let mut times = Reader(fields.contents(SEQUENCE)?);
        Some(Self {
            from: times.time()?,
            until: times.time()?,
        })
    }

    /// What is wrong with it at this time.
    pub(super) fn words(&self, now: SystemTime) -> Option<String> {
        let now = Timestamp::try_from(now).ok()?;
        if now > self.until {
            return Some(format!("has expired on {}", self.until));
        }
        (now < self.from).then(|| format!("is not valid before {}", self.from))
    }
}

/// When the next list of revoked certificates was to come; `None` if the list does not say.
pub(super) fn next_update(der: &[u8]) -> Option<Timestamp> {
    let mut list = Reader(Reader(der).contents(SEQUENCE)?);
    let mut fields = Reader(list.contents(SEQUENCE)?);
    if fields.0.first() == Some(&INTEGER) {
        fields.contents(INTEGER)?;
    }
    fields.contents(SEQUENCE)?;
    fields.contents(SEQUENCE)?;
    fields.time()?;
    fields.time()
}

/// What is left of some DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The contents of the next value, which has this tag.
    fn contents(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, contents) = self.value()?;
        (found == tag).then_some(contents)
    }

    fn value(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The length's own length, which is at most four bytes here.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
                (length, rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (tag, text) = self.value()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let text = match tag {
            // Two digits of a year: RFC 5280 has 1950 to 2049.
            UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc_time(text: &str) -> Vec<u8> {
        let mut der = vec![UTC_TIME, u8::try_from(text.len()).unwrap()];
        der.extend_from_slice(text.as_bytes());
        der
    }

    #[test]
    fn two_digits_of_a_year_are_of_this_century_or_the_last() {
        for (text, year) in [("490101000000Z", 2049), ("500101000000Z", 1950)] {
            let der = utc_time(text);
            let time = Reader(&der).time().unwrap();
            assert_eq!(TimeZone::UTC.to_datetime(time).year(), year);
        }
    }

    #[test]
    fn what_is_not_a_certificate_has_no_times() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"hello",
            &[0x30; 64],
        ] {
            assert_eq!(Validity::of_certificate(bytes), None);
            assert_eq!(next_update(bytes), None);
        }
    }

    #[test]
    fn the_times_of_a_certificate_are_read_and_no_cut_of_it_panics() {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 2, 3);
        params.not_after = rcgen::date_time_ymd(2060, 1, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let validity = Validity::of_certificate(&der).unwrap();
        assert_eq!(validity.from.to_string(), "2020-02-03T00:00:00Z");
        assert_eq!(validity.until.to_string(), "2060-01-02T00:00:00Z");
        let at = |text: &str| text.parse::<Timestamp>().unwrap().try_into().unwrap();
        assert_eq!(validity.words(at("2026-11-27T00:00:00Z")), None);
        let early = validity.words(at("2019-01-01T00:00:00Z")).unwrap();
        assert_eq!(early, "is not valid before 2020-02-03T00:00:00Z");
        let late = validity.words(at("2061-01-01T00:00:00Z")).unwrap();
        assert_eq!(late, "has expired on 2060-01-02T00:00:00Z");
        for end in 0..der.len() {
            Validity::of_certificate(&der[..end]);
        }
    }
}
