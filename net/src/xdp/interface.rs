//! What the kernel says of an interface.
//!
//! By ioctl on a socket, not from `/sys`: a thread that has gone to another network namespace would be shown the interfaces of the one in which `/sys`
//! was mounted.

use std::ffi::{CString, c_ulong};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use crate::context;

/// An Ethernet interface of this thread's network namespace.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(super) name: String,
    /// The namespace's number, for the index alone is not unique.
    pub(super) namespace: u64,
    pub(super) index: u32,
    /// Its hardware address.
    pub(super) mac: [u8; 6],
    /// The longest IPv4 packet.
    pub(super) mtu: usize,
    /// Its first IPv4 address.
    pub(crate) address: Option<Ipv4Addr>,
}

impl Interface {
    /// # Errors
    /// There is none of that name, or it is no Ethernet interface; with the name.
    pub(crate) fn named(name: &str) -> io::Result<Interface> {
        let named = |e| context(e, "interface", name);
        let text = CString::new(name).map_err(|e| named(e.into()))?;
        // SAFETY: `text` is a string that ends with a zero.
        let index = unsafe { libc::if_nametoindex(text.as_ptr()) };
        if index == 0 {
            return Err(named(io::Error::last_os_error()));
        }
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(named)?;
        let ask = |request| ask(&socket, &text, request);

        let hardware = ask(libc::SIOCGIFHWADDR).map_err(named)?;
        // SAFETY: the kernel has filled this member, for it is what was asked for.
        let hardware = unsafe { hardware.ifr_ifru.ifru_hwaddr };
        if ![libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&hardware.sa_family) {
            return Err(named(io::Error::new(io::ErrorKind::Unsupported, "not an Ethernet interface")));
        }
        let mac = std::array::from_fn(|k| hardware.sa_data[k] as u8);
        // SAFETY: as above.
        let mtu = unsafe { ask(libc::SIOCGIFMTU).map_err(named)?.ifr_ifru.ifru_mtu };
        let address = ask(libc::SIOCGIFADDR).ok().and_then(|answer| {
            // SAFETY: as above.
            let address = unsafe { answer.ifr_ifru.ifru_addr };
            // A `sockaddr_in`: two bytes of port, then the address.
            let octets: [u8; 4] = std::array::from_fn(|k| address.sa_data[2 + k] as u8);
            (i32::from(address.sa_family) == libc::AF_INET).then(|| octets.into())
        });
        // Where /proc is not mounted all namespaces look the same; then so they are for this process.
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |m| m.ino());
        Ok(Interface { name: name.to_owned(), namespace, index, mac, mtu: mtu.max(0) as usize, address })
    }
}

/// What the kernel answers to a question about the interface.
fn ask(socket: &UdpSocket, name: &CString, request: c_ulong) -> io::Result<libc::ifreq> {
    // SAFETY: zeros are a valid `ifreq`: numbers and arrays of numbers.
    let mut asked: libc::ifreq = unsafe { std::mem::zeroed() };
    // `if_nametoindex` has found it, so it is shorter than the field; the last byte stays zero.
    for (to, from) in asked.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.as_bytes()) {
        *to = *from as _;
    }
    // SAFETY: these requests read the name and write an answer of at most the union's size; `asked` is live.
    let rc = unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &raw mut asked) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(asked) }
}
