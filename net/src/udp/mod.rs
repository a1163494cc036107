//! UDP: the lines of a feed, a sender for the simulated venue, and a socket for re-requests.
//!
//! | type | is | traits |
//! |---|---|---|
//! | [`UdpLine`] | one line (A or B) of a feed: a unicast port or a multicast group | [`Datagrams`](crate::Datagrams) |
//! | [`DropCount`] | what the kernel dropped at a line, for another thread to ask | |
//! | [`Membership`] | a line's membership of its group, for another thread to renew | |
//! | [`UdpSender`] | the other end of a line | [`DatagramSend`](crate::DatagramSend) |
//! | [`UdpRequest`] | a connected socket to one peer: questions out, answers in | both |
//!
//! One datagram a system call, in bursts too. `recvmmsg` was built and measured (loopback, datagrams of 200 bytes, bursts of 32): 11 to 27 % less a datagram in a
//! backlog, 25 % more for a single one, and the oldest of a backlog waits for the copies of all behind it. What wants to be faster than this goes past the
//! kernel (AF_XDP, or these sockets under OpenOnload) and makes no call at all.

mod line;
mod membership;
mod request;
mod sender;

pub use line::{DropCount, LineConfig, Refusal, Stamp, Stamps, UdpLine};
pub use membership::Membership;
pub use request::UdpRequest;
pub use sender::{SenderConfig, UdpSender};

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How many over-long datagrams one `recv` skips before it reports "nothing now": a flood of them must not hold
/// the caller's duty cycle.
pub(crate) const OVERSIZE_SKIPPED_MAX: usize = 16;

/// The multicast group in `address`, or `None` when it is unicast.
///
/// # Errors
/// `Unsupported` for an IPv6 group: no venue of ours has one, and joining it wants an interface index.
fn group_of(address: SocketAddr) -> io::Result<Option<Ipv4Addr>> {
    match address.ip() {
        IpAddr::V4(ip) => Ok(ip.is_multicast().then_some(ip)),
        IpAddr::V6(ip) if ip.is_multicast() => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{address}: IPv6 multicast is not supported"),
        )),
        IpAddr::V6(_) => Ok(None),
    }
}
