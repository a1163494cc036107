//! One receiving line of a feed.
//!
//! A line hears what it asked for and nothing else: a multicast line binds to the group's own address, so that other groups
//! on the same port do not come in, and turns `IP_MULTICAST_ALL` off, so that the same group joined by another process on
//! another interface does not either (line A must not carry line B's copies).
//! `SO_REUSEADDR` is set for groups only; on a unicast port it would let a second process steal the line silently.
//!
//! What the host may refuse without harm to correctness (busy polling, a large receive buffer) does not fail the
//! line: each refusal is kept as a value in [`UdpLine::refusals`] for the caller to report once.
//!
//! Sources: ip(7), udp(7), socket(7); Linux `Documentation/networking/napi.rst` ("Busy polling").

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

use super::membership::{Joined, Membership};
use super::{OVERSIZE_SKIPPED_MAX, group_of};
use crate::xdp::{self, QueueConfig};
use crate::{Datagrams, context, is_later, sys};

/// What to listen to, and how.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// A unicast address and port to bind (port 0: any free one), or a multicast group and its port.
    pub address: SocketAddr,
    /// The interface, by its address, on which a group is joined. Not used for unicast.
    pub interface: Ipv4Addr,
    /// Join the group for this source only (source-specific multicast); `None`: from anyone.
    pub source: Option<Ipv4Addr>,
    /// Wanted `SO_RCVBUF` in bytes of payload as the kernel counts it; see [`UdpLine::receive_buffer`].
    pub receive_buffer: usize,
    /// Let `recv` poll the device queue for up to this many microseconds (`SO_BUSY_POLL`, with `SO_PREFER_BUSY_POLL`).
    pub busy_poll_us: Option<u32>,
    /// The core whose packets it is for (`SO_INCOMING_CPU`).
    pub incoming_cpu: Option<u32>,
    /// Who says when a datagram came; see [`UdpLine::stamp`].
    pub stamps: Stamps,
    /// The queue that [`Line::open`](crate::line::Line::open) is to read before the kernel does; a [`UdpLine`] takes no notice.
    pub bypass: Option<QueueConfig>,
    /// The capture that [`Line::open`](crate::line::Line::open) is to read instead of any socket; a [`UdpLine`] takes no notice.
    pub capture: Option<PathBuf>,
}

impl LineConfig {
    /// `address` on any interface by the kernel, with a 4 MiB receive buffer and no busy polling.
    #[must_use]
    pub fn new(address: SocketAddr) -> LineConfig {
        LineConfig {
            address,
            interface: Ipv4Addr::UNSPECIFIED,
            source: None,
            receive_buffer: 4 << 20,
            busy_poll_us: None,
            incoming_cpu: None,
            stamps: Stamps::Off,
            bypass: None,
            capture: None,
        }
    }
}

/// Who stamps datagrams as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// Nobody.
    #[default]
    Off,
    /// The kernel, when the driver hands it the packet.
    Software,
    /// The device, where it does; else the kernel. The device has to be told by another program (`hwstamp_ctl`, `ptp4l`), and its clock is comparable with ours only
    /// if something keeps the two together (`phc2sys`).
    Hardware,
}

impl Stamps {
    /// Every one by its word in a configuration.
    pub const WORDS: &[(&str, Stamps)] =
        &[("off", Stamps::Off), ("software", Stamps::Software), ("hardware", Stamps::Hardware)];
}

/// When a datagram came, by another's clock than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// ns since the Unix epoch.
    pub ns: u64,
    /// Whether it is the device's.
    pub is_of_device: bool,
}

/// A setting that the host refused, or granted in part. The line works without it.
#[derive(Debug)]
pub struct Refusal {
    /// The socket option, as socket(7) calls it.
    pub option: &'static str,
    /// What the kernel said, with what would help.
    pub error: io::Error,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.option, self.error)
    }
}

/// A receiving UDP socket.
#[derive(Debug)]
pub struct UdpLine {
    socket: UdpSocket,
    local: SocketAddr,
    joined: Option<Joined>,
    receive_buffer: usize,
    refusals: Vec<Refusal>,
    oversize: u64,
    /// Whether stamps were granted, and that of the last datagram.
    is_stamped: bool,
    stamp: Option<Stamp>,
}

impl UdpLine {
    /// Opens, binds and, for a group, joins. Allocates what it has to say of refusals.
    ///
    /// # Errors
    /// The address cannot be bound or the group not joined (`Unsupported` for IPv6 groups), with the address in the message.
    pub fn open(config: &LineConfig) -> io::Result<UdpLine> {
        let address = config.address;
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
            .map_err(|e| context(e, "udp socket for", address))?;
        socket.set_nonblocking(true).map_err(|e| context(e, "udp non-blocking", address))?;
        let group = group_of(address)?;
        if group.is_some() {
            socket.set_reuse_address(true).map_err(|e| context(e, "udp SO_REUSEADDR", address))?;
            socket.set_multicast_all_v4(false).map_err(|e| context(e, "udp IP_MULTICAST_ALL", address))?;
        }

        // Before bind and join: from then on datagrams arrive and the buffer should be there.
        let mut refusals = Vec::new();
        let receive_buffer = grow_receive_buffer(&socket, config.receive_buffer, &mut refusals)
            .map_err(|e| context(e, "udp SO_RCVBUF", address))?;
        if let Some(us) = config.busy_poll_us {
            prefer_busy_poll(&socket, us, &mut refusals);
        }

        if let Some(cpu) = config.incoming_cpu
            && let Err(error) = sys::set_socket_option(&socket, libc::SO_INCOMING_CPU, cpu as i32)
        {
            refusals.push(Refusal { option: "SO_INCOMING_CPU", error });
        }
        let is_stamped = ask_for_stamps(&socket, config.stamps, &mut refusals);

        socket.bind(&address.into()).map_err(|e| context(e, "udp bind", address))?;
        let LineConfig { source, interface, .. } = *config;
        let joined = group.map(|group| Joined { group, source, interface });
        if let Some(joined) = &joined {
            joined.join(&socket).map_err(|e| {
                let from = source.map(|s| format!("from {s} ")).unwrap_or_default();
                context(e, &format!("udp join {from}on {interface}"), address)
            })?;
        }

        let socket = UdpSocket::from(socket);
        let local = socket.local_addr().map_err(|e| context(e, "udp local address", address))?;
        Ok(UdpLine { socket, local, joined, receive_buffer, refusals, oversize: 0, is_stamped, stamp: None })
    }

    /// The address this line is bound to: with the real port where port 0 was asked; the group itself for multicast.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The granted receive buffer in bytes, in the unit it was asked in. (The kernel books twice that, for its own overhead.)
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// What the host refused; for one warning at start-up.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// When the last datagram came, where the line was opened with [`Stamps`] and the kernel has a stamp of it.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Takes what the host refused, for a line that says more.
    pub(crate) fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    /// Says of something beside the socket that the host refused it.
    pub(crate) fn refuse(&mut self, option: &'static str, error: io::Error) {
        self.refusals.push(Refusal { option, error });
    }

    /// Datagrams dropped here because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        self.oversize
    }

    /// Datagrams that the kernel dropped at this socket since it was opened, most often because the receive buffer was full.
    /// Wraps at 2^32.
    ///
    /// # Errors
    /// `Unsupported` before Linux 4.12.
    ///
    /// Cost: one system call. It is asked for and not attached to each datagram (`SO_RXQ_OVFL`), so that the hot path does not
    /// carry control messages for a number which a gap already announces.
    pub fn kernel_drops(&self) -> io::Result<u32> {
        sys::socket_drops(&self.socket).map_err(|e| context(e, "udp drop count of", self.local))
    }

    /// The same count for another thread to ask for, so that the line's own makes no call for it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn drop_count(&self) -> io::Result<DropCount> {
        let socket = self.socket.try_clone().map_err(|e| context(e, "udp drop count of", self.local))?;
        Ok(DropCount { socket, local: self.local, frames: None })
    }

    /// Its membership, for another thread to renew; `None` on a unicast address.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn membership(&self) -> io::Result<Option<Membership>> {
        self.joined.map(|joined| Membership::new(&self.socket, self.local, joined)).transpose()
    }
}

/// Asks for [`UdpLine::kernel_drops`] by a descriptor of its own. The line's port stays taken for as long as this lives.
#[derive(Debug)]
pub struct DropCount {
    socket: UdpSocket,
    local: SocketAddr,
    /// The AF_XDP socket before it.
    frames: Option<OwnedFd>,
}

impl DropCount {
    pub(crate) fn with_frames(self, frames: OwnedFd) -> DropCount {
        DropCount { frames: Some(frames), ..self }
    }

    /// As [`UdpLine::kernel_drops`], with what was dropped at the AF_XDP socket before it, where there is one.
    ///
    /// # Errors
    /// As there.
    pub fn read(&self) -> io::Result<u32> {
        let named = |e| context(e, "udp drop count of", self.local);
        let frames = self.frames.as_ref().map_or(Ok(0), xdp::drops).map_err(named)?;
        Ok(sys::socket_drops(&self.socket).map_err(named)?.wrapping_add(frames as u32))
    }
}

impl Datagrams for UdpLine {
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        for _ in 0..OVERSIZE_SKIPPED_MAX {
            let received = if self.is_stamped {
                sys::recv_stamped(&self.socket, buf).map(|(n, stamp)| {
                    self.stamp = stamp.map(|(ns, is_of_device)| Stamp { ns, is_of_device });
                    n
                })
            } else {
                sys::recv_datagram(&self.socket, buf)
            };
            match received {
                Ok(n) if n <= buf.len() => return Ok(Some(n)),
                Ok(_) => self.oversize += 1,
                Err(e) if is_later(&e) => return Ok(None),
                Err(e) => return Err(context(e, "udp recv on", self.local)),
            }
        }
        Ok(None)
    }
}

/// Whether datagrams will have stamps. What the device does is not ours to switch: that is one setting for all of the host.
fn ask_for_stamps(socket: &Socket, stamps: Stamps, refusals: &mut Vec<Refusal>) -> bool {
    let software = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    let flags = match stamps {
        Stamps::Off => return false,
        Stamps::Software => software,
        Stamps::Hardware => {
            software | libc::SOF_TIMESTAMPING_RX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE
        }
    };
    match sys::set_socket_option(socket, libc::SO_TIMESTAMPING, flags as i32) {
        Ok(()) => true,
        Err(error) => {
            refusals.push(Refusal { option: "SO_TIMESTAMPING", error });
            false
        }
    }
}

/// Asks for `wanted` bytes, by privilege (`SO_RCVBUFFORCE`) where `net.core.rmem_max` does not allow it, and returns
/// what there is.
fn grow_receive_buffer(socket: &Socket, wanted: usize, refusals: &mut Vec<Refusal>) -> io::Result<usize> {
    // The kernel doubles the value it is given and reports the double; see socket(7).
    let granted = |socket: &Socket| socket.recv_buffer_size().map(|booked| booked / 2);
    let option = wanted.min(i32::MAX as usize / 2);
    socket.set_recv_buffer_size(option)?;
    if granted(socket)? < wanted {
        // Refused without CAP_NET_ADMIN: then the answer is in what was granted, below.
        let _ = sys::set_socket_option(socket, libc::SO_RCVBUFFORCE, option as i32);
    }
    let now = granted(socket)?;
    if now < wanted {
        let why = format!("asked for {wanted} bytes, granted {now}: raise net.core.rmem_max");
        refusals.push(Refusal { option: "SO_RCVBUF", error: io::Error::other(why) });
    }
    Ok(now)
}

/// Busy polling, as far as the host allows. Both options want `CAP_NET_ADMIN` beyond the system's own defaults.
fn prefer_busy_poll(socket: &Socket, us: u32, refusals: &mut Vec<Refusal>) {
    let us = i32::try_from(us).unwrap_or(i32::MAX);
    for (option, number, value) in
        [("SO_BUSY_POLL", libc::SO_BUSY_POLL, us), ("SO_PREFER_BUSY_POLL", libc::SO_PREFER_BUSY_POLL, 1)]
    {
        if let Err(error) = sys::set_socket_option(socket, number, value) {
            refusals.push(Refusal { option, error });
        }
    }
}
