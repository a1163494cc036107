//! From a captured frame to the UDP payload inside: link layer (Ethernet with any VLAN tags, Linux "cooked", raw IP), IPv4 (RFC 791), UDP (RFC 768).
//!
//! The UDP length says how long the payload is, not the frame's, because short frames are padded and long ones cut by a snap length.

use std::net::{Ipv4Addr, SocketAddrV4};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried<'a> {
    /// A UDP datagram, whole.
    Udp {
        /// Where it went.
        to: SocketAddrV4,
        /// What it carried.
        payload: &'a [u8],
    },
    /// UDP, but the capture holds only its beginning.
    Cut,
    /// Part of a datagram that was sent in several.
    Fragment,
    /// Something else.
    Other,
}

/// How frames begin (`LINKTYPE_` numbers of the pcap family).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// 1.
    Ethernet,
    /// 101 and 228: no link header.
    Ip,
    /// 113: sixteen bytes, the last two the Ethernet type.
    Cooked,
    /// 276: twenty bytes, the first two the Ethernet type.
    Cooked2,
    /// Nothing that can be read here.
    Unknown,
}

impl Link {
    /// The link of a `LINKTYPE_` number.
    #[must_use]
    pub fn of(number: u16) -> Link {
        match number {
            1 => Link::Ethernet,
            101 | 228 => Link::Ip,
            113 => Link::Cooked,
            276 => Link::Cooked2,
            _ => Link::Unknown,
        }
    }
}

const IPV4: u16 = 0x0800;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The UDP datagram of a frame.
#[must_use]
pub fn carried(link: Link, frame: &[u8]) -> Carried<'_> {
    network(link, frame).map_or(Carried::Other, ipv4)
}

/// The IPv4 packet of a frame.
fn network(link: Link, frame: &[u8]) -> Option<&[u8]> {
    let (mut kind, mut at) = match link {
        Link::Ip => (IPV4, 0),
        Link::Ethernet => (u16_at(frame, 12)?, 14),
        Link::Cooked => (u16_at(frame, 14)?, 16),
        Link::Cooked2 => (u16_at(frame, 0)?, 20),
        Link::Unknown => return None,
    };
    // 802.1Q, 802.1ad and its forerunner: two bytes of tag, then the type of what follows.
    while matches!(kind, 0x8100 | 0x88A8 | 0x9100) {
        kind = u16_at(frame, at + 2)?;
        at += 4;
    }
    if kind == IPV4 { frame.get(at..) } else { None }
}

fn ipv4(packet: &[u8]) -> Carried<'_> {
    let Some(&[first, _, _, _, _, _, flags, offset, _, protocol]) = packet.first_chunk() else {
        return Carried::Other;
    };
    let header = usize::from(first & 15) * 4;
    if first >> 4 != 4 || header < 20 || protocol != 17 {
        return Carried::Other;
    }
    // More fragments follow, or this is not the first.
    if u16::from_be_bytes([flags, offset]) & 0x3FFF != 0 {
        return Carried::Fragment;
    }
    let Some(udp) = packet.get(header..) else { return Carried::Cut };
    let (Some(port), Some(len)) = (u16_at(udp, 2), u16_at(udp, 4)) else { return Carried::Cut };
    let Some(&to) = packet.get(16..).and_then(<[u8]>::first_chunk::<4>) else { return Carried::Cut };
    let to = SocketAddrV4::new(Ipv4Addr::from(to), port);
    match udp.get(8..usize::from(len)) {
        Some(payload) => Carried::Udp { to, payload },
        None if len < 8 => Carried::Other,
        None => Carried::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(options: usize, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut p = vec![0; 20 + options];
        p[0] = 0x40 | (5 + options / 4) as u8;
        p[6..8].copy_from_slice(&flags.to_be_bytes());
        p[9] = 17;
        p[16..20].copy_from_slice(&[239, 0, 0, 7]);
        p.extend_from_slice(&[0, 1, 0, 2]);
        p.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        p.extend_from_slice(&[0, 0]);
        p.extend_from_slice(payload);
        p
    }

    fn ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
        let mut f = vec![0; 12];
        for t in tags {
            f.extend_from_slice(&t.to_be_bytes());
            f.extend_from_slice(&[0, 142]);
        }
        f.extend_from_slice(&[8, 0]);
        f.extend_from_slice(packet);
        f
    }

    #[test]
    fn payload_behind_every_link_layer() {
        let packet = ip(0, 0x4000, b"mold");
        let cooked = [&[0; 14][..], &[8, 0], &packet].concat();
        let cooked2 = [&[8, 0][..], &[0; 18], &packet].concat();
        let padded = ethernet(&[], &[&packet[..], &[0; 18]].concat());
        for (link, frame) in [
            (Link::Ethernet, ethernet(&[], &packet)),
            (Link::Ethernet, ethernet(&[0x8100], &packet)),
            (Link::Ethernet, ethernet(&[0x88A8, 0x8100], &packet)),
            (Link::Ethernet, ethernet(&[], &ip(8, 0, b"mold"))),
            (Link::Ethernet, padded),
            (Link::Ip, packet.clone()),
            (Link::Cooked, cooked),
            (Link::Cooked2, cooked2),
        ] {
            let to = "239.0.0.7:2".parse().unwrap();
            assert_eq!(carried(link, &frame), Carried::Udp { to, payload: b"mold" }, "{link:?} {frame:?}");
        }
        assert_eq!(carried(Link::Unknown, &packet), Carried::Other);
    }

    #[test]
    fn what_is_cut_split_or_something_else_is_told_apart() {
        let whole = ethernet(&[0x8100], &ip(0, 0, b"mold"));
        for n in 0..whole.len() {
            let got = carried(Link::Ethernet, &whole[..n]);
            assert_eq!(got, if n < 28 { Carried::Other } else { Carried::Cut }, "{n}");
        }
        assert_eq!(carried(Link::Ethernet, &ethernet(&[], &ip(0, 0x2000, b"mold"))), Carried::Fragment);
        assert_eq!(carried(Link::Ethernet, &ethernet(&[], &ip(0, 1, b"mold"))), Carried::Fragment);
        let mut tcp = ip(0, 0, b"mold");
        tcp[9] = 6;
        assert_eq!(carried(Link::Ip, &tcp), Carried::Other);
        let mut short = ip(0, 0, b"");
        short[25] = 7;
        assert_eq!(carried(Link::Ip, &short), Carried::Other);
        assert_eq!(carried(Link::Ip, &[0x60; 40]), Carried::Other);
    }
}
