//! A request at the control socket: any line is a request or an error; a request, written out and read again, is the same; and what the journal and the log
//! keep of who asked is printable text of one line, whatever was asked.
#![no_main]

use colo::control::Request;
use colo::host::Peer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let Ok(request) = serde_json::from_slice::<Request>(line) else { return };
    let again = serde_json::to_vec(&request).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<Request>(&again).expect("and read again"), request);
    if let Ok(by) = request.by(Peer { uid: 7, pid: 8 }) {
        for text in [by.command.as_str(), by.operator.as_str(), by.reason.as_str()] {
            assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{text:?}");
        }
        assert!(!by.operator.as_str().is_empty());
        assert!(!request.command.wants_reason() || !by.reason.as_str().is_empty());
    }
});
