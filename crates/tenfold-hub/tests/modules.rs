//! Each module can be read alone: no modules use each other in a circle.
#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the sources of the crate"
)]

use std::fs;
use std::path::Path;

#[path = "../../tenfold-log/tests/modules/circles.rs"]
mod circles;

use circles::circles;

/// But for the simulation, which only tests have: sockets know it, and it runs whole hubs.
#[test]
fn no_modules_use_each_other_in_a_circle() {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let found = circles(source, "crate", &["simulation"]);
    assert!(found.is_empty(), "{found:#?}");
    // What a module uses under the name that the crate has for its users cannot be told from its text.
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.ends_with("lib.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim().starts_with("//")) {
            let mut used = line.split("crate::").skip(1);
            let hides = used.any(|name| name.starts_with(|c: char| c.is_uppercase() || c == '{'));
            assert!(
                !hides,
                "{}: `{line}` does not name the module",
                path.display()
            );
        }
    }
}
