//! Files that are opened on demand, compared with files that are always open.

use std::io::{ErrorKind, IoSlice};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::storage::{Fault, Kind, Memory};

fn few(memory: &Memory, most: usize) -> FewFiles {
    FewFiles::new(Arc::new(memory.clone()), most)
}

fn write(file: &dyn File, text: &str) {
    let written = file.write_at(&[IoSlice::new(text.as_bytes())], 0).unwrap();
    assert_eq!(written, text.len());
}

fn read(file: &dyn File) -> io::Result<String> {
    let mut buffer = [0; 100];
    let read = file.read_at(&mut buffer, 0)?;
    Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
}

/// Opens other files, so that all are closed that may be closed.
fn open_others(storage: &dyn Storage) {
    let open = |number| storage.open(&format!("other{number}"), true).unwrap();
    let others: Vec<_> = (0..10).map(open).collect();
    for other in others {
        other.length().unwrap();
    }
}

/// How often a path was opened.
fn opens(memory: &Memory, path: &str) -> usize {
    let trace = memory.trace();
    let opens = trace.iter().filter(|call| call.kind == Kind::Open);
    opens.filter(|call| call.path == path).count()
}

#[test]
fn a_thousand_files_are_used_where_ten_may_be_open() {
    let memory = Memory::new();
    memory.set_files(10);
    let few = few(&memory, 10);
    let names: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    let open = |name: &String| few.open(name, true).unwrap();
    let files: Vec<_> = names.iter().map(open).collect();
    for (file, name) in files.iter().zip(&names) {
        write(&**file, name);
        file.sync().unwrap();
    }
    for (file, name) in files.iter().zip(&names) {
        assert_eq!(read(&**file).unwrap(), *name);
    }
}

#[test]
fn files_are_closed_for_another_one_if_the_process_has_no_descriptor_left() {
    let memory = Memory::new();
    let few = few(&memory, 1000);
    let files: Vec<_> = (0..100)
        .map(|number| few.open(&number.to_string(), true).unwrap())
        .collect();
    memory.set_files(100);
    // The journal has descriptors of its own.
    memory.write("journal/0.journal", b"x");
    let journal = few.open("journal/0.journal", false).unwrap();
    few.open("another", true).unwrap();
    let before = opens(&memory, "journal/0.journal");
    for file in &files {
        assert_eq!(file.length().unwrap(), 0);
    }
    assert_eq!(journal.length().unwrap(), 1);
    assert_eq!(opens(&memory, "journal/0.journal"), before);
}

#[test]
fn if_no_file_may_be_closed_the_error_is_told_and_it_passes() {
    let memory = Memory::new();
    let few = few(&memory, 1000);
    let file = few.open("written", true).unwrap();
    write(&*file, "x");
    memory.set_files(1);
    let error = few.open("another", true).unwrap_err();
    assert!(crate::storage::is_out_of_files(&error), "{error}");
    file.sync().unwrap();
    few.open("another", true).unwrap();
}

#[test]
fn a_sync_that_has_failed_is_never_repeated_whatever_its_error_says() {
    let memory = Memory::new();
    let few = few(&memory, 1000);
    few.create_dir("d").unwrap();
    let _file = few.open("d/file", true).unwrap();
    memory.fail(Fault::next(Kind::SyncDir).errno(24));
    few.sync_dir("d").unwrap_err();
}

#[test]
fn the_file_that_was_not_used_for_the_longest_time_is_closed() {
    let memory = Memory::new();
    let few = few(&memory, 3);
    let often = few.open("often", true).unwrap();
    let seldom = few.open("seldom", true).unwrap();
    for number in 0..50 {
        often.length().unwrap();
        few.open(&number.to_string(), true).unwrap();
        let other = few.open(&number.to_string(), false).unwrap();
        other.length().unwrap();
        drop(other);
    }
    assert_eq!(opens(&memory, "often"), 1);
    let others: Vec<_> = (0..3)
        .map(|number| few.open(&number.to_string(), false).unwrap())
        .collect();
    drop(others);
    seldom.length().unwrap();
    assert_eq!(opens(&memory, "seldom"), 2);
}

#[test]
fn a_file_that_was_written_stays_open_until_it_is_synced() {
    let memory = Memory::new();
    let few = few(&memory, 2);
    let file = few.open("file", true).unwrap();
    write(&*file, "written");
    open_others(&few);
    memory.fail(Fault::next(Kind::Sync).on("file"));
    file.sync().unwrap_err();
    open_others(&few);
    file.length().unwrap();
    assert_eq!(opens(&memory, "file"), 1, "its sync has failed");
    file.sync().unwrap();
    open_others(&few);
    file.length().unwrap();
    assert_eq!(opens(&memory, "file"), 2, "its sync has succeeded");
    file.set_length(1).unwrap();
    open_others(&few);
    file.length().unwrap();
    assert_eq!(opens(&memory, "file"), 2, "it was cut");
}

#[test]
fn a_file_stays_open_for_as_long_as_someone_wants_that() {
    let memory = Memory::new();
    let few = few(&memory, 2);
    let file = few.open("file", true).unwrap();
    let kept = file.keep_open().unwrap();
    assert!(kept.is_some());
    open_others(&few);
    memory.fail(Fault::next(Kind::Open).on("file"));
    write(&*file, "x");
    file.sync().unwrap();
    drop(kept);
    open_others(&few);
    file.length().unwrap_err();
}

#[test]
fn a_file_that_is_closed_is_not_opened_for_a_read_that_must_not_wait() {
    let memory = Memory::new();
    let few = few(&memory, 2);
    let file = few.open("file", true).unwrap();
    file.read_cached_at(&mut [0; 3], 0).unwrap();
    open_others(&few);
    let error = file.read_cached_at(&mut [0; 3], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    file.length().unwrap();
    file.read_cached_at(&mut [0; 3], 0).unwrap();
}

#[test]
fn a_closed_file_follows_its_name_and_that_of_its_directory() {
    let memory = Memory::new();
    memory.write("a/b/file", b"one");
    memory.write("a/b-c/file", b"another");
    let few = few(&memory, 2);
    let file = few.open("a/b/file", false).unwrap();
    let other = few.open("a/b-c/file", false).unwrap();
    open_others(&few);
    few.rename("a/b/file", "a/b/renamed").unwrap();
    assert_eq!(read(&*file).unwrap(), "one");
    open_others(&few);
    few.rename("a/b", "moved").unwrap();
    assert_eq!(read(&*file).unwrap(), "one");
    assert_eq!(read(&*other).unwrap(), "another");
}

#[test]
fn a_file_whose_name_another_one_takes_stays_what_it_was() {
    let memory = Memory::new();
    memory.write("file", b"old");
    memory.write("new", b"new");
    let few = few(&memory, 2);
    let old = few.open("file", false).unwrap();
    let new = few.open("new", false).unwrap();
    open_others(&few);
    few.rename("new", "file").unwrap();
    open_others(&few);
    assert_eq!(read(&*old).unwrap(), "old");
    assert_eq!(read(&*new).unwrap(), "new");
    assert_eq!(read(&*few.open("file", false).unwrap()).unwrap(), "new");
}

#[test]
fn a_removed_file_stays_for_those_who_have_it() {
    let memory = Memory::new();
    memory.write("file", b"old");
    memory.write("lost", b"old");
    let few = few(&memory, 2);
    let (file, lost) = (
        few.open("file", false).unwrap(),
        few.open("lost", false).unwrap(),
    );
    open_others(&few);
    few.remove("file").unwrap();
    memory.fail(Fault::next(Kind::Open).on("lost"));
    few.remove("lost").unwrap();
    for path in ["file", "lost"] {
        write(&*few.open(path, true).unwrap(), "another");
    }
    open_others(&few);
    assert_eq!(read(&*file).unwrap(), "old");
    // Only where it could not be opened any more, it is gone for those as well.
    let error = read(&*lost).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("lost"), "{error}");
}

#[test]
fn nothing_is_left_of_files_that_nobody_has() {
    let memory = Memory::new();
    let few = few(&memory, 5);
    for round in 0..20 {
        let path = format!("{round}");
        let file = few.open(&path, true).unwrap();
        write(&*file, "x");
        few.open("missing", false).unwrap_err();
        let renamed = format!("{round} renamed");
        few.rename(&path, &renamed).unwrap();
        few.remove(&renamed).unwrap();
    }
    assert!(few.shared.names().entries.is_empty());
    let open = format!("{:?}", few.shared.open.lock().unwrap());
    assert!(open.starts_with("OpenOnes { count: 0, turns: {}"), "{open}");
}

#[test]
fn many_threads_share_few_descriptors() {
    let memory = Memory::new();
    memory.set_files(12);
    let few = few(&memory, 4);
    let files: Vec<_> = (0..40)
        .map(|number| few.open(&number.to_string(), true).unwrap())
        .collect();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (files, few) = (&files, &few);
            scope.spawn(move || {
                for round in 0..300 {
                    let number = (round * 7 + thread) % 40;
                    // Each file is one thread's.
                    if number % 4 == thread {
                        let text = format!("{number} {round:03}");
                        write(&*files[number], &text);
                        files[number].sync().unwrap();
                        assert_eq!(read(&*files[number]).unwrap(), text);
                    } else {
                        read(&*files[number]).unwrap();
                    }
                    if round % 10 == 0 {
                        let path = format!("temporary{thread}");
                        let file = few.open(&path, true).unwrap();
                        few.rename(&path, &format!("{path} renamed")).unwrap();
                        assert_eq!(file.length().unwrap(), 0);
                    }
                }
            });
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Write(usize, u8),
    Cut(usize),
    Sync(usize),
    Rename(usize, usize),
    Remove(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let path = 0..5_usize;
    let file = 0..8_usize;
    prop_oneof![
        3 => path.clone().prop_map(Step::Open),
        5 => (file.clone(), any::<u8>()).prop_map(|(file, byte)| Step::Write(file, byte)),
        1 => file.clone().prop_map(Step::Cut),
        3 => file.clone().prop_map(Step::Sync),
        1 => path.clone().prop_map(Step::Remove),
        2 => (path.clone(), path).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => file.prop_map(Step::Drop),
    ]
}

/// Does a step, and returns what it has led to.
fn take(storage: &dyn Storage, files: &mut [Option<Arc<dyn File>>], step: &Step) -> String {
    let text = |result: io::Result<u64>| match result {
        Ok(number) => number.to_string(),
        Err(error) => format!("{:?}", error.kind()),
    };
    let file = |number: usize| files[number].clone();
    match *step {
        Step::Open(path) => {
            let free = files.iter().position(Option::is_none).unwrap_or(0);
            files[free] = storage.open(&format!("d/{path}"), true).ok();
            String::new()
        }
        Step::Write(number, byte) => file(number).map_or(String::new(), |file| {
            let written = file.write_at(&[IoSlice::new(&[byte; 3])], u64::from(byte % 7));
            text(written.map(|written| written as u64))
        }),
        Step::Cut(number) => {
            file(number).map_or(String::new(), |file| text(file.set_length(2).map(|()| 0)))
        }
        Step::Sync(number) => {
            file(number).map_or(String::new(), |file| text(file.sync().map(|()| 0)))
        }
        Step::Rename(from, to) => {
            let renamed = storage.rename(&format!("d/{from}"), &format!("d/{to}"));
            text(renamed.map(|()| 0))
        }
        Step::Remove(path) => text(storage.remove(&format!("d/{path}")).map(|()| 0)),
        Step::Drop(number) => {
            files[number] = None;
            String::new()
        }
    }
}

proptest! {
    /// The same steps on files that are always open.
    #[test]
    fn whatever_is_closed_meanwhile_nothing_is_different(
        most in 1..4_usize,
        steps in vec(step(), 0..60)
    ) {
        let (memory, plain) = (Memory::new(), Memory::new());
        let few = few(&memory, most);
        let mut files: [Option<Arc<dyn File>>; 8] = Default::default();
        let mut twins: [Option<Arc<dyn File>>; 8] = Default::default();
        few.create_dir("d").unwrap();
        plain.create_dir("d").unwrap();
        for step in &steps {
            let seen = take(&few, &mut files, step);
            prop_assert_eq!(seen, take(&plain, &mut twins, step), "{:?}", step);
            for (file, twin) in files.iter().zip(&twins) {
                let contents = |file: &Option<Arc<dyn File>>| file.as_ref().map(|file| read(&**file).unwrap());
                prop_assert_eq!(contents(file), contents(twin), "after {:?}", step);
            }
        }
        prop_assert_eq!(memory.files(), plain.files());
        for (path, _) in plain.files() {
            prop_assert_eq!(memory.read_durable(&path), plain.read_durable(&path));
        }
    }
}
