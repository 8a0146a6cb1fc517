//! The page: its files, as they are in this program.

use crate::answer::Answer;
use crate::head::Head;
use crate::status::Status;

/// One file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    name: &'static str,
    text: &'static str,
}

/// What the page may do: what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        &[$(Asset { name: $name, text: include_str!(concat!("../page/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets![
    "index.html",
    "page.css",
    "icon.svg",
    "main.js",
    "cbor.js",
    "channel.js",
    "chart.js",
    "dom.js",
    "frames.js",
    "hub.js",
    "lessons.js",
    "live.js",
    "msgpack.js",
    "overview.js",
    "payload.js",
    "pickle.js",
    "reader.js",
    "times.js",
    "tree.js",
    "watch.js",
    "words.js",
];

impl Asset {
    /// What a browser begins with.
    pub fn index() -> Self {
        ASSETS[0]
    }

    /// The file with this name.
    pub fn named(name: &str) -> Option<Self> {
        ASSETS.iter().find(|asset| asset.name == name).copied()
    }

    /// Its text.
    pub fn text(self) -> &'static str {
        self.text
    }

    pub(crate) fn answer(self) -> Answer {
        let media_type = match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        Answer::new(Status::OK)
            .with("Content-Type", media_type)
            .with_policy(POLICY)
    }
}

/// Whether a client is one that shows pages: it says so in `Accept`.
pub(crate) fn is_wanted(head: &Head) -> bool {
    let mut ranges = head.all("accept").flat_map(|value| value.split(','));
    ranges.any(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("text/html")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the page is in files")]
    fn each_file_of_the_page_is_in_the_program() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut files = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // It tells Node what kind of modules these are.
            if name != "package.json" {
                assert!(Asset::named(&name).is_some(), "{name}");
                files += 1;
            }
        }
        assert_eq!(files, ASSETS.len());
    }

    #[test]
    fn no_file_of_the_page_has_script_or_style_within_it() {
        let page = Asset::index().text();
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("onclick"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains(r#"<script type="module" src="/page/main.js"></script>"#));
    }
}
