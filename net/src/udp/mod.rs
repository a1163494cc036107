//! UDP: the lines of a feed, a sender for the simulated venue, and a socket for re-requests.
//!
//! | type | is | traits |
//! |---|---|---|
//! | [`UdpLine`] | one line (A or B) of a feed: a unicast port or a multicast group | [`Datagrams`](crate::Datagrams) |
//! | [`DropCount`] | what the kernel dropped at a line, for another thread to ask | |
//! | [`Membership`] | a line's membership of its group, for another thread to renew | |
//! | [`UdpSender`] | the other end of a line | [`DatagramSend`](crate::DatagramSend) |
//! | [`UdpRequest`] | a connected socket to one peer: questions out, answers in | both |

mod line;
mod membership;
mod request;
mod sender;

pub use line::{DropCount, LineConfig, Refusal, UdpLine};
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
