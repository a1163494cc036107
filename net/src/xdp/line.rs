//! One receiving line of a feed, by AF_XDP with a kernel socket beside it.
//!
//! ```text
//!   recv:  rx ring  -- empty -->  the kernel socket, once in KERNEL_EVERY such polls;
//!                                 each time for KERNEL_WATCH polls after it had something
//! ```
//!
//! The kernel socket is what joins the group (IGMP), holds the port, and hears what the program leaves to the kernel: fragments, put together; datagrams that
//! came by another queue; what came before the program. So a device that spreads a group over its queues costs time and no datagram ([`XdpLine::strays`] counts them).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::QueueConfig;
use super::queue::FrameQueue;
use super::wire::{Datagram, Rejected};
use crate::udp::{DropCount, Membership, OVERSIZE_SKIPPED_MAX, Refusal, UdpLine};
use crate::{Datagrams, context};

/// Polls that find nothing between two questions to the kernel: a system call costs about as much as this many looks at a ring.
const KERNEL_EVERY: u32 = 64;
/// Questions in a row that must find nothing before it is asked seldom again.
const KERNEL_WATCH: u32 = 1_024;
/// See the module.
#[derive(Debug)]
pub struct XdpLine {
    frames: FrameQueue,
    kernel: UdpLine,
    to: SocketAddrV4,
    source: Option<Ipv4Addr>,
    /// Polls until the kernel is asked, and questions for which it is asked each time.
    quiet: u32,
    watch: u32,
    strays: u64,
    oversize: u64,
    rejected: [u64; Rejected::ALL.len()],
    refusals: Vec<Refusal>,
}

/// What became of a datagram.
enum Heard {
    Datagram(usize),
    Oversize,
    Rejected(Rejected),
}

impl XdpLine {
    /// Puts AF_XDP before `kernel`. Waits up to three seconds for a queue that is still taken.
    ///
    /// # Errors
    /// What the host refuses, with interface and queue; and the kernel's socket, to go on with alone.
    pub(crate) fn before(
        kernel: UdpLine,
        source: Option<Ipv4Addr>,
        config: &QueueConfig,
    ) -> Result<XdpLine, (UdpLine, io::Error)> {
        let to = match kernel.local_addr() {
            SocketAddr::V4(to) if !to.ip().is_unspecified() => to,
            other => {
                let why = format!("{other} is no single IPv4 address");
                return Err((kernel, io::Error::new(io::ErrorKind::Unsupported, why)));
            }
        };
        let opened = FrameQueue::open_patiently(config, 0).and_then(|mut frames| {
            frames.steer_udp(to)?;
            Ok(frames)
        });
        match opened {
            Ok(frames) => Ok(XdpLine {
                refusals: Vec::new(),
                frames,
                kernel,
                to,
                source,
                quiet: 0,
                watch: 0,
                strays: 0,
                oversize: 0,
                rejected: [0; Rejected::ALL.len()],
            }
            .with_refusals()),
            Err(e) => Err((kernel, e)),
        }
    }

    fn with_refusals(mut self) -> XdpLine {
        self.refusals = self.kernel.take_refusals();
        self.refusals.append(&mut self.frames.take_refusals());
        self
    }

    /// As [`UdpLine::local_addr`].
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.to.into()
    }

    /// What the host refused, to the kernel's socket and to this; for one warning at start-up.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Datagrams that came by the kernel's socket: by another queue, in fragments, with options, or before the program was there.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Datagrams dropped because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        self.oversize + self.kernel.oversize()
    }

    /// Frames that were no datagram of this line, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Rejected, u64)> + '_ {
        Rejected::ALL.into_iter().zip(self.rejected)
    }

    /// As [`UdpLine::drop_count`]: what was dropped at both sockets.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn drop_count(&self) -> io::Result<DropCount> {
        let frames = self.frames.as_fd().try_clone_to_owned();
        let frames = frames.map_err(|e| context(e, "af_xdp drop count of", self.to))?;
        Ok(self.kernel.drop_count()?.with_frames(frames))
    }

    /// As [`UdpLine::membership`].
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn membership(&self) -> io::Result<Option<Membership>> {
        self.kernel.membership()
    }

    #[inline]
    fn ask_kernel(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        if self.quiet > 0 {
            self.quiet -= 1;
            return Ok(None);
        }
        let heard = self.kernel.recv(buf)?;
        if heard.is_some() {
            self.strays += 1;
            self.watch = KERNEL_WATCH;
        } else if self.watch > 0 {
            self.watch -= 1;
        } else {
            self.quiet = KERNEL_EVERY;
        }
        Ok(heard)
    }
}

/// What a datagram is to a line, its payload copied to `buf`.
#[inline]
fn hear(datagram: Datagram<'_>, to: SocketAddrV4, source: Option<Ipv4Addr>, buf: &mut [u8]) -> Heard {
    if datagram.to != to {
        return Heard::Rejected(Rejected::Address);
    }
    if source.is_some_and(|source| source != *datagram.from.ip()) {
        return Heard::Rejected(Rejected::Source);
    }
    let length = datagram.payload.len();
    match buf.get_mut(..length) {
        Some(space) => {
            space.copy_from_slice(datagram.payload);
            Heard::Datagram(length)
        }
        None => Heard::Oversize,
    }
}

impl Datagrams for XdpLine {
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        for _ in 0..OVERSIZE_SKIPPED_MAX {
            match self.frames.recv_udp(|datagram| hear(datagram, self.to, self.source, buf)) {
                Some(Ok(Heard::Datagram(n))) => return Ok(Some(n)),
                Some(Ok(Heard::Oversize)) => self.oversize += 1,
                Some(Ok(Heard::Rejected(reason)) | Err(reason)) => self.rejected[reason as usize] += 1,
                None => return self.ask_kernel(buf),
            }
        }
        Ok(None)
    }
}
