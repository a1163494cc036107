//! A start after a run that is over: what stood is the same from its standing as from every record, wherever the process ended; what is not what was written is not used; and what
//! was restrained stays so. `scripts/drill-restart` runs it at length, over a journal of 10 million records.

mod day;
mod live;
#[path = "../program/mod.rs"]
mod program;
mod retention;

use std::fs;
use std::path::Path;

use colo::journal::RunDir;
use colo::journal::standing::{Before, Standing, StandingError, before, of_all, of_run};
use ringbuf::log::pack;

use day::{Day, Written};

fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..40).collect(),
    }
}

/// The same from the file and the records behind it as from every record, and as the one who wrote them counted.
#[track_caller]
fn same(run: &Path, number: u32, what: &str) -> (Before, Standing) {
    let (all, records) = of_all(run).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = of_run(run, number).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(found.standing, all, "{what}");
    assert!(found.records_read <= records, "{what}");
    (found, all)
}

#[test]
fn what_stands_is_the_same_from_the_file_as_from_every_record() {
    let (mut from_file, mut spared) = (0, 0);
    for seed in seeds() {
        let folder = tempfile::tempdir().unwrap();
        let mut day = Day::begin(folder.path(), 1, seed);
        let cuts = 1 + seed % 7;
        for cut in 0..cuts {
            day.go_on(50 + seed * 37 % 700);
            day.stand();
            let (found, _) = same(&day.run, 1, &format!("SEED={seed} cut {cut}"));
            assert_eq!((found.records_read, found.unfit.is_none()), (0, true), "SEED={seed} cut {cut}");
        }
        day.go_on(seed * 11 % 300);
        let Written { run, oracle, .. } = day.end(seed % 2 == 0);
        let (found, all) = same(&run, 1, &format!("SEED={seed}"));
        from_file += u64::from(found.records_read < all.records);
        spared += all.records - found.records_read;
        // Counted by the one who made the records up, from what it meant by them.
        assert_eq!(all.ended, seed % 2 == 0, "SEED={seed}");
        let held: Vec<_> = all.held.iter().map(|(id, h)| (*id, (h.shares, h.cash))).collect();
        let meant: Vec<_> = oracle.held.iter().map(|(id, h)| (*id, *h)).collect();
        assert_eq!(held, meant, "SEED={seed}");
        let open: Vec<_> = all.orders.iter().map(|((_, token), o)| (*token, o.shares)).collect();
        assert_eq!(open, oracle.open.iter().map(|(t, o)| (*t, o.shares)).collect::<Vec<_>>(), "SEED={seed}");
        assert_eq!(all.restraint.words(), oracle.restraint.words(), "SEED={seed}");
        assert_eq!(all.best, oracle.best, "SEED={seed}");
        assert_eq!((all.strange_trades, all.sessions[&0].heard), (0, oracle.seq), "SEED={seed}");
    }
    assert!(from_file > 0 && spared > 1_000, "{from_file} {spared}");
}

#[test]
fn segments_before_its_place_are_not_needed_and_packed_ones_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut day = Day::begin(folder.path(), 1, 3);
    day.go_on(4_000);
    day.stand();
    day.go_on(1_500);
    let Written { run, .. } = day.end(false);
    let core = RunDir::core(&run);
    let (_, all) = same(&run, 1, "plain");
    let segments = fs::read_dir(&core).unwrap().count() as u32;
    assert!(segments > 6, "{segments}");
    for segment in 0..segments {
        pack(&core, segment, |_| Ok(())).unwrap();
    }
    same(&run, 1, "packed");
    fs::remove_file(core.join("00000000.log.zst")).unwrap();
    fs::remove_file(core.join("00000001.log.zst")).unwrap();
    let found = of_run(&run, 1).unwrap();
    assert!(found.unfit.is_none() && found.standing == all && found.records_read > 0);
}

#[test]
fn what_is_not_what_was_written_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut day = Day::begin(folder.path(), 1, 5);
    day.go_on(600);
    day.stand();
    day.go_on(200);
    let Written { run, .. } = day.end(false);
    let (_, all) = same(&run, 1, "whole");
    let path = run.join("standing");
    let whole = fs::read(&path).unwrap();
    let refused = |what: &str| {
        let found = of_run(&run, 1).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(found.unfit.is_some(), "{what} was believed");
        assert_eq!((found.standing, found.records_read), (all.clone(), all.records), "{what}");
    };
    // Every bit of the head, and bits all over the rest.
    let step = (whole.len() / 150).max(1);
    for at in (0..64.min(whole.len())).chain((64..whole.len()).step_by(step)) {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            refused(&format!("bit {bit} of byte {at}"));
        }
        fs::write(&path, &whole[..at]).unwrap();
        refused(&format!("cut at {at}"));
    }
    // Whole, and of another run, another log, another place.
    let other = tempfile::tempdir().unwrap();
    let mut twin = Day::begin(other.path(), 1, 5);
    twin.go_on(600);
    twin.stand();
    let twin = twin.end(false).run;
    fs::copy(twin.join("standing"), &path).unwrap();
    refused("a twin's, whose log is another");
    let mut second = Day::begin(other.path(), 2, 5);
    second.go_on(10);
    second.stand();
    let second = second.end(false).run;
    fs::copy(second.join("standing"), &path).unwrap();
    refused("another run's");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    refused("a link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a folder");
    fs::remove_dir(&path).unwrap();
    let found = of_run(&run, 1).unwrap();
    assert!(found.unfit.is_none() && found.standing == all, "none is no fault");
}

#[test]
fn a_journal_that_is_damaged_behind_its_place_is_an_error_and_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut day = Day::begin(folder.path(), 1, 9);
    day.go_on(300);
    day.stand();
    let place = day.place();
    day.go_on(100);
    let Written { run, .. } = day.end(false);
    let segment = RunDir::core(&run).join(format!("{:08}.log", place.segment));
    let mut bytes = fs::read(&segment).unwrap();
    bytes[place.offset as usize + 20] ^= 4;
    fs::write(&segment, &bytes).unwrap();
    assert!(matches!(of_run(&run, 1), Err(StandingError::Log { .. })));
    assert!(before(folder.path(), 2).is_err());
}

/// The last run that took anything in counts: one that was ended before is passed over.
#[test]
fn a_run_that_never_was_hides_none() {
    let folder = tempfile::tempdir().unwrap();
    assert!(before(folder.path(), 1).unwrap().is_none());
    let mut day = Day::begin(folder.path(), 1, 11);
    day.go_on(500);
    let Written { run, .. } = day.end(false);
    let (_, all) = same(&run, 1, "the first");
    Day::begin(folder.path(), 2, 0).end(false);
    fs::create_dir(folder.path().join("run-000003")).unwrap();
    let found = before(folder.path(), 4).unwrap().expect("the first");
    assert_eq!((found.run, found.standing), (1, all));
}
