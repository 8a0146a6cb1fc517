//! The table in `docs/framings.md` is made from the presets.

use std::fmt::Write as _;
use std::path::Path;

use tenfold_codec::PRESETS;

const START: &str = "<!-- table -->\n";
const END: &str = "<!-- end of table -->";

fn table() -> String {
    let mut table = String::from("| name | line | at most | source |\n|---|---|---|---|\n");
    for preset in PRESETS {
        let maximum = preset.maximum.map_or_else(String::new, |n| n.to_string());
        let (name, line, source) = (preset.name, preset.line, preset.source);
        writeln!(table, "| `{name}` | `{line}` | {maximum} | {source} |").unwrap();
    }
    table
}

/// Run with `UPDATE_DOCS=1` to write the table instead.
#[test]
fn the_documented_table_is_the_table_of_presets() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/framings.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find(START).unwrap() + START.len();
    let end = page.find(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = format!("{}{}{}", &page[..start], table(), &page[end..]);
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert_eq!(
        &page[start..end],
        table(),
        "run this test with UPDATE_DOCS=1"
    );
}
