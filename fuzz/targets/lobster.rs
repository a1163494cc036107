//! A LOBSTER message file: every row becomes one message of ITCH 5.0 that decodes, behind the one that names the ticker.
#![no_main]

mod reading;

use feeds::itch50::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Other kinds are told by their content, whatever the name.
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return;
    }
    let all = reading::read("AAPL_2012-06-21_message_10.csv", bytes);
    let rows = bytes.split(|b| *b == b'\n').count();
    assert!(all.len() <= rows + 1, "a message a row");
    for (k, (sequence, message)) in all.iter().enumerate() {
        assert_eq!(*sequence, k as u64 + 1);
        let event = decode(message).expect("what is made decodes");
        assert_eq!(event.instrument.0, 1);
    }
});
