//! Each module can be read alone: no modules use each other in a circle.

use std::fs;
use std::path::Path;

mod circles;

use circles::circles;

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// But for those of `storage/memory`, which are one machine in several files.
#[test]
fn no_modules_use_each_other_in_a_circle() {
    for (folder, path) in [
        ("", "crate"),
        ("recovery", "crate::recovery"),
        ("storage", "crate::storage"),
    ] {
        let found = circles(&source().join(folder), path, &[]);
        assert!(found.is_empty(), "circles in {path}: {found:#?}");
    }
}

#[test]
fn a_circle_is_found_in_whatever_way_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let file = folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("lib.rs", "mod a;\nuse crate::a;\n");
    write("a.rs", "use crate::{x::Y, b::{self, B}, z};\n");
    write("b/mod.rs", "mod deep;\n");
    write(
        "b/deep.rs",
        "use super::a::Not;\nfn f() { crate::c::g() }\n",
    );
    write("c.rs", "pub use super::a::A;\n");
    write(
        "d.rs",
        "// crate::e\n#[cfg(test)]\nmod tests {\n    use crate::e;\n}\n",
    );
    write(
        "e.rs",
        "use crate::d;\nuse crate::ab;\nuse other::crate_::e;\n",
    );
    let found = circles(folder.path(), "crate", &[]);
    assert_eq!(found, [["a", "b", "c"]]);
    let without = circles(folder.path(), "crate", &["c"]);
    assert_eq!(without, Vec::<Vec<String>>::new());
    write("b/deep.rs", "fn f() {}\n");
    assert_eq!(
        circles(folder.path(), "crate", &[]),
        Vec::<Vec<String>>::new()
    );
}
