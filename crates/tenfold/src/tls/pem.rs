//! The sections of a file in PEM, and where each begins.

use std::path::Path;

use rustls::pki_types::pem::{SectionKind, from_buf};

use super::problem::{Place, Problem};

/// A section: `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`, for example.
#[derive(Debug)]
pub(super) struct Section {
    /// What stands after `BEGIN`.
    pub(super) label: String,
    /// What it is, if that is known.
    pub(super) kind: Option<SectionKind>,
    /// The line of its `BEGIN`, from 1.
    pub(super) line: usize,
    pub(super) der: Vec<u8>,
}

/// All sections of a file. What stands between them is passed over, as everybody does.
pub(super) fn sections(file: &Path, bytes: &[u8]) -> Result<Vec<Section>, Problem> {
    let mut found = Vec::new();
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    let mut start = 0;
    while let Some((number, line)) = lines.next() {
        let mut end = start + line.len();
        if let Some(label) = label(line) {
            let line = number + 1;
            let closing = format!("-----END {label}-----");
            loop {
                let Some((_, line_inside)) = lines.next() else {
                    let words = format!("there is no \"{closing}\" after this line");
                    return Err(Problem::new(Place::line(file, line), words));
                };
                end += line_inside.len();
                if line_inside.trim_ascii() == closing.as_bytes() {
                    break;
                }
            }
            found.push(section(file, line, label, &bytes[start..end])?);
        }
        start = end;
    }
    Ok(found)
}

/// The label of a line that begins a section.
fn label(line: &[u8]) -> Option<String> {
    let text = line.trim_ascii().strip_prefix(b"-----BEGIN ")?;
    let label = text.strip_suffix(b"-----")?;
    String::from_utf8(label.to_vec()).ok()
}

fn section(file: &Path, line: usize, label: String, mut text: &[u8]) -> Result<Section, Problem> {
    let problem = |words| Problem::new(Place::line(file, line), words);
    let (kind, der) = match from_buf(&mut text) {
        Ok(Some((kind, der))) => (Some(kind), der),
        // Nobody here needs what a section has that is not known.
        Ok(None) => (None, Vec::new()),
        Err(error) => {
            return Err(problem(format!(
                "the section that begins here is not in PEM: {error:?}"
            )));
        }
    };
    Ok(Section {
        label,
        kind,
        line,
        der,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_their_lines_and_what_is_between_is_passed_over() {
        let text = b"my ca\r\n-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\n\n\
                     -----BEGIN THING-----\n?\n-----END THING-----\n-----BEGIN X509 CRL-----\nAw==\n-----END X509 CRL-----";
        let found = sections(Path::new("f"), text).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|s| (s.label.as_str(), s.kind, s.line, s.der.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "CERTIFICATE",
                    Some(SectionKind::Certificate),
                    2,
                    &[0, 1, 2][..]
                ),
                ("THING", None, 6, &[]),
                ("X509 CRL", Some(SectionKind::Crl), 9, &[3]),
            ]
        );
    }

    #[test]
    fn a_section_without_an_end_and_one_that_is_not_base64_are_found_at_their_line() {
        let words = |text: &[u8]| sections(Path::new("f"), text).unwrap_err().to_string();
        assert_eq!(
            words(b"\n-----BEGIN CERTIFICATE-----\nAAEC\n"),
            "f, line 2: there is no \"-----END CERTIFICATE-----\" after this line"
        );
        let bad = words(b"-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n");
        assert!(
            bad.starts_with("f, line 1: the section that begins here is not in PEM: "),
            "{bad}"
        );
    }
}
