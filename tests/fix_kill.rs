//! `kill -9` of a process that is writing its FIX session's store: every number that anybody can have seen is there afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use colo::fix_store::{FileStore, Sync};
use gateways::fix::store::Store;

const STORE: &str = "COLO_TEST_FIX_STORE";
/// One message in so many is sent again when asked for.
const KEPT: u64 = 64;

/// The process that is killed: it says each number once the store has it, as a socket would.
#[test]
fn a_writer_until_it_is_killed() {
    let Some(path) = std::env::var_os(STORE).map(PathBuf::from) else { return };
    let mut store = FileStore::open(&path, Sync::Off).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let (seq, next) = (store.numbers().next_out, store.numbers().next_in + 1);
        let message = format!("message {seq}");
        store.sent(seq, (seq % KEPT == 0).then_some(message.as_bytes())).unwrap();
        store.received(next, false).unwrap();
        // Where the file has grown it is written anew.
        store.rest().unwrap();
        writeln!(out, "\nnumbers {seq} {next}").unwrap();
        out.flush().unwrap();
    }
}

/// Kills a writer when it has said `count` pairs; the last pair.
fn killed(path: &Path, count: usize) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_writer_until_it_is_killed", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = (0, 0);
    let mut said = 0;
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.strip_prefix("numbers ").into_iter().flat_map(str::split_whitespace);
        if let (Some(seq), Some(next)) = (words.next(), words.next()) {
            last = (seq.parse().unwrap(), next.parse().unwrap());
            said += 1;
            if said == count {
                // SIGKILL; what it wrote to the pipe until then is still read.
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(said >= count);
    last
}

#[test]
fn no_number_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.store");
    for count in [1, 7, 300, 2, 50_000] {
        let (seq, next) = killed(&path, count);
        let mut store = FileStore::open(&path, Sync::Off).unwrap();
        assert!(store.numbers().next_out > seq && store.numbers().next_in >= next, "{seq} {next}: {store:?}");
        let mut room = [0; 64];
        for seq in (0..=seq).filter(|seq| *seq > 0 && seq % KEPT == 0) {
            let length = store.load(seq, &mut room).unwrap().expect("the message is kept");
            assert_eq!(&room[..length], format!("message {seq}").as_bytes());
        }
    }
}
