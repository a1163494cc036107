//! A receiving line, by whichever way it was configured and the host allows: the kernel's socket, AF_XDP before it, or a capture in its place.
//!
//! Which it is is asked once a datagram; the branch is always taken the same way.

use std::io;
use std::net::SocketAddr;

use crate::Datagrams;
use crate::pcap::CaptureLine;
use crate::udp::{DropCount, LineConfig, Membership, Refusal, Stamp, UdpLine};
use crate::xdp::{Interface, XdpLine};

/// See the module.
#[derive(Debug)]
pub enum Line {
    /// By the kernel.
    Udp(UdpLine),
    /// By AF_XDP.
    Xdp(Box<XdpLine>),
    /// Out of a capture: no socket is open.
    Capture(Box<CaptureLine>),
}

impl Line {
    /// Opens the kernel's socket, and takes the queue of [`LineConfig::bypass`] where one is named. There a group is joined on that interface, whatever
    /// [`LineConfig::interface`] is. What stands against AF_XDP is one more refusal, and the line goes by the kernel.
    ///
    /// With [`LineConfig::capture`] neither: the capture is opened, and all else that is configured means nothing.
    ///
    /// May wait up to three seconds for a queue that the kernel has not taken back yet from its last owner.
    ///
    /// # Errors
    /// As [`UdpLine::open`]; as [`CaptureLine::open`].
    pub fn open(config: &LineConfig) -> io::Result<Line> {
        if let Some(capture) = &config.capture {
            return CaptureLine::open(capture, config.address).map(|line| Line::Capture(Box::new(line)));
        }
        let Some(queue) = &config.bypass else { return UdpLine::open(config).map(Line::Udp) };
        let mut config = config.clone();
        if let Some(address) = Interface::named(&queue.interface).ok().and_then(|i| i.address) {
            config.interface = address;
        }
        let kernel = UdpLine::open(&config)?;
        Ok(match XdpLine::before(kernel, config.source, queue) {
            Ok(line) => Line::Xdp(Box::new(line)),
            Err((mut kernel, why)) => {
                kernel.refuse("AF_XDP (the line goes by the kernel)", why);
                Line::Udp(kernel)
            }
        })
    }

    /// As [`UdpLine::local_addr`].
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match self {
            Line::Udp(line) => line.local_addr(),
            Line::Xdp(line) => line.local_addr(),
            Line::Capture(line) => line.local_addr(),
        }
    }

    /// What the host refused; for one warning at start-up.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        match self {
            Line::Udp(line) => line.refusals(),
            Line::Xdp(line) => line.refusals(),
            Line::Capture(_) => &[],
        }
    }

    /// Datagrams dropped here because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        match self {
            Line::Udp(line) => line.oversize(),
            Line::Xdp(line) => line.oversize(),
            Line::Capture(line) => line.oversize(),
        }
    }

    /// As [`XdpLine::strays`], [`CaptureLine::strays`]; a line of the kernel's has none.
    #[must_use]
    pub fn strays(&self) -> u64 {
        match self {
            Line::Udp(_) => 0,
            Line::Xdp(line) => line.strays(),
            Line::Capture(line) => line.strays(),
        }
    }

    /// Frames of this line's queue or capture that were no datagram of it; of a line of the kernel's, the kernel keeps them.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        match self {
            Line::Udp(_) => 0,
            Line::Xdp(line) => line.rejected().map(|(_, count)| count).sum(),
            Line::Capture(line) => line.rejected(),
        }
    }

    /// As [`UdpLine::stamp`]; by AF_XDP and out of a capture there is none.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Line::Udp(line) => line.stamp(),
            Line::Xdp(_) | Line::Capture(_) => None,
        }
    }

    /// As [`UdpLine::drop_count`]; nobody drops out of a capture.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn drop_count(&self) -> io::Result<Option<DropCount>> {
        match self {
            Line::Udp(line) => line.drop_count().map(Some),
            Line::Xdp(line) => line.drop_count().map(Some),
            Line::Capture(_) => Ok(None),
        }
    }

    /// As [`UdpLine::membership`].
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn membership(&self) -> io::Result<Option<Membership>> {
        match self {
            Line::Udp(line) => line.membership(),
            Line::Xdp(line) => line.membership(),
            Line::Capture(_) => Ok(None),
        }
    }
}

impl Datagrams for Line {
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Line::Udp(line) => line.recv(buf),
            Line::Xdp(line) => line.recv(buf),
            Line::Capture(line) => line.recv(buf),
        }
    }
}
