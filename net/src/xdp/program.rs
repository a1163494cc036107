//! The redirect program, in eBPF: which frames leave the kernel's stack for a socket of ours.
//!
//! Written by hand, so that neither a compiler for eBPF nor an ELF loader is needed to build or to run this. In words:
//!
//! ```text
//!   skip one VLAN tag
//!   ARP                                              key = (target address, 0, ARP)
//!   IPv4 without options, no fragment: UDP           key = (destination, its port, UDP)
//!                                      TCP           key = (destination, 0, TCP)
//!   queue = filters[key]; is it the one the frame came by?  -> redirect to sockets[queue]
//!   anything else, and where nobody listens          -> on to the kernel, as if there were no program
//! ```
//!
//! What it leaves to the kernel (fragments, options, other queues) is not lost: a line's kernel socket is bound beside it.
//!
//! Encoding: Linux `Documentation/bpf/standardization/instruction-set.rst`; `struct xdp_md` of `linux/bpf.h`.

use std::net::Ipv4Addr;
use std::os::fd::RawFd;

/// One instruction, as the kernel takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u8,
    /// Destination in the lower four bits, source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// The protocol word of ARP in a [`key`]; those of IPv4 are their own numbers.
pub(super) const ARP: u16 = 0x0806;
/// See [`ARP`].
pub(super) const TCP: u16 = 6;
/// See [`ARP`].
pub(super) const UDP: u16 = 17;

/// Bytes of a key of the filter map.
pub(super) const KEY: usize = 8;

/// A key of the filter map: address and port as on the wire, protocol as the processor has it.
pub(super) fn key(address: Ipv4Addr, port: u16, protocol: u16) -> [u8; KEY] {
    let ([a, b, c, d], [e, f], [g, h]) = (address.octets(), port.to_be_bytes(), protocol.to_ne_bytes());
    [a, b, c, d, e, f, g, h]
}

/// What a program returns for a frame that the kernel is to go on with.
const XDP_PASS: i32 = 2;
/// Numbers of the two helper functions.
const MAP_LOOKUP_ELEM: i32 = 1;
const REDIRECT_MAP: i32 = 51;
/// Bytes that each frame looked at must have: Ethernet, IPv4, UDP; or Ethernet and ARP.
const SHORTEST: i32 = 42;

// Classes, sizes and operations, of which an instruction's code is put together.
const LOAD_WORD: u8 = 0x61;
const LOAD_HALF: u8 = 0x69;
const LOAD_BYTE: u8 = 0x71;
const STORE_WORD: u8 = 0x63;
const STORE_HALF: u8 = 0x6b;
const LOAD_MAP: u8 = 0x18;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const ADD: u8 = 0x07;
const AND: u8 = 0x57;
const JUMP: u8 = 0x05;
const JUMP_EQUAL: u8 = 0x15;
const JUMP_OTHER: u8 = 0x55;
const JUMP_OTHER_REGISTER: u8 = 0x5d;
const JUMP_ABOVE_REGISTER: u8 = 0x2d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// The source "register" of [`LOAD_MAP`] that says that the immediate is a map's descriptor.
const MAP_BY_DESCRIPTOR: u8 = 1;

/// Places in the program that are jumped to. All jumps go forward.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Tagged,
    Network,
    Arp,
    Tcp,
    Look,
    Pass,
}

/// Instructions, and jumps whose distance is not known yet.
#[derive(Default)]
struct Assembly {
    code: Vec<Instruction>,
    open: Vec<(usize, Label)>,
}

impl Assembly {
    fn put(&mut self, code: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        self.code.push(Instruction { code, registers: from << 4 | to, offset, immediate });
    }

    /// Jumps to `label` if the comparison of `code` holds.
    fn jump(&mut self, code: u8, to: u8, from: u8, immediate: i32, label: Label) {
        self.open.push((self.code.len(), label));
        self.put(code, to, from, 0, immediate);
    }

    fn label(&mut self, label: Label) {
        let here = self.code.len();
        for (at, _) in self.open.extract_if(.., |(_, wanted)| *wanted == label) {
            self.code[at].offset = (here - at - 1) as i16;
        }
    }

    fn map(&mut self, to: u8, map: RawFd) {
        self.put(LOAD_MAP, to, MAP_BY_DESCRIPTOR, 0, map);
        self.put(0, 0, 0, 0, 0);
    }

    /// Leaves for the kernel unless [`SHORTEST`] bytes lie behind register 7. Register 1 is lost.
    fn long_enough(&mut self) {
        self.put(MOVE_REGISTER, 1, 7, 0, 0);
        self.put(ADD, 1, 0, 0, SHORTEST);
        self.jump(JUMP_ABOVE_REGISTER, 1, 8, 0, Label::Pass);
    }
}

/// A half word as the program finds it when it loads it from a frame.
fn on_wire(value: u16) -> i32 {
    value.to_be().into()
}

/// The program over the two maps, by their descriptors: `filters` from [`key`] to a queue (u32), `sockets` from a queue to its socket.
pub(super) fn redirect(filters: RawFd, sockets: RawFd) -> Vec<Instruction> {
    let mut a = Assembly::default();
    // 7: where the frame begins (behind a tag: four bytes later, so that the offsets below hold), 8: where it ends, 9: its queue.
    a.put(LOAD_WORD, 7, 1, 0, 0);
    a.put(LOAD_WORD, 8, 1, 4, 0);
    a.put(LOAD_WORD, 9, 1, 16, 0);
    a.long_enough();
    a.put(LOAD_HALF, 2, 7, 12, 0);
    a.jump(JUMP_EQUAL, 2, 0, on_wire(0x8100), Label::Tagged);
    a.jump(JUMP_OTHER, 2, 0, on_wire(0x88a8), Label::Network);
    a.label(Label::Tagged);
    a.put(ADD, 7, 0, 0, 4);
    a.long_enough();
    a.put(LOAD_HALF, 2, 7, 12, 0);

    a.label(Label::Network);
    a.jump(JUMP_EQUAL, 2, 0, on_wire(0x0806), Label::Arp);
    a.jump(JUMP_OTHER, 2, 0, on_wire(0x0800), Label::Pass);
    // Version 4, five words of header: no options.
    a.put(LOAD_BYTE, 1, 7, 14, 0);
    a.jump(JUMP_OTHER, 1, 0, 0x45, Label::Pass);
    // No more fragments, and not one that is not the first.
    a.put(LOAD_HALF, 1, 7, 20, 0);
    a.put(AND, 1, 0, 0, on_wire(0x3fff));
    a.jump(JUMP_OTHER, 1, 0, 0, Label::Pass);
    a.put(LOAD_WORD, 3, 7, 30, 0);
    a.put(LOAD_BYTE, 4, 7, 23, 0);
    a.jump(JUMP_EQUAL, 4, 0, TCP.into(), Label::Tcp);
    a.jump(JUMP_OTHER, 4, 0, UDP.into(), Label::Pass);
    a.put(LOAD_HALF, 5, 7, 36, 0);
    a.jump(JUMP, 0, 0, 0, Label::Look);
    a.label(Label::Tcp);
    a.put(MOVE, 5, 0, 0, 0);
    a.jump(JUMP, 0, 0, 0, Label::Look);
    a.label(Label::Arp);
    a.put(LOAD_WORD, 3, 7, 38, 0);
    a.put(MOVE, 4, 0, 0, ARP.into());
    a.put(MOVE, 5, 0, 0, 0);

    // 3, 5, 4 are the key, on the stack.
    a.label(Label::Look);
    a.put(STORE_WORD, 10, 3, -8, 0);
    a.put(STORE_HALF, 10, 5, -4, 0);
    a.put(STORE_HALF, 10, 4, -2, 0);
    a.map(1, filters);
    a.put(MOVE_REGISTER, 2, 10, 0, 0);
    a.put(ADD, 2, 0, 0, -8);
    a.put(CALL, 0, 0, 0, MAP_LOOKUP_ELEM);
    a.jump(JUMP_EQUAL, 0, 0, 0, Label::Pass);
    a.put(LOAD_WORD, 1, 0, 0, 0);
    a.jump(JUMP_OTHER_REGISTER, 1, 9, 0, Label::Pass);
    // Where the queue has no socket (any more), the third argument is what the program returns.
    a.map(1, sockets);
    a.put(MOVE_REGISTER, 2, 9, 0, 0);
    a.put(MOVE, 3, 0, 0, XDP_PASS);
    a.put(CALL, 0, 0, 0, REDIRECT_MAP);
    a.put(EXIT, 0, 0, 0, 0);
    a.label(Label::Pass);
    a.put(MOVE, 0, 0, 0, XDP_PASS);
    a.put(EXIT, 0, 0, 0, 0);
    debug_assert!(a.open.is_empty(), "a jump to nowhere");
    a.code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_the_program_stores() {
        assert_eq!(key(Ipv4Addr::new(239, 1, 2, 3), 26_001, UDP)[..6], [239, 1, 2, 3, 0x65, 0x91]);
        assert_eq!(u16::from_ne_bytes(key(Ipv4Addr::LOCALHOST, 0, ARP)[6..].try_into().unwrap()), ARP);
    }

    #[test]
    fn every_jump_goes_forward_and_stays_inside() {
        let code = redirect(3, 4);
        assert_eq!(size_of::<Instruction>(), 8);
        for (at, i) in code.iter().enumerate() {
            if i.code & 7 == JUMP && ![CALL, EXIT].contains(&i.code) {
                assert!(i.offset > 0 && at + 1 + (i.offset as usize) < code.len(), "{at}: {i:?}");
            }
        }
        assert_eq!(code.last().map(|i| i.code), Some(EXIT));
    }
}
