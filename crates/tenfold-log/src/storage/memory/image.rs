//! What is there after the process, or the machine, has ended at this point.

use super::Memory;
use super::change::{Chance, Keep};
use super::fault::Call;

/// What is there after the process, or the machine, has ended at this point. Each is a storage of
/// its own, without locks, faults, limits and calls, as after a start.
impl Memory {
    /// The files and directories as reads see them, all of it durable.
    pub fn copy(&self) -> Self {
        let copy = self.image_kept();
        copy.settle();
        copy
    }

    /// After the end of the process alone: everything that was written is there, and what is not
    /// durable here is not durable there: the machine can still fail. The call during which it ended
    /// did nothing.
    pub fn image_kept(&self) -> Self {
        self.image_kept_with(Keep::None)
    }

    /// After the end of the process alone, with so much of the call during which it ended.
    pub fn image_kept_with(&self, last: Keep) -> Self {
        let state = self.state();
        let mut kept = state.same();
        kept.change(state.last.clone(), last);
        Self::of(kept)
    }

    /// The changes that are not durable, in the order in which they were made: the calls that made
    /// them, short writes with the length that was written. What a failed sync gave up is not among
    /// them; what the call would have changed during which the process ended is.
    pub fn pending(&self) -> Vec<Call> {
        let state = self.state();
        let changes = state.pending.iter().chain(&state.last);
        changes.map(|pending| pending.call.clone()).collect()
    }

    /// After the end of the machine: what is durable, and as much of each of the
    /// [pending](Self::pending) changes as `keep` says, in their order. A file is as long as what is
    /// kept makes it; where nothing was kept it has zeros.
    pub fn image(&self, mut keep: impl FnMut(&Call) -> Keep) -> Self {
        let state = self.state();
        let mut disk = state.durable.clone();
        for pending in state.pending.iter().chain(&state.last) {
            for change in pending.change.clone().keep(keep(&pending.call)) {
                change.make(pending.id, &mut disk);
            }
        }
        Self::of(state.started(disk))
    }

    /// After the end of the machine: of each change that is not durable, by chance all, nothing or a
    /// part. The same seed gives the same image.
    pub fn image_random(&self, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let changes = self.pending().len() as u64;
        // So many of 16 changes are kept. In half of the images, hardly any is kept from some change on.
        let likely = [1, 8, 15, 16, 16][index(chance.below(5))];
        let turn = chance.below(2 * changes + 2);
        let after = chance.below(2);
        let mut number = 0;
        self.image(|call| {
            let likely = if number < turn { likely } else { after };
            let part = number == turn || likely < 16 && chance.below(4) == 0;
            number += 1;
            if part {
                part_of_write(&mut chance, call.length)
            } else if chance.below(16) < likely {
                Keep::All
            } else {
                Keep::None
            }
        })
    }
}

/// What is kept of a write: up to some byte, up to some sector, any sectors, or nothing.
fn part_of_write(chance: &mut Chance, length: u64) -> Keep {
    let end = chance.below(length + 1);
    match chance.below(4) {
        0 => Keep::Sectors(chance.next()),
        1 => Keep::Prefix(index(end - end % 512)),
        2 => Keep::Prefix(index(end)),
        _ => Keep::None,
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::IoSlice;
    use std::sync::Arc;

    use super::super::{Fault, Kind};
    use super::*;
    use crate::storage::{File, Storage};

    fn put(file: &Arc<dyn File>, bytes: &[u8], offset: u64) {
        let written = file.write_at(&[IoSlice::new(bytes)], offset).unwrap();
        assert_eq!(written, bytes.len());
    }

    /// A storage with one durable file of sixteen dots.
    fn dots() -> (Memory, Arc<dyn File>) {
        let memory = Memory::new();
        memory.write("a/file", &[b'.'; 16]);
        let file = memory.open("a/file", false).unwrap();
        (memory, file)
    }

    fn names(memory: &Memory) -> Vec<String> {
        memory.files().into_iter().map(|(path, _)| path).collect()
    }

    fn text(memory: &Memory, path: &str) -> String {
        String::from_utf8(memory.read(path).unwrap()).unwrap()
    }

    #[test]
    fn what_is_not_synced_can_be_lost_kept_or_cut() {
        let (memory, file) = dots();
        put(&file, b"abc", 0);
        put(&file, b"defg", 14);
        let kinds: Vec<_> = memory.pending().iter().map(|call| call.kind).collect();
        assert_eq!(kinds, [Kind::Write, Kind::Write]);
        let image = |first, second| {
            let mut keeps = [first, second].into_iter();
            text(&memory.image(|_| keeps.next().unwrap()), "a/file")
        };
        let dots = "..............";
        assert_eq!(image(Keep::None, Keep::None), format!("{dots}.."));
        assert_eq!(image(Keep::All, Keep::None), format!("abc{}..", &dots[3..]));
        assert_eq!(image(Keep::None, Keep::All), format!("{dots}defg"));
        assert_eq!(
            image(Keep::Prefix(1), Keep::Prefix(3)),
            format!("a{}def", &dots[1..])
        );
        file.sync().unwrap();
        assert!(memory.pending().is_empty());
        let synced = memory.image(|_| Keep::None);
        assert_eq!(text(&synced, "a/file"), format!("abc{}defg", &dots[3..]));
    }

    #[test]
    fn a_write_that_is_kept_without_the_one_before_leaves_a_hole() {
        let (memory, file) = dots();
        put(&file, b"lost", 16);
        put(&file, b"kept", 20);
        let image = memory.image(|call| {
            if call.offset == 20 {
                Keep::All
            } else {
                Keep::None
            }
        });
        assert_eq!(text(&image, "a/file"), "................\0\0\0\0kept");
    }

    #[test]
    fn sectors_are_kept_or_lost_each_by_itself() {
        let memory = Memory::new();
        memory.write("file", &[]);
        let file = memory.open("file", false).unwrap();
        put(&file, &[1; 5000], 100);
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let bytes = memory.image(|_| Keep::Sectors(seed)).read("file").unwrap();
            assert_eq!(bytes.len(), 5100);
            for (at, sector) in bytes.chunks(512).enumerate() {
                let written = &sector[if at == 0 { 100 } else { 0 }..];
                assert!(written.iter().all(|&byte| byte == written[0]));
                seen.insert((at, written[0]));
            }
        }
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_length_that_was_set_can_be_lost_and_the_write_after_it_kept() {
        let (memory, file) = dots();
        file.set_length(2).unwrap();
        put(&file, b"x", 4);
        let image = |length: Keep, write: Keep| {
            text(
                &memory.image(|call| {
                    if call.kind == Kind::Write {
                        write
                    } else {
                        length
                    }
                }),
                "a/file",
            )
        };
        assert_eq!(image(Keep::All, Keep::All), "..\0\0x");
        assert_eq!(image(Keep::All, Keep::None), "..");
        assert_eq!(image(Keep::None, Keep::All), "....x...........");
        assert_eq!(text(&memory, "a/file"), "..\0\0x");
    }

    #[test]
    fn a_file_whose_directory_was_not_synced_can_be_gone_although_it_was_synced() {
        let memory = Memory::new();
        memory.create_dir("a/b").unwrap();
        let file = memory.open("a/b/file", true).unwrap();
        put(&file, b"x", 0);
        file.sync().unwrap();
        assert!(names(&memory.image(|_| Keep::None)).is_empty());
        memory.sync_dir("a/b").unwrap();
        assert!(names(&memory.image(|_| Keep::None)).is_empty());
        memory.sync_dir("a").unwrap();
        assert!(names(&memory.image(|_| Keep::None)).is_empty());
        memory.sync_dir("").unwrap();
        let image = memory.image(|_| Keep::None);
        assert_eq!(image.files(), [("a/b/file".to_owned(), 1)]);
    }

    #[test]
    fn a_rename_leaves_the_old_or_the_new_and_never_neither() {
        let memory = Memory::new();
        memory.write("d/name", b"old");
        let file = memory.open("d/new", true).unwrap();
        put(&file, b"new", 0);
        file.sync().unwrap();
        memory.rename("d/new", "d/name").unwrap();
        assert_eq!(text(&memory, "d/name"), "new");
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let image = memory.image_random(seed);
            let name = text(&image, "d/name");
            seen.insert((name, names(&image).len()));
        }
        let expected = [("old", 1), ("old", 2), ("new", 1)];
        assert_eq!(
            seen,
            expected
                .map(|(name, files)| (name.to_owned(), files))
                .into()
        );
        memory.sync_dir("d").unwrap();
        let image = memory.image(|_| Keep::None);
        assert_eq!(names(&image), ["d/name"]);
        assert_eq!(text(&image, "d/name"), "new");
    }

    #[test]
    fn a_rename_to_another_directory_is_one_change_of_both() {
        for synced in ["a", "b"] {
            let memory = Memory::new();
            memory.write("b/other", b"x");
            memory.write("a/other", b"x");
            memory.open("a/1", true).unwrap();
            memory.rename("a/1", "a/2").unwrap();
            memory.rename("a/2", "b/3").unwrap();
            memory.sync_dir(synced).unwrap();
            assert!(memory.pending().is_empty());
            let image = memory.image(|_| Keep::None);
            assert_eq!(names(&image), ["a/other", "b/3", "b/other"]);
        }
    }

    #[test]
    fn a_directory_that_is_moved_is_there_with_everything_at_one_of_its_places() {
        let memory = Memory::new();
        memory.write("a/b/file", b"x");
        memory.create_dir("c").unwrap();
        memory.sync_dir("").unwrap();
        memory.rename("a/b", "c/d").unwrap();
        assert_eq!(names(&memory), ["c/d/file"]);
        let seen: BTreeSet<_> = (0..50)
            .map(|seed| names(&memory.image_random(seed)))
            .collect();
        assert_eq!(
            seen,
            [["a/b/file".into()].into(), ["c/d/file".into()].into()].into()
        );
        memory.sync_dir("a").unwrap();
        assert_eq!(names(&memory.image(|_| Keep::None)), ["c/d/file"]);
    }

    #[test]
    fn a_file_that_was_removed_can_come_back_until_its_directory_is_synced() {
        let (memory, file) = dots();
        memory.remove("a/file").unwrap();
        assert!(names(&memory).is_empty());
        assert_eq!(file.length().unwrap(), 16);
        assert_eq!(text(&memory.image(|_| Keep::None), "a/file").len(), 16);
        assert!(memory.image(|_| Keep::All).files().is_empty());
        memory.sync_dir("a").unwrap();
        assert!(memory.image(|_| Keep::None).files().is_empty());
        memory.remove_dir("a").unwrap();
        assert_eq!(memory.list("").unwrap(), [""; 0]);
        assert_eq!(memory.image(|_| Keep::None).list("").unwrap(), ["a"]);
    }

    #[test]
    fn the_end_of_the_process_loses_nothing_and_makes_nothing_durable() {
        let (memory, file) = dots();
        put(&file, b"abc", 0);
        let kept = memory.image_kept();
        assert_eq!(&text(&kept, "a/file")[..4], "abc.");
        assert_eq!(&text(&kept.image(|_| Keep::None), "a/file")[..4], "....");
        assert_eq!(
            &text(&memory.copy().image(|_| Keep::None), "a/file")[..4],
            "abc."
        );
        let again = kept.open("a/file", false).unwrap();
        put(&again, b"xyz", 0);
        assert_eq!(
            &text(&memory, "a/file")[..4],
            "abc.",
            "it is a storage of its own"
        );
    }

    #[test]
    fn what_a_failed_sync_gave_up_is_lost_with_the_machine_and_not_with_the_process() {
        let (memory, file) = dots();
        put(&file, b"abc", 0);
        memory.fail(Fault::next(Kind::Sync));
        file.sync().unwrap_err();
        file.sync().unwrap();
        let kept = memory.image_kept();
        assert_eq!(&text(&kept, "a/file")[..4], "abc.");
        let mut buffer = [0; 4];
        let file = kept.open("a/file", false).unwrap();
        assert_eq!(file.read_durable_at(&mut buffer, 0).unwrap(), 4);
        assert_eq!(&buffer, b"....");
        assert_eq!(&text(&kept.image(|_| Keep::All), "a/file")[..4], "....");
    }

    #[test]
    fn the_call_during_which_the_process_ends_happens_as_the_image_says() {
        let (memory, file) = dots();
        memory.stop_at(memory.calls() + 1);
        put(&file, b"abc", 0);
        assert!(!memory.is_stopped());
        file.write_at(&[IoSlice::new(b"def")], 3).unwrap_err();
        assert!(memory.is_stopped());
        file.sync().unwrap_err();
        file.length().unwrap_err();
        memory.open("a/file", false).unwrap_err();
        assert_eq!(&text(&memory.image_kept(), "a/file")[..6], "abc...");
        let kept = memory.image_kept_with(Keep::Prefix(2));
        assert_eq!(&text(&kept, "a/file")[..6], "abcde.");
        let image = memory.image(|_| Keep::All);
        assert_eq!(&text(&image, "a/file")[..6], "abcdef");
        assert_eq!(memory.pending().len(), 2);
        // It starts again.
        assert_eq!(image.calls(), 0);
        image.open("a/file", false).unwrap().sync().unwrap();
    }

    #[test]
    fn a_seed_gives_one_image_and_other_seeds_give_others() {
        let (memory, file) = dots();
        for at in 0..3 {
            put(&file, b"xx", at * 2);
        }
        let mut seen = BTreeSet::new();
        for seed in 0..2000 {
            let image = text(&memory.image_random(seed), "a/file");
            assert_eq!(image, text(&memory.image_random(seed), "a/file"));
            seen.insert(image);
        }
        // Of each write nothing or all of it, in every combination; and parts.
        for kept in 0..8 {
            let write = |at| if kept >> at & 1 == 1 { "xx" } else { ".." };
            let whole = format!("{}{}{}..........", write(0), write(1), write(2));
            assert!(seen.contains(&whole), "{whole}");
        }
        assert!(seen.len() > 8);
    }
}
