//! Finds modules of a folder that use each other in a circle.
//!
//! A module is a file of the folder, or a folder in it with everything below. It uses a module beside it
//! if its text names that one: as `crate::there::other`, where the folder is the crate's module `there`,
//! or, in the files of the folder itself, as `super::other`; also in braces. Comments and what follows
//! `#[cfg(test)]` before a `mod tests` are not looked at, and neither are methods: a method that is
//! called is named nowhere, but the type that it belongs to came from somewhere.
//!
//! Other crates include this file with `#[path = "..."]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Which modules each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The modules of `folder` that use each other in a circle: each circle as its modules, in the order of
/// their names. `path` is the folder's module: `crate`, or `crate::something`. Modules of the names
/// in `without` are left out, for those that only tests have.
pub(crate) fn circles(folder: &Path, path: &str, without: &[&str]) -> Vec<Vec<String>> {
    let uses = uses(folder, path, without);
    assert!(uses.len() > 1, "{} has no modules", folder.display());
    let reached: Uses = uses
        .keys()
        .map(|module| (module.clone(), reached_from(module, &uses)))
        .collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (module, reached_here) in &reached {
        let is_known = circles.iter().flatten().any(|known| known == module);
        if reached_here.contains(module) && !is_known {
            let is_in_it = |other: &&String| reached[*other].contains(module);
            circles.push(reached_here.iter().filter(is_in_it).cloned().collect());
        }
    }
    circles
}

fn reached_from(module: &str, uses: &Uses) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = uses[module].iter().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(&uses[next]);
        }
    }
    reached
}

fn uses(folder: &Path, path: &str, without: &[&str]) -> Uses {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_root = ["lib", "main", "mod"].contains(&&name[..]);
        let is_left_out = without.contains(&&name[..]);
        if (file.is_dir() || !is_root) && !is_left_out {
            texts.entry(name).or_default().push_str(&text(&file, path));
        }
    }
    let names: BTreeSet<&String> = texts.keys().collect();
    let of = |module: &String, text: &String| {
        let mut used = named(text, path);
        used.retain(|name| names.contains(name) && name != module);
        (module.clone(), used)
    };
    texts
        .iter()
        .map(|(module, text)| of(module, text))
        .collect()
}

/// The code of a file, or of all files below a folder. What a file calls `super` is written out.
fn text(file: &Path, path: &str) -> String {
    if file.is_dir() {
        let entries = fs::read_dir(file).unwrap();
        // What is called `super` below is not this folder.
        let texts = entries.map(|entry| text(&entry.unwrap().path(), "below"));
        return texts.collect();
    }
    if file.extension().is_none_or(|ending| ending != "rs") {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let code = lines.collect::<Vec<_>>().join("\n") + "\n";
    code.replace("super::super::", "above::")
        .replace("super::", &format!("{path}::"))
}

/// The names that stand directly after a path, alone or in braces.
fn named(text: &str, path: &str) -> BTreeSet<String> {
    let path = format!("{path}::");
    let is_part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(&path) {
        let is_cut = text[..at].ends_with(|c| is_part_of_a_name(c) || c == ':');
        let rest = &text[at + path.len()..];
        if is_cut {
            continue;
        }
        let items = match rest.strip_prefix('{') {
            Some(inner) => in_braces(inner),
            None => vec![rest],
        };
        for item in items {
            let item = item.trim_start();
            let end = item.find(|c| !is_part_of_a_name(c)).unwrap_or(item.len());
            names.insert(item[..end].to_owned());
        }
    }
    names
}

/// What stands between commas, up to the brace that closes.
fn in_braces(inner: &str) -> Vec<&str> {
    let (mut items, mut from, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inner[from..at]);
                from = at + 1;
            }
            '}' => {
                items.push(&inner[from..at]);
                break;
            }
            _ => {}
        }
    }
    items
}
