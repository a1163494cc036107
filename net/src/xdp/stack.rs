//! smoltcp over a [`FrameQueue`]: one address, one TCP connection at a time.
//!
//! ```text
//!   FrameQueue --frame--> sums right? --> Interface (ARP, IPv4) --> tcp::Socket
//!       ^--kick--- frames <-------------------+<--------------------'
//! ```
//!
//! The address is the stack's alone: the kernel must not have it, for it would answer for it too (with resets). Frames for it that come by another
//! queue than this one are nobody's; see the parent module.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant as Clock;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

use super::queue::{FRAME_MAX, FrameQueue};
use super::{XdpTcpConfig, wire};
use crate::udp::Refusal;

/// Frames for sending; a window's worth of small ones.
const SENDING: u32 = 512;
/// Bytes that a connection may have received and not read, or sent and not had acknowledged.
const BUFFER: usize = 64 << 10;
/// Frames looked at in one poll, so that a flood does not hold the caller's duty cycle.
const BURST: usize = 64;
/// The first of the ports that a connection is made from, and how many there are (RFC 6335, section 6).
const PORTS: (u16, u16) = (49_152, 16_384);
const ETHERNET: usize = 14;
/// Not to be asked for so long is to be away.
const AWAY: Duration = Duration::from_millis(500);

/// What smoltcp takes for a device. A frame received is copied once, so that the queue's is free again before the stack answers it.
struct Wire {
    frames: FrameQueue,
    received: Box<[u8]>,
    mtu: usize,
}

struct Frame<'a>(&'a [u8]);
struct Room<'a>(&'a mut FrameQueue);

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl TxToken for Room<'_> {
    /// Without room the frame is lost as it could be on the wire, and sent again later.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut write = Some(write);
        let sent = self.0.send(length, |frame| write.take().map(|write| write(frame)));
        match (sent.flatten(), write) {
            (Some(result), _) => result,
            (None, Some(write)) => write(&mut vec![0; length]),
            (None, None) => unreachable!("what was written has a result"),
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Frame<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Frame<'_>, Room<'_>)> {
        for _ in 0..BURST {
            let received = &mut self.received;
            let length = self.frames.recv(|frame| {
                let length = frame.len().min(received.len());
                received[..length].copy_from_slice(&frame[..length]);
                length
            })?;
            if wire::is_for_stack(&self.received[..length]) {
                return Some((Frame(&self.received[..length]), Room(&mut self.frames)));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        let has_room = self.frames.has_room();
        has_room.then_some(Room(&mut self.frames))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET;
        // `is_for_stack` has verified them, with more knowledge of where the frame comes from.
        let mut sums = ChecksumCapabilities::default();
        (sums.ipv4, sums.tcp) = (Checksum::Tx, Checksum::Tx);
        capabilities.checksum = sums;
        capabilities
    }
}

/// See the module.
pub(super) struct Stack {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    address: Ipv4Addr,
    next_port: u16,
    begun: Clock,
    unacknowledged_max: Duration,
    /// When it was last asked what is due, and how long in all it was not asked since a frame came.
    asked: Instant,
    away: Duration,
}

impl Stack {
    /// Takes the queue; as [`FrameQueue::open_patiently`].
    pub(super) fn open(config: &XdpTcpConfig) -> io::Result<Stack> {
        let mut frames = FrameQueue::open_patiently(&config.queue, SENDING)?;
        if frames.interface().address == Some(config.address) {
            let why = format!("{} is the kernel's own address on {}", config.address, config.queue.interface);
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        frames.steer_host(config.address)?;
        let mac = HardwareAddress::Ethernet(EthernetAddress(frames.interface().mac));
        let mtu = frames.interface().mtu.min(FRAME_MAX - ETHERNET);
        let mut wire = Wire { frames, received: vec![0; FRAME_MAX].into_boxed_slice(), mtu };
        // Sequence numbers and ports that nobody can guess; the hasher's keys are the system's random numbers.
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let mut hardware = Config::new(mac);
        hardware.random_seed = seed;
        let mut interface = Interface::new(hardware, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // Room for two, and this is the first.
            let _ = addresses.push(IpCidr::new(config.address.into(), config.prefix));
        });
        if let Some(router) = config.router {
            // Room for two, and this is the first.
            let _ = interface.routes_mut().add_default_ipv4_route(router);
        }
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_keep_alive(Some(duration(config.keepalive)));
        socket.set_timeout(Some(duration(config.unacknowledged_max)));
        let handle = sockets.add(socket);
        Ok(Stack {
            wire,
            interface,
            sockets,
            handle,
            address: config.address,
            next_port: (seed >> 32) as u16 % PORTS.1,
            begun: Clock::now(),
            unacknowledged_max: duration(config.unacknowledged_max),
            asked: Instant::ZERO,
            away: Duration::ZERO,
        })
    }

    pub(super) fn take_refusals(&mut self) -> Vec<Refusal> {
        self.wire.frames.take_refusals()
    }

    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.begun.elapsed().as_micros() as i64)
    }

    /// Begins to connect to `peer` from a port that the connection before it did not have; returns this end's address.
    pub(super) fn connect(&mut self, peer: SocketAddrV4) -> io::Result<SocketAddrV4> {
        self.next_port = (self.next_port + 1) % PORTS.1;
        let from = SocketAddrV4::new(self.address, PORTS.0 + self.next_port);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        socket
            .connect(self.interface.context(), peer, from)
            .map_err(|e| io::Error::new(io::ErrorKind::AddrNotAvailable, e.to_string()))?;
        self.transmit()?;
        Ok(from)
    }

    /// Takes in frames until one changed the connection, or there are no more.
    #[inline]
    pub(super) fn receive(&mut self) {
        let now = self.now();
        for _ in 0..BURST {
            match self.interface.poll_ingress_single(now, &mut self.wire, &mut self.sockets) {
                PollIngressSingleResult::None => return,
                PollIngressSingleResult::PacketProcessed | PollIngressSingleResult::SocketStateChanged => {
                    self.set_away(Duration::ZERO);
                    if self.sockets.get::<Socket<'_>>(self.handle).can_recv() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what there is to send and is due: data, acknowledgements, what was lost, probes.
    ///
    /// # Errors
    /// The interface is down or gone.
    #[inline]
    pub(super) fn transmit(&mut self) -> io::Result<()> {
        let now = self.now();
        let since = now - std::mem::replace(&mut self.asked, now);
        if since >= AWAY {
            self.set_away(self.away + since);
        }
        // A segment each time; there are not more than these in the buffer.
        for _ in 0..BURST {
            if self.interface.poll_egress(now, &mut self.wire, &mut self.sockets) == PollResult::None {
                break;
            }
        }
        self.wire.frames.kick()
    }

    /// A process that was stopped has asked the peer nothing meanwhile: that the peer did not answer for so long is not the peer's fault.
    #[inline]
    fn set_away(&mut self, away: Duration) {
        if self.away != away {
            self.away = away;
            let timeout = self.unacknowledged_max + away;
            self.socket().set_timeout(Some(timeout));
        }
    }

    /// Ends the connection at once: with what was sent and acknowledged the peer reads to an end in order, and learns with the next segment that nobody is here any more.
    pub(super) fn end(&mut self) {
        self.socket().close();
        // There is nobody left to hear of an error.
        let _ = self.transmit();
        self.socket().abort();
        let _ = self.transmit();
    }
}

fn duration(d: std::time::Duration) -> Duration {
    Duration::from_micros(d.as_micros() as u64)
}
