//! The captures beside the repository, if they are there.

use std::path::{Path, PathBuf};

/// A file of the shared material; `None`, and a line on the test's output, where it is absent, or a failure with `COLO_REQUIRE_SHARED=1`.
#[allow(clippy::print_stderr)]
pub fn find(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if !file.exists() {
        assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "no {}", file.display());
        eprintln!("skipped: no {}", file.display());
        return None;
    }
    Some(file)
}

/// The TCP payloads of a little-endian pcap of Ethernet frames: (source port, bytes), in file order.
pub fn tcp_payloads(file: &Path) -> Vec<(u16, Vec<u8>)> {
    let pcap = std::fs::read(file).unwrap();
    let le = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap()) as usize;
    assert!([0xA1B2_C3D4, 0xA1B2_3C4D].contains(&le(0)), "not a little-endian pcap");
    let mut out = Vec::new();
    let mut at = 24;
    while at < pcap.len() {
        let frame = &pcap[at + 16..at + 16 + le(at + 8)];
        at += 16 + frame.len();
        let ip = &frame[14..14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]))];
        let tcp = &ip[usize::from(ip[0] & 15) * 4..];
        let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
        if !payload.is_empty() {
            out.push((u16::from_be_bytes([tcp[0], tcp[1]]), payload.to_vec()));
        }
    }
    out
}
