//! A databento DBN file: whatever it claims of itself, what is made of it decodes, names each instrument before anything else of it, and takes away
//! no order twice.
#![no_main]

mod reading;

use std::collections::HashSet;

use feeds::itch50::decode;
use libfuzzer_sys::fuzz_target;
use model::MarketBody;

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(b"DBN") {
        return;
    }
    let mut named = HashSet::new();
    let mut live = HashSet::new();
    for (k, (sequence, message)) in reading::read("day.dbn", bytes).into_iter().enumerate() {
        assert_eq!(sequence, k as u64 + 1);
        let event = decode(&message).expect("what is made decodes");
        let id = event.instrument;
        match event.body {
            MarketBody::Directory { .. } => assert!(named.insert(id), "named once"),
            _ => assert!(named.contains(&id), "named before"),
        }
        match event.body {
            MarketBody::Add { order, .. } => {
                live.insert((id, order));
            }
            // A whole order goes by this only where it is known to rest; what is not known stays a cancel.
            MarketBody::Delete { order } => assert!(live.remove(&(id, order)), "rested"),
            _ => {}
        }
    }
});
