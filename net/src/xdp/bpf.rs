//! bpf(2): maps, loading a program, holding it to an interface. The commands that a redirect takes and no others.
//!
//! Everything here is a descriptor, so all of it is gone with the process however that ends: a link that is closed detaches its program.
//!
//! Layouts: `union bpf_attr` of `linux/bpf.h`. A shorter one than the kernel's own is taken as if the rest were zero.

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::program::Instruction;

const MAP_CREATE: c_long = 0;
const MAP_UPDATE_ELEM: c_long = 2;
const MAP_DELETE_ELEM: c_long = 3;
/// Of an update: whatever is there, or only where nothing is.
const ANY: u64 = 0;
const NO_EXIST: u64 = 1;
const PROG_LOAD: c_long = 5;
const LINK_CREATE: c_long = 28;

const MAP_TYPE_HASH: u32 = 1;
const MAP_TYPE_XSKMAP: u32 = 17;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_TYPE_XDP: u32 = 37;

/// The program calls no function that is for GPL programs only.
const LICENSE: &CStr = c"Dual MIT/GPL";
/// Room for what the verifier has to say.
const VERIFIER_LOG: usize = 16 << 10;

/// How a program is held to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// In the driver, before a packet buffer is made: `XDP_FLAGS_DRV_MODE`.
    Native,
    /// In the stack, on any interface: `XDP_FLAGS_SKB_MODE`.
    Generic,
}

#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

#[repr(C)]
struct MapElement {
    map: u32,
    _padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// Makes the call with `attribute`, one of the structures above.
///
/// # Safety
/// What the attribute's pointers lead to is live for the call, and as long as the lengths beside them say.
unsafe fn bpf<A>(command: c_long, attribute: &mut A) -> io::Result<RawFd> {
    // SAFETY: `attribute` is live, and the length given is its size; its pointers are the caller's promise.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attribute, size_of::<A>()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc as RawFd) }
}

/// As [`bpf`], where it answers with a descriptor.
///
/// # Safety
/// As there.
unsafe fn descriptor<A>(command: c_long, attribute: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let fd = unsafe { bpf(command, attribute)? };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A map from `K` bytes to a word.
#[derive(Debug)]
pub(super) struct Map<const K: usize>(OwnedFd);

impl<const K: usize> Map<K> {
    fn new(map_type: u32, max_entries: u32) -> io::Result<Map<K>> {
        let mut map = MapCreate { map_type, key_size: K as u32, value_size: 4, max_entries };
        // SAFETY: it has no pointers.
        unsafe { descriptor(MAP_CREATE, &mut map) }.map(Map)
    }

    /// A hash table.
    pub(super) fn hash(max_entries: u32) -> io::Result<Map<K>> {
        Map::new(MAP_TYPE_HASH, max_entries)
    }

    /// Gives a key its word, or another one.
    pub(super) fn put(&self, key: [u8; K], value: u32) -> io::Result<()> {
        self.element(MAP_UPDATE_ELEM, &key, &value, ANY)
    }

    /// Gives a key that has none its word; `AlreadyExists` where it has one.
    pub(super) fn put_new(&self, key: [u8; K], value: u32) -> io::Result<()> {
        self.element(MAP_UPDATE_ELEM, &key, &value, NO_EXIST)
    }

    pub(super) fn remove(&self, key: [u8; K]) -> io::Result<()> {
        self.element(MAP_DELETE_ELEM, &key, &0, ANY)
    }

    fn element(&self, command: c_long, key: &[u8; K], value: &u32, flags: u64) -> io::Result<()> {
        let map = self.fd() as u32;
        let (key, value) = (key.as_ptr() as u64, std::ptr::from_ref(value) as u64);
        let mut element = MapElement { map, _padding: 0, key, value, flags };
        // SAFETY: key and value are borrowed for longer than the call, and as long as the map was made for.
        unsafe { bpf(command, &mut element) }.map(drop)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Map<4> {
    /// A table of AF_XDP sockets by queue. A socket that is closed leaves it by itself.
    pub(super) fn sockets(queues: u32) -> io::Result<Map<4>> {
        Map::new(MAP_TYPE_XSKMAP, queues)
    }
}

/// Has the kernel verify and translate `code`.
///
/// # Errors
/// Not permitted, or refused by the verifier: with the last line of what it says.
pub(super) fn load(code: &[Instruction]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..13].copy_from_slice(b"colo_redirect");
    let mut program = ProgLoad {
        prog_type: PROG_TYPE_XDP,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name,
        interface: 0,
        attach_type: ATTACH_TYPE_XDP,
    };
    // SAFETY: code, licence and name are borrowed for longer than the call; a log is not asked for.
    let first = match unsafe { descriptor(PROG_LOAD, &mut program) } {
        Err(e) if e.raw_os_error() != Some(libc::EPERM) => e,
        done => return done,
    };
    // Only a refusal is worth the log.
    let mut log = vec![0u8; VERIFIER_LOG];
    program.log = log.as_mut_ptr() as u64;
    (program.log_level, program.log_size) = (1, VERIFIER_LOG as u32);
    // SAFETY: as above, and the log is as long as is said.
    unsafe { descriptor(PROG_LOAD, &mut program) }.map_err(|_| {
        let told = String::from_utf8_lossy(&log);
        let last = told.trim_end_matches('\0').lines().rev().find(|l| !l.starts_with("processed"));
        io::Error::new(first.kind(), format!("{first} ({})", last.unwrap_or("the verifier is silent")))
    })
}

/// Holds `program` to an interface for as long as the result lives.
pub(super) fn link(program: &OwnedFd, interface: u32, how: Attach) -> io::Result<OwnedFd> {
    let flags = match how {
        Attach::Generic => 1 << 1,
        Attach::Native => 1 << 2,
    };
    let program = program.as_raw_fd() as u32;
    let mut link = LinkCreate { program, interface, attach_type: ATTACH_TYPE_XDP, flags };
    // SAFETY: it has no pointers.
    unsafe { descriptor(LINK_CREATE, &mut link) }
}
