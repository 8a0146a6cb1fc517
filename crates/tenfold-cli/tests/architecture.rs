//! Who may use whom: between the crates of the workspace, and between the parts of this program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// Each crate of the workspace, and those that it may depend on. (What a crate must not use of the
/// standard library is in its `clippy.toml`, and the codec is `no_std`.)
const MAY_USE: &[(&str, &[&str])] = &[
    ("tenfold-codec", &[]),
    ("tenfold-payload", &[]),
    ("tenfold-doctor", &["tenfold-codec"]),
    ("tenfold-log", &["tenfold-codec"]),
    ("tenfold", &["tenfold-codec"]),
    ("tenfold-gate", &["tenfold"]),
    ("tenfold-hub", &["tenfold", "tenfold-gate", "tenfold-log"]),
    ("tenfold-http", &["tenfold", "tenfold-hub"]),
    (
        "tenfold-cli",
        &[
            "tenfold",
            "tenfold-doctor",
            "tenfold-gate",
            "tenfold-http",
            "tenfold-hub",
            "tenfold-log",
            "tenfold-payload",
        ],
    ),
];

/// The folders whose members are commands.
const COMMANDS: &[&str] = &["streams", "hub"];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(crates).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(manifest) else {
            continue;
        };
        let manifest = DeTable::parse(&text).unwrap().into_inner();
        let package = manifest["package"].as_ref().as_table().unwrap();
        let name = package["name"].as_ref().as_str().unwrap().to_owned();
        let (_, may_use) = MAY_USE
            .iter()
            .find(|(of, _)| *of == name)
            .unwrap_or_else(|| panic!("{name} has no line in the table of this test"));
        let used = manifest["dependencies"].as_ref().as_table().unwrap();
        for dependency in used.keys().map(|key| &**key.as_ref()) {
            assert!(
                !dependency.starts_with("tenfold") || may_use.contains(&dependency),
                "{name} must not depend on {dependency}"
            );
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), MAY_USE.len(), "{seen:?}");
}

#[test]
fn commands_do_not_import_commands() {
    let files = rust_files(&sources());
    let mut commands = BTreeSet::new();
    for folder in COMMANDS {
        for file in &files {
            if let [first, command, ..] = module_of(file).as_slice()
                && first == folder
            {
                commands.insert([first.clone(), command.clone()]);
            }
        }
    }
    assert!(commands.len() > 10, "{commands:?}");
    let mut wrong = Vec::new();
    for file in &files {
        let module = module_of(file);
        // The command line names every command, to run it.
        if module == ["cli"] {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines().filter(|line| hides_a_command(line, &module)) {
            wrong.push(format!(
                "{}: name each module in a line of its own: {line}",
                module.join("::")
            ));
        }
        for used in paths_in(&text, &module) {
            let is_command = commands.contains(used.get(..2).unwrap_or_default());
            if is_command && !module.starts_with(&used[..2]) {
                wrong.push(format!("{} imports {}", module.join("::"), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a line imports a group that can have commands in it, which this test does not take apart.
fn hides_a_command(line: &str, module: &[String]) -> bool {
    let line = line.trim_start();
    let is_command = module.len() == 2 && COMMANDS.contains(&module[0].as_str());
    line.starts_with("use crate::{")
        || COMMANDS
            .iter()
            .any(|folder| line.starts_with(&format!("use crate::{folder}::{{")))
        || (is_command && line.starts_with("use super::{"))
}

#[test]
fn a_path_is_understood_from_where_it_stands() {
    let module = ["streams", "inspect", "rows"].map(str::to_owned);
    let text = "use super::paint;\nuse crate::hub::log::table;\nuse super::super::send::Send;\n";
    let paths: Vec<String> = paths_in(text, &module)
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "streams::inspect::paint",
            "hub::log::table",
            "streams::send::Send"
        ]
    );
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module of a file: `src/hub/log/table.rs` is `hub::log::table`.
fn module_of(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(sources()).unwrap().with_extension("");
    let mut module: Vec<String> = path
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// The paths of this crate that a source names, from its root.
fn paths_in(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = Vec::new();
    for word in text.split(|c| !is_path(c)) {
        let mut names: Vec<&str> = word.split("::").collect();
        let mut path = match names[0] {
            "crate" => Vec::new(),
            "super" => module.to_vec(),
            _ => continue,
        };
        while names.first() == Some(&"super") {
            path.pop();
            names.remove(0);
        }
        let rest = names.into_iter().filter(|name| *name != "crate");
        path.extend(rest.filter(|name| !name.is_empty()).map(str::to_owned));
        paths.push(path);
    }
    paths
}
