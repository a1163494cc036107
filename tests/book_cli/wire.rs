//! Messages as a packet capture: MoldUDP64 in UDP in IPv4 in Ethernet, in a pcap or a pcapng.

/// A MoldUDP64 packet; `None` has its session and sequence wiped.
pub fn mold(sequence: Option<u64>, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut p = match sequence {
        Some(s) => [&b"SESSION001"[..], &s.to_be_bytes()].concat(),
        None => vec![0; 18],
    };
    p.extend_from_slice(&(messages.len() as u16).to_be_bytes());
    p.extend_from_slice(&crate::flow::framed(messages));
    p
}

/// An Ethernet frame with a VLAN tag where there is one, padded as short frames are.
pub fn frame(vlan: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut f = vec![1; 12];
    if let Some(tag) = vlan {
        f.extend_from_slice(&[0x81, 0]);
        f.extend_from_slice(&tag.to_be_bytes());
    }
    f.extend_from_slice(&[8, 0]);
    let mut ip = [0u8; 20];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(28 + payload.len() as u16).to_be_bytes());
    ip[9] = 17;
    f.extend_from_slice(&ip);
    f.extend_from_slice(&[0x66, 1, 0x66, 2]);
    f.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    f.extend_from_slice(&[0, 0]);
    f.extend_from_slice(payload);
    f.resize(f.len().max(60), 0);
    f
}

fn put(big: bool, out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&if big { word.to_be_bytes() } else { word.to_le_bytes() });
}

/// A pcap of these frames, one a microsecond, with nanosecond or microsecond stamps.
pub fn pcap(frames: &[Vec<u8>], big: bool, nanos: bool) -> Vec<u8> {
    let mut out = Vec::new();
    put(big, &mut out, if nanos { 0xA1B2_3C4D } else { 0xA1B2_C3D4 });
    out.extend_from_slice(&if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for word in [0, 0, 65_535, 1] {
        put(big, &mut out, word);
    }
    for (k, f) in frames.iter().enumerate() {
        let fraction = k as u32 * if nanos { 1_000 } else { 1 };
        for word in [1_700_000_000, fraction, f.len() as u32, f.len() as u32] {
            put(big, &mut out, word);
        }
        out.extend_from_slice(f);
    }
    out
}

/// A pcapng of these frames: a section, a block to be skipped, an interface with nanoseconds, enhanced packets.
pub fn pcapng(frames: &[Vec<u8>], big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        put(big, &mut out, kind);
        put(big, &mut out, 12 + padded as u32);
        out.extend_from_slice(body);
        out.resize(out.len() + padded - body.len(), 0);
        put(big, &mut out, 12 + padded as u32);
    };
    let word = |w: u32| if big { w.to_be_bytes() } else { w.to_le_bytes() };
    let half = |w: u16| if big { w.to_be_bytes() } else { w.to_le_bytes() };
    block(0x0A0D_0D0A, &[&word(0x1A2B_3C4D)[..], &half(1), &half(0), &[0xFF; 8]].concat());
    block(5, b"statistics are skipped");
    block(1, &[&half(1)[..], &half(0), &word(0), &half(9), &half(1), &[9, 0, 0, 0], &word(0)].concat());
    for (k, f) in frames.iter().enumerate() {
        let head = [0, 0, k as u32 * 1_000, f.len() as u32, f.len() as u32].map(word).concat();
        block(6, &[&head[..], f].concat());
    }
    out
}
