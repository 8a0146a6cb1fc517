//! What a client accepts: RFC 9110, section 12.5.1.

/// The values of `Accept`.
pub(crate) struct Accept<'a>(Vec<Range<'a>>);

/// One of its ranges.
struct Range<'a> {
    media_type: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Accept<'a> {
    pub(crate) fn read(values: impl Iterator<Item = &'a str>) -> Self {
        let ranges = values
            .flat_map(|value| value.split(','))
            .filter(|range| !range.trim().is_empty())
            .map(Range::read);
        Self(ranges.collect())
    }

    /// Whether the client says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much the client likes a type without its parameters, in thousandths: what the most exact range for it says.
    pub(crate) fn quality(&self, media_type: &str) -> u16 {
        let ranges = self.0.iter();
        let fitting =
            ranges.filter_map(|range| Some((range.exactness(media_type)?, range.quality)));
        fitting.max().map_or(0, |(_, quality)| quality)
    }
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let quality =
            parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Self {
            media_type,
            quality: quality.map_or(1000, thousandths),
        }
    }

    /// How exactly it names a type; `None` if it is not for it.
    fn exactness(&self, media_type: &str) -> Option<u8> {
        let (kind, _) = media_type.split_once('/')?;
        if self.media_type.eq_ignore_ascii_case(media_type) {
            return Some(2);
        }
        match self.media_type.strip_suffix("/*") {
            Some("*") => Some(0),
            Some(own) if own.eq_ignore_ascii_case(kind) => Some(1),
            _ => None,
        }
    }
}

/// `0.5` is 500. What is not a quality is none.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<3}");
    match (whole, fraction.parse::<u16>()) {
        ("1", Ok(0)) => 1000,
        ("0", Ok(fraction)) if fraction < 1000 => fraction,
        _ => 0,
    }
}
