//! A packet capture (pcap, pcapng): no message is empty, and none is more than the bytes that are there.
#![no_main]

mod reading;

use feeds::binaryfile::{Kind, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if !matches!(sniff(bytes), Kind::Pcap | Kind::PcapNg) {
        return;
    }
    let all = reading::read("capture", bytes);
    assert!(all.iter().all(|(_, message)| !message.is_empty()));
    // A datagram held ahead of a gap comes once; one that is repeated comes not again.
    assert!(all.iter().map(|(_, message)| message.len() + 2).sum::<usize>() <= bytes.len());
});
