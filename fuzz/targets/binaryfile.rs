//! BinaryFILE framing: what is read, written again, is the bytes that were read; what a file is called does not panic.
#![no_main]

use feeds::binaryfile::{FileError, Messages, sniff, write, write_end};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = sniff(bytes).to_string();

    let mut messages = Messages::new(bytes);
    let mut again = Vec::with_capacity(bytes.len());
    let mut cut = None;
    for message in messages.by_ref() {
        match message {
            Ok(message) => write(&mut again, message).expect("a message that was read can be written"),
            Err(FileError::Truncated { offset }) => cut = Some(offset),
        }
    }
    let end = messages.offset();
    assert_eq!(again, &bytes[..end]);
    assert_eq!(messages.next(), None, "after its end it stays ended");

    match cut {
        Some(offset) => assert_eq!(offset, end),
        None if end < bytes.len() => {
            write_end(&mut again).expect("a vector takes it");
            assert_eq!(again, &bytes[..end + 2], "it ends early only at a zero length");
        }
        None => {}
    }
});
