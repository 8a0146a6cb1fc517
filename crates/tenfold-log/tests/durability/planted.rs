//! Mistakes on purpose: each of them makes a test of this crate fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tenfold_log::planted::{Mistake, make};
use tenfold_log::storage::{Kind, Memory};

use crate::crash::{QUICK, crash};
use crate::damage::{directory, flip_each_bit};
use crate::deletion::lose_the_move;
use crate::faults::each_call;
use crate::model::{check, expected};
use crate::script::run;
use crate::support::{reopen, small};

/// What a test does must fail with the mistake, and only with it.
fn is_found(mistake: Mistake, test: impl Fn()) {
    test();
    let seen = catch_unwind(AssertUnwindSafe(|| make(mistake, &test)));
    assert!(seen.is_err(), "{mistake:?} is not found");
}

const EIO: Option<i32> = Some(5);

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    is_found(Mistake::AckBeforeSync, || _ = crash(QUICK, 3, 9));
}

#[test]
fn a_directory_that_is_not_synced_is_found() {
    is_found(Mistake::SkipDirectorySync, || _ = crash(QUICK, 1, 5));
}

#[test]
fn a_failed_sync_that_is_repeated_is_found() {
    is_found(Mistake::RetryFailedSync, || {
        each_call(&[EIO], |call| call.kind == Kind::Sync);
    });
}

#[test]
fn files_that_are_removed_without_a_mark_are_found() {
    is_found(Mistake::RemoveUnmarked, lose_the_move);
}

#[test]
fn a_journal_that_is_written_after_an_error_is_found() {
    is_found(Mistake::AppendAfterError, || {
        each_call(&[EIO], |call| call.kind == Kind::Sync);
    });
}

#[test]
fn producers_that_retention_forgets_are_found() {
    is_found(Mistake::DropProducerCounts, || {
        let memory = Memory::new();
        let run = run(&memory, false);
        let channels = expected(&run);
        drop(run);
        check(&reopen(memory.image_kept(), small()).unwrap(), &channels);
    });
}

#[test]
fn bytes_that_are_served_unchecked_are_found() {
    is_found(Mistake::SkipCrc, || {
        flip_each_bit(&directory(true), |path| path.ends_with(".frames"));
    });
}

#[test]
fn an_index_without_reserved_space_is_found() {
    let test = crate::faults::a_disk_that_is_full_by_the_index_alone_refuses_and_goes_on;
    is_found(Mistake::SkipIndexReservation, test);
}

#[test]
fn a_journal_that_is_cut_at_interior_damage_is_found() {
    let test = crate::damage::what_stands_after_a_damaged_batch_is_kept;
    is_found(Mistake::CutAtDamage, test);
}

#[test]
fn a_recovery_that_writes_into_the_files_that_are_there_is_found() {
    is_found(Mistake::ReplayInPlace, || {
        crate::faults::refuse_writes_and_start_again(7);
    });
}

#[test]
fn seqs_that_are_given_again_are_found() {
    is_found(Mistake::ReuseSeq, || {
        crate::damage::a_newest_segment_that_is_gone_is_told_and_its_seqs_are_not_given_again();
    });
}

#[test]
fn epochs_that_go_on_forever_are_found() {
    is_found(Mistake::EndlessEpochs, crate::epochs::put_a_copy_back);
}

#[test]
fn a_channel_that_is_deleted_where_it_is_is_found() {
    is_found(Mistake::DeleteInPlace, || {
        crate::offline_deletion::end_at_each_call(2);
    });
}

#[test]
fn a_deleted_channel_that_may_come_back_is_found() {
    is_found(Mistake::SkipDirectorySync, || {
        crate::offline_deletion::end_at_each_call(2);
    });
}

#[test]
fn a_file_that_is_closed_before_it_is_synced_is_found() {
    is_found(
        Mistake::CloseUnsynced,
        crate::few_files::writes_are_refused_while_few_files_are_open,
    );
}

#[test]
fn headers_that_are_read_leniently_are_found() {
    is_found(
        Mistake::LenientHeader,
        crate::damage::frames_that_nothing_proves_are_read_strictly,
    );
}
