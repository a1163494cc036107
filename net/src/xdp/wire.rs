//! From a frame to the UDP payload inside: Ethernet with up to two VLAN tags, IPv4 (RFC 791), UDP (RFC 768).
//!
//! Nothing of a frame is believed: each length is held to the one around it, and what does not fit is a [`Rejected`] of its own kind. Each checksum
//! is verified as far as it can be: the IPv4 header's always, UDP's and TCP's unless the frame never was on a wire. Between a host's own interfaces (veth, virtio)
//! the sender leaves that sum to hardware that is not there, and the field holds the pseudo header's sum alone; such a frame is taken.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Why a frame is nothing for a line. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It ends within a header, or before the length that a header states.
    Short,
    /// Neither IPv4 nor a VLAN tag before it.
    NotIpv4,
    /// The IPv4 header contradicts itself.
    Header,
    /// The IPv4 header's checksum is wrong.
    HeaderSum,
    /// A part of a datagram.
    Fragment,
    /// IPv4 that carries something else.
    NotUdp,
    /// The UDP length contradicts the packet's.
    Length,
    /// The UDP checksum is wrong.
    Sum,
    /// For another address or port.
    Address,
    /// From another source than the line's.
    Source,
}

impl Rejected {
    /// Every reason, in the order of its number.
    pub const ALL: [Rejected; 10] = [
        Rejected::Short,
        Rejected::NotIpv4,
        Rejected::Header,
        Rejected::HeaderSum,
        Rejected::Fragment,
        Rejected::NotUdp,
        Rejected::Length,
        Rejected::Sum,
        Rejected::Address,
        Rejected::Source,
    ];
}

/// A UDP datagram in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub from: SocketAddrV4,
    /// Whom it is for.
    pub to: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

const ETHERNET: usize = 14;
const TAG: usize = 4;
/// 802.1ad and 802.1Q, one within the other.
const TAGS_MAX: usize = 2;

/// An IPv4 packet whose header holds.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: u8,
    payload: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Rejected> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes).ok_or(Rejected::Short)
}

fn ipv4(frame: &[u8]) -> Result<Packet<'_>, Rejected> {
    let mut at = ETHERNET;
    let mut kind = u16_at(frame, at - 2)?;
    for _ in 0..TAGS_MAX {
        if !matches!(kind, 0x8100 | 0x88a8) {
            break;
        }
        at += TAG;
        kind = u16_at(frame, at - 2)?;
    }
    if kind != 0x0800 {
        return Err(Rejected::NotIpv4);
    }
    let packet = frame.get(at..).ok_or(Rejected::Short)?;
    let Some(
        &[first, _, total_high, total_low, _, _, flags, offset, _, protocol, _, _, a, b, c, d, e, f, g, h],
    ) = packet.first_chunk()
    else {
        return Err(Rejected::Short);
    };
    let (header, total) =
        (usize::from(first & 15) * 4, usize::from(u16::from_be_bytes([total_high, total_low])));
    if first >> 4 != 4 || header < 20 || total < header {
        return Err(Rejected::Header);
    }
    // A short frame is padded: the packet is as long as it says, not as the frame.
    let packet = packet.get(..total).ok_or(Rejected::Short)?;
    let (head, payload) = packet.split_at(header);
    if fold(sum(head)) != 0xffff {
        return Err(Rejected::HeaderSum);
    }
    if u16::from_be_bytes([flags, offset]) & 0x3fff != 0 {
        return Err(Rejected::Fragment);
    }
    Ok(Packet { from: [a, b, c, d].into(), to: [e, f, g, h].into(), protocol, payload })
}

/// The datagram in a frame.
pub(super) fn datagram(frame: &[u8]) -> Result<Datagram<'_>, Rejected> {
    let packet = ipv4(frame)?;
    if packet.protocol != 17 {
        return Err(Rejected::NotUdp);
    }
    let length = usize::from(u16_at(packet.payload, 4)?);
    let (source, destination) = (u16_at(packet.payload, 0)?, u16_at(packet.payload, 2)?);
    let stated = u16_at(packet.payload, 6)?;
    if length < 8 {
        return Err(Rejected::Length);
    }
    let udp = packet.payload.get(..length).ok_or(Rejected::Length)?;
    // Zero: the sender made none.
    if stated != 0 && !is_sum_right(&packet, udp, stated) {
        return Err(Rejected::Sum);
    }
    Ok(Datagram {
        from: SocketAddrV4::new(packet.from, source),
        to: SocketAddrV4::new(packet.to, destination),
        payload: &udp[8..],
    })
}

/// Whether a frame may go to a TCP stack: ARP always, TCP when its sums are right.
pub(super) fn is_for_stack(frame: &[u8]) -> bool {
    match ipv4(frame) {
        Ok(packet) if packet.protocol == 6 => {
            u16_at(packet.payload, 16).is_ok_and(|stated| is_sum_right(&packet, packet.payload, stated))
        }
        Ok(_) => false,
        Err(reason) => reason == Rejected::NotIpv4,
    }
}

fn is_sum_right(packet: &Packet<'_>, segment: &[u8], stated: u16) -> bool {
    let [from, to] = [packet.from, packet.to].map(|a| sum(&a.octets()));
    let pseudo = from + to + u64::from(packet.protocol) + segment.len() as u64;
    fold(pseudo + sum(segment)) == 0xffff || fold(pseudo) == stated
}

/// The sum of the 16-bit words of `bytes`, an odd last byte as if a zero followed; to be folded. RFC 1071.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    // Words of 32 bits, for the sum of their halves is congruent; 2^32 of them could not overflow.
    let (words, rest) = bytes.as_chunks::<4>();
    let whole: u64 = words.iter().map(|w| u64::from(u32::from_be_bytes(*w))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    whole + u64::from(u32::from_be_bytes(last))
}

/// The one's complement sum in 16 bits.
#[inline]
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5_000);
    const TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 1, 2, 3), 26_001);

    /// With right sums everywhere.
    fn frame(tags: usize, options: usize, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut udp = [FROM.port().to_be_bytes(), TO.port().to_be_bytes()].concat();
        udp.extend(((8 + payload.len()) as u16).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(payload);
        let at = if protocol == 6 {
            udp.resize(20 + payload.len(), 0);
            16
        } else {
            6
        };
        let packet = Packet { from: *FROM.ip(), to: *TO.ip(), protocol, payload: &[] };
        let pseudo =
            sum(&FROM.ip().octets()) + sum(&TO.ip().octets()) + u64::from(packet.protocol) + udp.len() as u64;
        let stated = !fold(pseudo + sum(&udp));
        udp[at..at + 2].copy_from_slice(&stated.to_be_bytes());

        let mut ip = vec![0; 20 + options];
        ip[0] = 0x45 + (options / 4) as u8;
        let total = (ip.len() + udp.len()) as u16;
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        ip[6] = 0x40;
        ip[9] = protocol;
        ip[12..16].copy_from_slice(&FROM.ip().octets());
        ip[16..20].copy_from_slice(&TO.ip().octets());
        sign(&mut ip);

        let mut frame = vec![2; 12];
        for _ in 0..tags {
            frame.extend([0x81, 0, 0, 7]);
        }
        frame.extend([8, 0]);
        frame.extend(ip);
        frame.extend(udp);
        frame
    }

    fn sign(header: &mut [u8]) {
        header[10..12].fill(0);
        let stated = !fold(sum(header));
        header[10..12].copy_from_slice(&stated.to_be_bytes());
    }

    #[test]
    fn a_datagram_behind_tags_options_and_padding() {
        let whole = |f: &[u8]| datagram(f).map(|d| (d.from, d.to, d.payload.to_vec()));
        for payload in [&b"mold"[..], b"odd", b""] {
            for (tags, options) in [(0, 0), (1, 0), (2, 0), (0, 40), (1, 4)] {
                let mut f = frame(tags, options, 17, payload);
                assert_eq!(whole(&f), Ok((FROM, TO, payload.to_vec())), "{tags} {options}");
                f.extend([9; 18]);
                assert_eq!(whole(&f), Ok((FROM, TO, payload.to_vec())), "padded");
            }
        }
    }

    #[test]
    fn a_changed_bit_or_a_cut_is_never_a_datagram_of_this_line_with_other_bytes() {
        let good = frame(1, 0, 17, b"payload of a feed");
        for n in 0..good.len() {
            assert!(datagram(&good[..n]).is_err(), "cut at {n}");
        }
        for bit in 18 * 8..good.len() * 8 {
            let mut f = good.clone();
            f[bit / 8] ^= 1 << (bit % 8);
            assert!(datagram(&f).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn each_refusal_has_its_name() {
        let good = frame(0, 0, 17, b"mold");
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut f = good.clone();
            change(&mut f);
            sign(&mut f[14..34]);
            datagram(&f).unwrap_err()
        };
        assert_eq!(datagram(&[]), Err(Rejected::Short));
        assert_eq!(changed(&|f| f[13] = 6), Rejected::NotIpv4);
        assert_eq!(datagram(&frame(3, 0, 17, b"")), Err(Rejected::NotIpv4), "three tags");
        assert_eq!(changed(&|f| f[14] = 0x65), Rejected::Header);
        assert_eq!(changed(&|f| f[14] = 0x44), Rejected::Header);
        assert_eq!(changed(&|f| f[17] = 19), Rejected::Header);
        assert_eq!(changed(&|f| f[17] = 200), Rejected::Short);
        assert_eq!(changed(&|f| f[20] = 0x20), Rejected::Fragment);
        assert_eq!(changed(&|f| f[21] = 1), Rejected::Fragment);
        assert_eq!(changed(&|f| f[39] = 7), Rejected::Length);
        assert_eq!(changed(&|f| f[39] = 13), Rejected::Length);
        assert_eq!(changed(&|f| f[45] ^= 1), Rejected::Sum);
        assert_eq!(datagram(&frame(0, 0, 6, b"")), Err(Rejected::NotUdp));
        let mut f = good.clone();
        f[24] ^= 1;
        assert_eq!(datagram(&f), Err(Rejected::HeaderSum));
        assert!(Rejected::ALL.iter().enumerate().all(|(k, r)| *r as usize == k));
    }

    #[test]
    fn a_sum_that_was_left_to_hardware_or_never_made_is_taken() {
        let mut f = frame(0, 0, 17, b"mold");
        f[40..42].fill(0);
        assert!(datagram(&f).is_ok());
        let pseudo = sum(&FROM.ip().octets()) + sum(&TO.ip().octets()) + 17 + 12;
        f[40..42].copy_from_slice(&fold(pseudo).to_be_bytes());
        assert!(datagram(&f).is_ok());
        f[41] ^= 1;
        assert_eq!(datagram(&f), Err(Rejected::Sum));
    }

    #[test]
    fn a_stack_gets_tcp_with_right_sums_and_arp() {
        let mut tcp = frame(0, 0, 6, b"order");
        assert!(is_for_stack(&tcp));
        *tcp.last_mut().unwrap() ^= 1;
        assert!(!is_for_stack(&tcp));
        assert!(!is_for_stack(&frame(0, 0, 17, b"")));
        assert!(is_for_stack(&[[0; 12].as_slice(), &[8, 6], &[0; 28]].concat()));
        assert!(!is_for_stack(&[0; 10]));
    }
}
