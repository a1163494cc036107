//! Membership of a multicast group, and how a line's is renewed from beside it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{SockRef, Socket};

use crate::context;

/// What a line joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) group: Ipv4Addr,
    pub(super) source: Option<Ipv4Addr>,
    pub(super) interface: Ipv4Addr,
}

impl Joined {
    pub(super) fn join(&self, socket: &Socket) -> io::Result<()> {
        match self.source {
            Some(source) => socket.join_ssm_v4(&source, &self.group, &self.interface),
            None => socket.join_multicast_v4(&self.group, &self.interface),
        }
    }

    fn leave(&self, socket: &Socket) -> io::Result<()> {
        match self.source {
            Some(source) => socket.leave_ssm_v4(&source, &self.group, &self.interface),
            None => socket.leave_multicast_v4(&self.group, &self.interface),
        }
    }
}

/// Renews a line's membership, by a descriptor of its own: from another thread, while the line's own hears. The line's port stays taken for as long as
/// this lives.
#[derive(Debug)]
pub struct Membership {
    socket: UdpSocket,
    local: SocketAddr,
    joined: Joined,
}

impl Membership {
    pub(super) fn new(socket: &UdpSocket, local: SocketAddr, joined: Joined) -> io::Result<Membership> {
        let socket = socket.try_clone().map_err(|e| context(e, "udp membership of", local))?;
        Ok(Membership { socket, local, joined })
    }

    /// Leaves the group and joins it again, so that the host reports it to the routers anew (RFC 3376, section 5.1): for a switch or a router that
    /// forgot it. What comes between the two is not heard.
    ///
    /// # Errors
    /// The kernel's, with the group. The line is then in no group: try again.
    ///
    /// Cost: two system calls.
    pub fn renew(&self) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        // Where the last renewal failed half-way there is nothing to leave.
        let _ = self.joined.leave(&socket);
        self.joined.join(&socket).map_err(|e| context(e, "udp join of", self.local))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{LineConfig, SenderConfig, UdpLine, UdpSender};
    use super::*;
    use crate::{DatagramSend, Datagrams};

    #[test]
    fn a_line_whose_membership_is_gone_hears_again_when_it_is_renewed() {
        let group = SocketAddr::from((Ipv4Addr::new(239, 255, 77, 5), 0));
        let Ok(mut line) =
            UdpLine::open(&LineConfig { interface: Ipv4Addr::LOCALHOST, ..LineConfig::new(group) })
        else {
            return eprintln!("skipped: no multicast on this host's loopback interface");
        };
        let to = SenderConfig { interface: Ipv4Addr::LOCALHOST, ..SenderConfig::new(line.local_addr()) };
        let mut sender = UdpSender::open(&to).unwrap();
        let mut hears = |line: &mut UdpLine| {
            sender.send(b"word").unwrap();
            (0..10_000).any(|_| line.recv(&mut [0; 16]).unwrap() == Some(4))
        };
        if !hears(&mut line) {
            return eprintln!("skipped: multicast is not delivered on this host's loopback interface");
        }
        let membership = line.membership().unwrap().unwrap();
        membership.joined.leave(&SockRef::from(&membership.socket)).unwrap();
        assert!(!hears(&mut line), "in no group");
        membership.renew().unwrap();
        assert!(hears(&mut line));
        membership.renew().unwrap();
        assert!(hears(&mut line), "one that is whole is renewed too");
    }

    #[test]
    fn a_unicast_line_has_none() {
        let line = UdpLine::open(&LineConfig::new((Ipv4Addr::LOCALHOST, 0).into())).unwrap();
        assert!(line.membership().unwrap().is_none());
    }
}
