//! One queue of an interface, by AF_XDP: whole frames in and out, through memory that is shared with the kernel.
//!
//! ```text
//!            fill ring  -- empty frames -->          -- frames --> rx ring
//!   this                                    kernel                          this
//!            tx ring    -- frames ------->           -- empty ---> completion ring
//!
//!   memory: FILL frames that go round on the left and as many for sending as were asked for
//! ```
//!
//! Invariant: `memory.allocatable() - owed` frames are for sending; `owed` are on their way back to the fill ring, so a sender can never starve the receiver.
//!
//! **Wakeups.** The kernel says by a word beside each ring whether it must be called to look at it (`XDP_RING_NEED_WAKEUP`). The crate `xdp` does not show that
//! word, so it is mapped here once more ([`Flag`]). Without it each frame would be a system call. In copy mode the kernel asks for one call each time we send.
//!
//! **Modes.** In zero-copy mode the device writes to this memory itself; its driver must know how. In copy mode, which any interface has, the kernel copies
//! each frame once. Which it is, is the kernel's answer and not the wish: copying where it was not asked for is a refusal, said at start-up.
//!
//! Source: Linux `Documentation/networking/af_xdp.rst`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use xdp::error::{Error as XdpError, SocketError};
use xdp::nic::NicIndex;
use xdp::slab::Slab;
use xdp::socket::{XdpSocket, XdpSocketBuilder};
use xdp::umem::{FrameSize, UmemCfgBuilder};
use xdp::{Packet, RingConfigBuilder, Umem, WakableRings};

use super::attach::{Attachment, Steering};
use super::bpf::Attach;
use super::flag::{self, Flag};
use super::interface::Interface;
use super::wire::{self, Datagram, Rejected};
use super::{Mode, QueueConfig, program};
use crate::udp::Refusal;
use crate::{context, sys};

/// Frames for receiving: as many as may wait. A power of two, for it is a ring's size.
const FILL: u32 = 2_048;
/// Frames that go back to the fill ring together.
const REFILL: usize = 32;
/// Bytes of a frame; the kernel keeps 256 of them.
const FRAME: FrameSize = FrameSize::FourK;
/// The longest frame that fits.
pub(super) const FRAME_MAX: usize = 4_096 - 256;
/// Frames in a device's poll with `SO_BUSY_POLL`.
const BUSY_POLL_BUDGET: i32 = 64;

/// The first wait for a queue that is taken; doubled each time up to [`BUSY_WAIT_MAX`].
const BUSY_WAIT: Duration = Duration::from_millis(10);
const BUSY_WAIT_MAX: Duration = Duration::from_millis(250);
/// How long it is waited for in all.
const BUSY_MAX: Duration = Duration::from_secs(3);

/// One frame on its way between ring and memory.
struct Slot(Option<Packet>);

impl Slab for Slot {
    fn available(&self) -> usize {
        self.0.is_none().into()
    }

    fn len(&self) -> usize {
        self.0.is_some().into()
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn push_front(&mut self, packet: Packet) -> Option<Packet> {
        self.0.replace(packet)
    }

    fn pop_back(&mut self) -> Option<Packet> {
        self.0.take()
    }
}

/// See the module.
pub struct FrameQueue {
    /// First, and so dropped first: what is no longer steered here goes to the kernel.
    steering: Vec<Steering>,
    interface: Interface,
    queue: u32,
    rings: WakableRings,
    fill_flag: Flag,
    tx_flag: Option<Flag>,
    socket: XdpSocket,
    /// Received, read and not yet given back.
    owed: usize,
    /// Frames were put into the tx ring for which the kernel was not called.
    unkicked: bool,
    busy_poll: bool,
    zero_copy: bool,
    refusals: Vec<Refusal>,
    attachment: Arc<Attachment>,
    /// Last, and so dropped behind all that leads into it.
    memory: Umem,
}

impl std::fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameQueue")
            .field("interface", &self.interface.name)
            .field("queue", &self.queue)
            .field("zero_copy", &self.zero_copy)
            .finish_non_exhaustive()
    }
}

/// The system's error in one of the crate's.
fn system(error: SocketError) -> io::Error {
    match error {
        SocketError::SocketCreation(e) | SocketError::Bind(e) => e,
        SocketError::SetSockOpt { inner, .. }
        | SocketError::GetSockOpt { inner, .. }
        | SocketError::RingMap { inner, .. } => inner,
    }
}

/// A size that the crate does not take; they are all constants of ours.
fn sizes(error: XdpError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

/// A socket with memory and rings, bound to a queue.
struct Bound {
    rings: WakableRings,
    fill_flag: Flag,
    tx_flag: Option<Flag>,
    socket: XdpSocket,
    memory: Umem,
}

fn bind(
    interface: &Interface,
    config: &QueueConfig,
    sending: u32,
    zero_copy: Option<bool>,
) -> io::Result<Bound> {
    let frames = UmemCfgBuilder { frame_size: FRAME, frame_count: FILL + sending, ..Default::default() };
    let mut memory = Umem::map(frames.build().map_err(sizes)?)?;
    let rings = RingConfigBuilder {
        rx_count: FILL,
        tx_count: sending,
        fill_count: FILL,
        completion_count: sending.max(64),
    };
    let mut builder = XdpSocketBuilder::new().map_err(system)?;
    let (mut rings, mut flags) =
        builder.build_wakable_rings(&memory, rings.build().map_err(sizes)?).map_err(system)?;
    match zero_copy {
        Some(true) => flags.force_zerocopy(),
        Some(false) => flags.force_copy(),
        None => {}
    }
    let fill_flag = Flag::of(&builder, flag::Ring::Fill)?;
    let tx_flag = (sending > 0).then(|| Flag::of(&builder, flag::Ring::Tx)).transpose()?;
    // SAFETY: memory and socket go into one `FrameQueue`, which drops the memory last; on an error below, nothing was ever received.
    unsafe { rings.fill_ring.enqueue(&mut memory, FILL as usize, false)? };
    let socket = builder.bind(NicIndex::new(interface.index), config.queue, flags).map_err(system)?;
    Ok(Bound { rings, fill_flag, tx_flag, socket, memory })
}

impl FrameQueue {
    /// As [`FrameQueue::open`]; a queue that is taken is tried again for three seconds. The kernel takes back a queue some time after its socket was closed, up to
    /// two seconds: a restart would find its own queue taken.
    ///
    /// # Errors
    /// As [`FrameQueue::open`].
    pub fn open_patiently(config: &QueueConfig, sending: u32) -> io::Result<FrameQueue> {
        let (mut waited, mut wait) = (Duration::ZERO, BUSY_WAIT);
        loop {
            match FrameQueue::open(config, sending) {
                Err(e) if is_busy(&e) && waited < BUSY_MAX => {
                    sleep(wait);
                    waited += wait;
                    wait = (wait * 2).min(BUSY_WAIT_MAX);
                }
                done => return done,
            }
        }
    }

    /// Takes a queue, with room for `sending` frames that leave (0, or a power of two).
    ///
    /// # Errors
    /// There is no such interface or queue, another socket has it (`ResourceBusy`), or the process may not (CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF): with interface
    /// and queue.
    pub fn open(config: &QueueConfig, sending: u32) -> io::Result<FrameQueue> {
        let interface = Interface::named(&config.interface)?;
        let place = format!("{} queue {}", config.interface, config.queue);
        let attachment = Attachment::at(&interface)?;
        let mut refusals = Vec::new();
        let mut refuse = |option, error| refusals.push(Refusal { option, error });
        if attachment.how() == Attach::Generic {
            let why = "the driver takes no program, so the stack runs it, behind a packet buffer";
            refuse("XDP_FLAGS_DRV_MODE", io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let bound = match config.mode {
            Mode::Copy => bind(&interface, config, sending, Some(false)),
            Mode::Auto => bind(&interface, config, sending, None),
            Mode::ZeroCopy => match bind(&interface, config, sending, Some(true)) {
                Err(e) if !is_busy(&e) && e.raw_os_error() != Some(libc::EPERM) => {
                    refuse("XDP_ZEROCOPY", context(e, "copying instead on", &place));
                    bind(&interface, config, sending, Some(false))
                }
                done => done,
            },
        };
        let Bound { rings, fill_flag, tx_flag, socket, memory } =
            bound.map_err(|e| context(e, "af_xdp socket on", &place))?;
        let zero_copy = flag::is_zero_copy(&socket).unwrap_or(false);
        if config.mode == Mode::Auto && !zero_copy {
            let why = format!("the driver of {place} has none, so the kernel copies each frame");
            refuse("XDP_ZEROCOPY", io::Error::new(io::ErrorKind::Unsupported, why));
        }
        if let Some(us) = config.busy_poll_us {
            // SAFETY: the descriptor is the socket's, which outlives this block.
            let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
            let us = i32::try_from(us).unwrap_or(i32::MAX);
            for (option, number, value) in [
                ("SO_PREFER_BUSY_POLL", libc::SO_PREFER_BUSY_POLL, 1),
                ("SO_BUSY_POLL", libc::SO_BUSY_POLL, us),
                ("SO_BUSY_POLL_BUDGET", libc::SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET),
            ] {
                if let Err(error) = sys::set_socket_option(fd, number, value) {
                    refuse(option, error);
                }
            }
        }
        attachment.give_socket(config.queue, &socket).map_err(|e| context(e, "xdp socket map of", &place))?;
        Ok(FrameQueue {
            steering: Vec::new(),
            zero_copy,
            interface,
            queue: config.queue,
            rings,
            fill_flag,
            tx_flag,
            socket,
            owed: 0,
            unkicked: false,
            busy_poll: config.busy_poll_us.is_some(),
            refusals,
            attachment,
            memory,
        })
    }

    /// Has datagrams for `to` that come by this queue redirected to it. What the program does not redirect: see the parent module.
    ///
    /// # Errors
    /// Another queue of the interface has them already, or it has too many filters.
    pub fn steer_udp(&mut self, to: SocketAddrV4) -> io::Result<()> {
        self.steer(*to.ip(), to.port(), program::UDP)
    }

    /// Has TCP segments and ARP for `address`, which the kernel must not have, redirected.
    pub(super) fn steer_host(&mut self, address: Ipv4Addr) -> io::Result<()> {
        self.steer(address, 0, program::ARP)?;
        self.steer(address, 0, program::TCP)
    }

    fn steer(&mut self, address: Ipv4Addr, port: u16, protocol: u16) -> io::Result<()> {
        let steering = Steering::new(&self.attachment, self.queue, (address, port, protocol))
            .map_err(|e| context(e, "xdp filter at", &self.interface.name))?;
        self.steering.push(steering);
        Ok(())
    }

    pub(super) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// What the host refused; for one warning at start-up.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Takes what the host refused, for an endpoint that says all of it in one place.
    pub(super) fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    /// Its descriptor, for another thread to ask for [`flag::drops`].
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the socket's, which lives as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }

    /// Has `read` look at the next frame; `None` if there is none now.
    ///
    /// Cost: no system call while the kernel asks for none and busy polling is off; no allocation.
    #[inline]
    pub fn recv<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut slot = Slot(None);
        // SAFETY: the packet goes back to the memory it is of before this function ends.
        unsafe { self.rings.rx_ring.as_mut()?.recv(&self.memory, &mut slot) };
        let Some(packet) = slot.0 else {
            self.idle();
            return None;
        };
        let result = read(&packet);
        self.memory.free_packet(packet);
        self.owed += 1;
        if self.owed >= REFILL {
            self.refill();
        }
        Some(result)
    }

    /// Has `read` look at the next frame's datagram: where it was sent to, and its payload. The reason where it is none; `None` if there is no frame now.
    #[inline]
    pub fn recv_udp<R>(&mut self, read: impl FnOnce(Datagram<'_>) -> R) -> Option<Result<R, Rejected>> {
        self.recv(|frame| wire::datagram(frame).map(read))
    }

    /// What there is to do while nothing comes.
    #[inline]
    fn idle(&mut self) {
        if self.owed > 0 {
            self.refill();
        }
        if self.busy_poll || self.fill_flag.is_up() {
            // Whatever it says: a frame that is there is found in the ring.
            let _ = sys::wake_receiver(self.as_fd());
        }
    }

    fn refill(&mut self) {
        // SAFETY: the memory outlives the socket; see the field. Without a wakeup there is no call, and no error.
        let done = unsafe { self.rings.fill_ring.enqueue(&mut self.memory, self.owed, false) };
        self.owed -= done.unwrap_or(0);
    }

    /// Whether a frame can leave. Takes back those that have left.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        if self.memory.allocatable() <= self.owed {
            self.rings.completion_ring.dequeue(&mut self.memory, REFILL);
        }
        self.memory.allocatable() > self.owed
    }

    /// Has `write` make a frame of `length` bytes, to leave with the next [`FrameQueue::kick`]. `None`: there is no room now, or it is longer than a frame.
    #[inline]
    pub fn send<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if !self.has_room() {
            return None;
        }
        let ring = self.rings.tx_ring.as_mut()?;
        if length > FRAME_MAX {
            return None;
        }
        // SAFETY: the packet goes into the ring or back to the memory it is of before this function ends.
        let mut packet = unsafe { self.memory.alloc()? };
        if packet.adjust_tail(length as i32).is_err() {
            self.memory.free_packet(packet);
            return None;
        }
        let result = write(&mut packet);
        let mut slot = Slot(Some(packet));
        // SAFETY: the memory outlives the socket; see the field. Without a wakeup there is no call, and no error.
        let _ = unsafe { ring.send(&mut slot, false) };
        if let Some(packet) = slot.0 {
            self.memory.free_packet(packet);
            return None;
        }
        self.unkicked = true;
        Some(result)
    }

    /// Has the kernel send what is in the ring, if it has to be told.
    ///
    /// # Errors
    /// The interface is down or gone; with its name.
    ///
    /// Cost: one system call in copy mode, mostly none in zero-copy mode; none when there is nothing to send.
    #[inline]
    pub fn kick(&mut self) -> io::Result<()> {
        if !self.unkicked {
            return Ok(());
        }
        let must = self.tx_flag.as_ref().is_some_and(Flag::is_up) || self.busy_poll;
        self.unkicked = false;
        if must && let Err(e) = sys::wake_sender(self.as_fd()) {
            // It sends so many at a time, or the device has no room now: to be told again.
            self.unkicked = true;
            let is_later =
                [libc::EAGAIN, libc::EBUSY, libc::ENOBUFS, libc::EINTR].map(Some).contains(&e.raw_os_error());
            if !is_later {
                return Err(context(e, "af_xdp send on", &self.interface.name));
            }
        }
        Ok(())
    }
}

/// Whether somebody else has the queue, or the one before us has not quite left it.
fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}
