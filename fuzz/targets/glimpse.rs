//! A snapshot's messages: any bytes, in any order.
//!
//! Held to: nothing is handed out after the end or after a failure; a snapshot is whole exactly when its `G` named a sequence and nothing
//! followed; the first failure is the one that is told.
#![no_main]

use feeds::glimpse::{Part, Snapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|messages: Vec<&[u8]>| {
    let mut snapshot = Snapshot::new();
    let (mut given, mut ended, mut failed) = (0, None, None);
    for message in messages {
        match snapshot.on_message(message) {
            Ok(_) if ended.is_some() || failed.is_some() => panic!("something after the end"),
            Ok(Part::Message(out)) => {
                assert_eq!(out, message);
                given += 1;
            }
            Ok(Part::End { next }) => {
                assert!(next > 0 && message.len() == 21);
                ended = Some(next);
            }
            Err(e) => assert_eq!(*failed.get_or_insert(e), e),
        }
        assert_eq!(snapshot.messages(), given);
        assert_eq!(snapshot.next(), ended.filter(|_| failed.is_none()));
    }
    assert_eq!(snapshot.on_end().ok(), ended.filter(|_| failed.is_none()));
});
