//! Captures as pcapng (draft-ietf-opsawg-pcapng), of datagrams whose headers nobody saw: a socket does not give them.
//!
//! ```text
//!   section header | interface | interface ..                       at the start of a file
//!   enhanced packet: interface, time in ns, [IPv4 | UDP | payload]  one for each datagram; link type RAW (101)
//! ```
//!
//! The headers are made up from the two addresses. The UDP checksum is 0, which says that there is none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `LINKTYPE_RAW`: a packet begins with its IP header.
const LINK_RAW: u16 = 101;
/// Bytes of both headers.
pub const HEADERS: usize = 28;
/// The longest payload of a UDP datagram over IPv4.
pub const PAYLOAD_MAX: usize = 65_507;

/// Appends a block: its type, its length twice, and the body padded to four bytes.
fn block(to: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend(kind.to_le_bytes());
    to.extend([0; 4]);
    body(to);
    pad(to, start);
    let length = (to.len() - start + 4) as u32;
    to.extend(length.to_le_bytes());
    to[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

/// Blocks and options have lengths in fours; `start` is where this one begins.
fn pad(to: &mut Vec<u8>, start: usize) {
    let len = to.len() - start;
    to.resize(start + len.next_multiple_of(4), 0);
}

fn option(to: &mut Vec<u8>, code: u16, value: &[u8]) {
    let start = to.len();
    to.extend(code.to_le_bytes());
    to.extend((value.len() as u16).to_le_bytes());
    to.extend(value);
    pad(to, start);
}

/// Appends a section header: byte order, version 1.0, length unknown, and which program writes it.
pub fn section(to: &mut Vec<u8>, program: &str) {
    block(to, 0x0A0D_0D0A, |b| {
        b.extend(0x1A2B_3C4Du32.to_le_bytes());
        b.extend(1u16.to_le_bytes());
        b.extend(0u16.to_le_bytes());
        b.extend(u64::MAX.to_le_bytes());
        option(b, 4, program.as_bytes());
        option(b, 0, &[]);
    });
}

/// Appends an interface: raw IP, whole packets, its name, time in nanoseconds.
pub fn interface(to: &mut Vec<u8>, name: &str) {
    block(to, 1, |b| {
        b.extend(LINK_RAW.to_le_bytes());
        b.extend([0; 2]);
        b.extend(0u32.to_le_bytes());
        option(b, 2, name.as_bytes());
        option(b, 9, &[9]);
        option(b, 0, &[]);
    });
}

/// Appends a datagram as an enhanced packet. `received`: ns since the Unix epoch. The payload has at most [`PAYLOAD_MAX`] bytes.
pub fn packet(
    to: &mut Vec<u8>,
    interface: u32,
    received: u64,
    (from, dest): (SocketAddr, SocketAddr),
    payload: &[u8],
) {
    block(to, 6, |b| {
        let whole = HEADERS + payload.len();
        b.extend(interface.to_le_bytes());
        b.extend(((received >> 32) as u32).to_le_bytes());
        b.extend((received as u32).to_le_bytes());
        b.extend((whole as u32).to_le_bytes());
        b.extend((whole as u32).to_le_bytes());
        b.extend(ipv4(whole as u16, from, dest));
        b.extend(from.port().to_be_bytes());
        b.extend(dest.port().to_be_bytes());
        b.extend(((8 + payload.len()) as u16).to_be_bytes());
        b.extend([0; 2]);
        b.extend(payload);
    });
}

/// An IPv4 header without options: do not fragment, 64 hops, UDP (RFC 791).
fn ipv4(whole: u16, from: SocketAddr, to: SocketAddr) -> [u8; 20] {
    let mut h = [0; 20];
    h[0] = 0x45;
    h[2..4].copy_from_slice(&whole.to_be_bytes());
    h[6] = 0x40;
    h[8] = 64;
    h[9] = 17;
    h[12..16].copy_from_slice(&octets(from));
    h[16..20].copy_from_slice(&octets(to));
    let sum = h.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u32>();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !((folded & 0xFFFF) + (folded >> 16)) as u16;
    h[10..12].copy_from_slice(&checksum.to_be_bytes());
    h
}

/// An address of IPv6 is not said: there is no such line.
fn octets(address: SocketAddr) -> [u8; 4] {
    match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_those_of_a_datagram() {
        let (from, to) =
            ("192.0.2.1:7".parse().expect("address"), "239.1.2.3:26001".parse().expect("address"));
        let header = ipv4(HEADERS as u16 + 4, from, to);
        let words = header.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF, "the sum over a header with its checksum");
        let mut bytes = Vec::new();
        packet(&mut bytes, 3, 0x0102_0304_0506_0708, (from, to), b"mold");
        assert_eq!(bytes.len(), 12 + 20 + HEADERS + 4);
        assert_eq!(bytes[8..28], [3, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 32, 0, 0, 0, 32, 0, 0, 0]);
        assert_eq!(bytes[40..48], [192, 0, 2, 1, 239, 1, 2, 3]);
        assert_eq!(bytes[48..60], [0, 7, 0x65, 0x91, 0, 12, 0, 0, b'm', b'o', b'l', b'd']);
    }
}
